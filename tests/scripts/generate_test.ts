import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { startDevice } from "lib/device.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import { seedAll } from "lib/random.ts";
import { BPETokenizer, characterTokenizer, trainBPE } from "lib/tokenizers/mod.ts";
import { main } from "scripts/generate.ts";
import { readSafetensors, writeSafetensors } from "lib/weights/safetensors.ts";
import { GPT } from "scripts/gpt.ts";
import { run, runProcess, temporaryFolder } from "../helpers/scripts.ts";

await startDevice("reference");
const characters = ["\n", " ", "!", "a", "b", "é", "🤗"];
const DEVICE = "--device=reference";

/** Runs the program without what it writes to the terminal as it comes. */
async function generate(...flags: string[]): Promise<string[]> {
  const { writeSync } = Deno.stdout;
  Deno.stdout.writeSync = ({ length }) => length;
  try {
    return (await run(main, ...flags)).result;
  } finally {
    Deno.stdout.writeSync = writeSync;
  }
}

/** A model of characters, untrained but with scores far apart, as chargpt saves it. */
async function characterModel(): Promise<{ folder: string; model: GPT }> {
  seedAll(11);
  const model = new GPT(GPT.getDefaultConfig("gpt-nano", characters.length, 10));
  for (const p of model.parameters()) if (p.rank === 2) p.assign(p.mul(10));
  model.eval();
  const folder = await temporaryFolder();
  await model.savePretrained(`${folder}/model`, { tokenizer: characterTokenizer(characters) });
  return { folder, model };
}

/** A model one of whose weights is not a number. */
async function brokenModel(): Promise<string> {
  const { model } = await characterModel();
  const folder = await temporaryFolder();
  await model.savePretrained(folder, { tokenizer: characterTokenizer(characters) });
  const path = `${folder}/model.safetensors`;
  const { tensors } = await readSafetensors(path);
  (tensors.get("transformer.h.1.ln_1.weight")!.data as Float32Array).fill(NaN); // we write none
  await writeSafetensors(path, tensors);
  return folder;
}

Deno.test("generate.ts continues a prompt with a model of characters", async () => {
  const { folder, model } = await characterModel();
  const flags = [DEVICE, `--model=${folder}`, "--prompt=ab é", "--steps=8", "--num_samples=3"];
  const greedy = await generate(...flags, "--no-do_sample");
  const ids = tf.tensor2d([[3, 4, 1, 5]], undefined, "int32");
  const [expected] = await model.generate(ids, 8); // outgrows the block of 10
  assertEquals(greedy, Array(3).fill(expected.map((id) => characters[id]).join("")));

  const first = await generate(...flags);
  const second = await generate(...flags);
  const other = await generate(...flags, "--seed=1");
  assertEquals(first, second);
  assert(String(first) !== String(other));
  assertEquals(new Set(first).size, 3);
  for (const text of first) {
    assertEquals(text.slice(0, 4), "ab é");
    assertEquals(Array.from(text).length, 12);
  }
  const best = await generate(...flags, "--top_k=1");
  assertEquals(best, greedy);
});

Deno.test("generate.ts searches, stops, and lets nothing repeat", async () => {
  const { folder, model } = await characterModel();
  const flags = [DEVICE, `--model=${folder}`, "--prompt=ab", "--steps=6"];
  const text = (ids: number[]) => ids.map((id) => characters[id]).join("");
  const search = { num_beams: 3, num_return_sequences: 2, length_penalty: 2, early_stopping: true };
  const stop = [characters.indexOf("é")];
  const found = await model.generate([[3, 4]], 6, { ...search, stop });
  const asFlags = ["--num_beams=3", "--num_return_sequences=2", "--length_penalty=2"];
  const searched = await generate(...flags, ...asFlags, "--early_stopping", "--stop=é");
  assertEquals(searched, found.map(text));
  const { stdout } = await runProcess("generate.ts", ...flags, ...asFlags.slice(0, 2));
  assertEquals(stdout.match(/^ab/gm)?.length, 2);

  const all = await generate(...flags, "--num_samples=2", "--no_repeat_ngram_size=1", "--steps=5");
  for (const text of all) assertEquals([...text].toSorted(), characters.toSorted()); // each once
  const penalized = await generate(...flags, "--no-do_sample", "--repetition_penalty=1.7");
  const [expected] = await model.generate([[3, 4]], 6, { repetition_penalty: 1.7 });
  assertEquals(penalized[0], text(expected));
  const best = await generate(...flags, "--min_p=1", "--num_samples=1");
  assertEquals(best, await generate(...flags, "--no-do_sample", "--num_samples=1"));
  const [start] = await generate(DEVICE, `--model=${folder}`, "--stop=\n", "--steps=40");
  assertEquals(start.slice(1).replace(/[^\n]*\n?$/, ""), "");
});

