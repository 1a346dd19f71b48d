import * as tf from "@tensorflow/tfjs";
import { assertEquals, assertMatch } from "@std/assert";
import { torch } from "lib/random.ts";
import { values } from "lib/tensor.ts";
import { CharDataset, encodeCharacters, encodePrompt, main } from "scripts/chargpt.ts";
import { GPT } from "scripts/gpt.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { assertProcessRefuses, assertRefuses } from "../helpers/refuses.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

/** minGPT's own losses and texts on the novel; tests/reference/README.md says how they were recorded. */
const reference = (await readReference("chargpt-moby-dick.json")).runs;

testOnDevices("chargpt has minGPT's losses and writes its texts", async () => {
  for (const { seed, losses, greedy, top_k_10_after_manual_seed_1 } of reference) {
    const { result, metrics, printed } = await run(
      main,
      "--device=cpu",
      `--seed=${seed}`,
      "--model_type=gpt-nano",
      `--max_iters=${losses.length}`,
      "--log_every=1",
      "--max_new_tokens=3", // the sample at the start must not move the draws of the training
    );
    assertEquals(printed[1], "data has 1190317 characters, 83 unique.");
    assertClose(metrics.map(({ loss }) => loss), losses, { relative: 2e-6 });
    const { model, characters } = result!;
    model.eval();
    const context = tf.tensor2d([encodePrompt("Call me", characters)], undefined, "int32");
    const text = (ids: number[]) => ids.map((i) => characters[i]).join("");
    const [most] = await model.generate(context, 20, { do_sample: false });
    assertEquals(text(most), greedy);
    torch.manualSeed(1);
    const [sampled] = await model.generate(context, 20, { do_sample: true, top_k: 10 });
    assertEquals(text(sampled), top_k_10_after_manual_seed_1);
  }
}, ["cpu"]);

testOnDevices("a model that chargpt saved is read again, with its characters", async () => {
  const folder = await temporaryFolder();
  const text = `${folder}/text.txt`;
  await Deno.writeTextFile(text, "el niño comió piñas. ".repeat(30) + "🙂");
  const flags = [`--text=${text}`, "--block_size=16", "--model_type=gpt-nano", "--batch_size=4"];
  const { out, result, printed, metrics } = await run(
    main,
    "--device=cpu",
    ...flags,
    "--max_iters=25",
    "--sample_every=10",
    "--max_new_tokens=5",
    "--held_out=0.2",
    "--prompt=niño",
  );
  const read = await GPT.fromPretrained(`${out}/model`);
  const name = "transformer.h.0.attn.c_attn.weight";
  assertEquals(
    await values(read.stateDict()[name]),
    await values(result!.model.stateDict()[name]),
  );
  assertEquals(result!.characters.includes("🙂"), true);
  assertEquals(printed.filter((line) => line.startsWith("niño")).length, 3);
  assertEquals(
    metrics.filter(({ held_out_loss }) => held_out_loss > 0).map(({ step }) => step),
    [10, 20, 25],
  );
  assertMatch(await Deno.readTextFile(`${out}/loss.svg`), /held out/);
}, ["cpu"]);

Deno.test("encodeCharacters() sorts code points, and CharDataset shifts by one", async () => {
  const { characters, ids } = encodeCharacters("ba🙂aé");
  assertEquals(characters, ["a", "b", "é", "🙂"]);
  assertEquals([...ids], [1, 0, 3, 0, 2]);
  const dataset = new CharDataset(ids, 3);
  assertEquals(dataset.length, 2);
  const [x, y] = dataset.batch([1, 0]);
  assertEquals(await x.array(), [[0, 3, 0], [1, 0, 3]]);
  assertEquals(await y.array(), [[3, 0, 2], [0, 3, 0]]);
});

Deno.test("chargpt refuses what cannot be, in one line", async () => {
  const text = `${await temporaryFolder()}/short.txt`;
  await Deno.writeTextFile(text, "abc");
  const device = "--device=reference";
  await assertRefuses(() => run(main, device, `--text=${text}`), 1, "block_size=128");
  const flags = [device, "--model_type=gpt-nano", `--text=${text}`, "--block_size=2"];
  await assertRefuses(() => run(main, ...flags, "--prompt=xyz"), 2, 'the text has no "x"');
  await assertRefuses(() => run(main, ...flags, "--model_type=gpt-nan"), 2, "gpt-nano");
  await assertRefuses(() => run(main, ...flags, "--resume"), 1, "no checkpoint");
  const missing = 'Cannot find the text "no-such-text"';
  await assertProcessRefuses("chargpt.ts", [device, "--text=no-such-text"], 1, missing);
});

testOnDevices("texts of one character and of one passage train", async () => {
  const text = `${await temporaryFolder()}/a.txt`;
  await Deno.writeTextFile(text, "aaa");
  const flags = ["--model_type=gpt-nano", `--text=${text}`, "--block_size=2", "--max_iters=2"];
  const { metrics } = await run(main, "--device=cpu", ...flags, "--log_every=1");
  assertEquals(metrics.map(({ loss }) => loss), [0, 0]);
}, ["cpu"]);
