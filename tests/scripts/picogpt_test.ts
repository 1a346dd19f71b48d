import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { InputError, UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import { saveTraining } from "lib/training/resume.ts";
import { seedAll, torch } from "lib/random.ts";
import { type Tensor, values } from "lib/tensor.ts";
import { GPT as MinGPT } from "scripts/gpt.ts";
import { GPT as NanoGPT } from "scripts/nanogpt.ts";
import {
  gelu,
  generate,
  gpt2,
  gpt2Cached,
  layer_norm,
  loadParams,
  main,
  softmax,
} from "scripts/picogpt.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { run, temporaryFolder } from "../helpers/scripts.ts";

const characters = [..."abcdefghijklmnopqrs"];
const sizes = { block_size: 16, vocab_size: 19, n_layer: 2, n_head: 3, n_embd: 12 };

/** A folder with PyTorch's small GPT-2 as Hugging Face has it. */
async function tinyGPT2(): Promise<string> {
  const folder = await temporaryFolder();
  const weights = new URL("../reference/gpt2-tiny.hub-names.safetensors", import.meta.url);
  await Deno.copyFile(weights, join(folder, "model.safetensors"));
  const config = { n_layer: 2, n_head: 2, n_embd: 32, vocab_size: 97, n_positions: 24 };
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

/** The output folder of a chargpt run: the output matrix is not the embedding. */
async function charGPT(): Promise<{ folder: string; model: MinGPT }> {
  seedAll(1);
  const pdrops = { embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 };
  const model = new MinGPT({ ...sizes, ...pdrops });
  const folder = await temporaryFolder();
  await model.savePretrained(join(folder, "model"), { characters });
  return { folder, model };
}

/** The output folder of a nanogpt run. */
async function nanoGPT(bias: boolean, gelu: "none" | "tanh") {
  seedAll(2);
  const model = new NanoGPT({ ...sizes, dropout: 0, bias, gelu });
  const settings = { weight_decay: 0, learning_rate: 0, betas: [0, 0] as [number, number] };
  const log = console.log;
  console.log = () => {};
  const optimizer = model.configureOptimizers(settings);
  console.log = log;
  const folder = await temporaryFolder();
  const state = { model_args: model.config, characters };
  await saveTraining(join(folder, "ckpt.safetensors"), { model, optimizer }, state);
  return { folder, model };
}

const ids = [3, 1, 4, 1, 5, 9, 2, 6];
const batch = (ids: number[]) => tf.tensor2d([ids], undefined, "int32");

testOnDevices("gpt2() has PyTorch's logits and continues as it does", async () => {
  const reference = await readReference("gpt2-tiny.json");
  const { params, hparams, characters } = await loadParams(await tinyGPT2());
  assertEquals(characters, undefined);
  assertEquals(params.lm_head, undefined);
  const { shape: [, T, V], data } = reference.logits;
  for (const [b, row] of reference.input.entries()) {
    const logits = gpt2(row, params, hparams);
    assertEquals(logits.shape, [T, V]);
    const expected = data.slice(b * T * V, (b + 1) * T * V);
    assertClose(await values(logits), expected, { absolute: 1e-5, relative: 1e-5 });
  }
  const prompt = reference.input[0];
  const n = hparams.n_ctx - 1 - prompt.length;
  const written = await generate(prompt, params, hparams, n);
  assertEquals(written, reference.greedy_of_row_0.slice(prompt.length, prompt.length + n));
}, ["reference", "cpu", "webgpu"]);

testOnDevices("gpt2() has the logits of gpt.ts and nanogpt.ts for their weights", async () => {
  const { folder, model } = await charGPT();
  const { params, hparams, ...rest } = await loadParams(folder);
  assertEquals(rest.characters, characters);
  const expected = await values(model.forward(batch(ids)));
  assertClose(await values(gpt2(ids, params, hparams)), expected, { absolute: 1e-5 });
  for (const [bias, form] of [[false, "none"], [true, "none"], [true, "tanh"]] as const) {
    const { folder, model } = await nanoGPT(bias, form);
    // Weights from N(0, 0.02) make the activations so small that the two GELUs differ little.
    for (const p of model.parameters()) p.assign(p.mul(6));
    const optimizer = { stateDict: () => ({ tensors: {}, steps: [], groups: [] }) };
    const state = { model_args: model.config, characters };
    // deno-lint-ignore no-explicit-any
    const trained: any = { model, optimizer };
    await saveTraining(join(folder, "ckpt.safetensors"), trained, state);
    const { params, hparams, ...rest } = await loadParams(folder);
    assertEquals(rest.characters, characters);
    const expected = await values(model.forward(batch(ids)));
    const logits = await values(gpt2(ids, params, hparams));
    assertClose(logits, expected, { absolute: 1e-5, relative: 1e-5, what: form });
    const other = { ...hparams, exact_gelu: !hparams.exact_gelu };
    const wrong = await values(gpt2(ids, params, other));
    assert(wrong.some((x, i) => Math.abs(x - expected[i]) > 1e-4), "the form of GELU matters");
  }
}, ["cpu"]);

testOnDevices("the cache changes nothing but the work", async () => {
  const { folder } = await charGPT();
  const { params, hparams } = await loadParams(folder);
  const whole = await values(gpt2(ids, params, hparams)); // (8, V)
  let [logits, cache] = gpt2Cached(ids.slice(0, 3), params, hparams);
  const parts = [...await values(logits)];
  for (const fresh of [ids.slice(3, 4), ids.slice(4)]) {
    const before = cache;
    [logits, cache] = gpt2Cached(fresh, params, hparams, cache);
    assertEquals(before[0].k.shape[0], cache[0].k.shape[0] - fresh.length, "a pure function");
    parts.push(...await values(logits));
  }
  assertClose(parts, whole, { absolute: 1e-6 });
  const before = tf.memory().numTensors;
  const fast = await generate(ids, params, hparams, 7);
  assertEquals(await generate(ids, params, hparams, 7, { use_cache: false }), fast);
  assertEquals(tf.memory().numTensors, before);
}, ["reference", "cpu"]);

testOnDevices("a token does not see those behind it", async () => {
  const { folder } = await charGPT();
  const { params, hparams } = await loadParams(folder);
  const logits = async (last: number) =>
    await values(gpt2([...ids.slice(0, 5), last], params, hparams).slice(0, 5));
  assertEquals(await logits(7), await logits(18));
}, ["cpu"]);

testOnDevices("the pieces are the formulas of lib/functional.ts", async () => {
  torch.manualSeed(3);
  const x = tf.tensor(torch.normal(35, 0, 3), [5, 7]);
  const [g, b] = [tf.tensor(torch.randn(7)), tf.tensor(torch.randn(7))];
  const same = async (a: Tensor, e: Tensor) =>
    assertClose(await values(a), await values(e), { absolute: 2e-6, relative: 2e-6 });
  await same(gelu(x), F.gelu(x, "tanh"));
  await same(gelu(x, true), F.gelu(x));
  await same(softmax(x), F.softmax(x));
  await same(layer_norm(x, { g, b }), F.layerNorm(x, g, b));
  await same(layer_norm(x, { g }), F.layerNorm(x, g));
}, ["reference", "cpu"]);

testOnDevices("main() continues a prompt and says how much the cache saves", async () => {
  const { folder } = await nanoGPT(false, "none");
  const flags = [`--models_dir=${folder}`, "--prompt=abcab", "--device=cpu"];
  const { result, printed } = await run(main, ...flags, "--n_tokens_to_generate=10");
  assertEquals(result!.ids.map((id) => characters[id]).join(""), result!.text);
  assertEquals(result!.ids.length, 10);
  assert(/^[\d.]+ tokens\/s without: the cache is [\d.]+ times as fast$/.test(printed.at(-1)!));
  const { printed: table } = await run(main, ...flags, "--n_tokens_to_generate=1", "--trace");
  assert(table.length > 20);

  const cases: [string[], string][] = [
    [["--n_tokens_to_generate=11"], "after a prompt of 5: the model sees 16"],
    [["--prompt=aZb"], 'the model does not know the character "Z"'],
    [["--prompt="], "it is empty"],
    [["--n_tokens_to_generate=0"], "a whole number from 1 on"],
    [["--model_size=125M"], "one of 124M, 355M, 774M, 1558M"],
    [[`--models_dir=${await tinyGPT2()}`, "--prompt=zebra"], "is not one of the model's 97"],
  ];
  for (const [more, problem] of cases) {
    await assertRejects(() => run(main, ...flags, ...more), UsageError, problem);
  }
  await assertRejects(
    () => run(main, "--models_dir=no/where"),
    InputError,
    "Cannot find the model",
  );
}, ["cpu"]);