Deno.test("generate.ts prints the first sample as it comes, then the others", async () => {
  const { folder } = await characterModel();
  const flags = [DEVICE, `--model=${folder}`, "--steps=6", "--num_samples=2"];
  const { code, stdout, stderr } = await runProcess("generate.ts", ...flags);
  assertEquals([code, stderr], [0, ""]);
  const result = await generate(...flags);
  assert(result.every((text) => text.startsWith("\n"))); // without a prompt: a new line
  const line = "-".repeat(80);
  const expected = result.map((text) => `${line}\n${text}\n`).join("");
  assertStringIncludes(stdout, "number of parameters: 0.09M\n" + expected);
});

Deno.test("generate.ts uses the byte-pair vocabulary beside a model", async () => {
  const tokenizer = trainBPE("the cat and the hat and the rat", 270, { endOfText: true });
  seedAll(12);
  const model = new GPT(GPT.getDefaultConfig("gpt-nano", tokenizer.size, 16));
  const folder = await temporaryFolder();
  await model.savePretrained(folder);
  const flags = [DEVICE, `--model=${folder}`, "--steps=8", "--num_samples=2"];
  await assertRejects(
    () => generate(...flags),
    InputError,
    `it has ${tokenizer.size} tokens, GPT-2's vocabulary 50257`,
  );
  await tokenizer.save(folder);
  const result = await generate(...flags, "--prompt=the hat");
  assert(result.every((text) => text.startsWith("the hat")));
  const fromNothing = await generate(...flags);
  assert(fromNothing.every((text) => text.startsWith("<|endoftext|>")));
});

Deno.test("decoder() holds half a character back, and knows which ids stand for nothing", async () => {
  const byPairs = await BPETokenizer.load();
  for (const tokenizer of [byPairs, characterTokenizer(characters)]) {
    const decode = tokenizer.decoder();
    assertEquals(tokenizer.encode("🤗 é").map((id) => decode(id)).join(""), "🤗 é");
    assertEquals(decode(50300), "\ufffd");
  }
  const [first, ...rest] = byPairs.encode("🤗");
  const decode = byPairs.decoder();
  assertEquals([decode(first), rest.map((id) => decode(id)).join("")], ["", "🤗"]);
});

Deno.test("characterTokenizer() names a character that the model lacks", () => {
  const tokenizer = characterTokenizer(characters);
  assertEquals(tokenizer.encode("🤗 é"), [6, 1, 5]);
  assertEquals(tokenizer.decode([6, 1, 5]), "🤗 é");
  const refusals = [["abc", '"c"'], ["ab\t", '"\\t"'], ["e\u0301", '"e"']];
  for (const [text, named] of refusals) {
    try {
      tokenizer.encode(text);
      throw new Error("no error");
    } catch (error) {
      assert(
        error instanceof UsageError && error.message.includes(`character ${named}`),
        `${error}`,
      );
    }
  }
});

Deno.test("generate.ts says in one line what is wrong, and what there is without a network", async () => {
  const { folder } = await characterModel();
  const cases: [string[], number, string][] = [
    [[`--model=${folder}`, "--prompt=xyz"], 2, 'the character "x"'],
    [["--model_type=gpt3"], 2, "gpt2, gpt2-medium, gpt2-large, gpt2-xl"],
    [["--model=nowhere"], 1, "Cannot find the model 'nowhere'"],
    [["--top_p=0"], 2, "--top_p"],
    [["--min_p=2"], 2, "--min_p"],
    [["--num_return_sequences=2"], 2, "--num_beams"],
    [[`--model=${folder}`, "--stop=ab"], 2, "it is 2 tokens"],
    [
      [`--model=${await brokenModel()}`, "--no-do_sample"],
      1,
      "parameter transformer.h.1.ln_1.weight",
    ],
  ];
  // A model that is there needs no network.
  const fetched = new URL("../../data/cache/gpt2-xl/model.safetensors", import.meta.url);
  if (!await Deno.stat(fetched).then(() => true, () => false)) {
    Deno.env.set("HF_ENDPOINT", "http://127.0.0.1:1");
    cases.push([["--model_type=gpt2-xl"], 1, "--model=out/chargpt"]);
  }
  try {
    for (const [flags, exitCode, message] of cases) {
      const { code, stderr } = await runProcess("generate.ts", DEVICE, ...flags);
      assertEquals([code, stderr.trim().split("\n").length], [exitCode, 1], stderr);
      assertStringIncludes(stderr, message);
    }
  } finally {
    Deno.env.delete("HF_ENDPOINT");
  }
});
