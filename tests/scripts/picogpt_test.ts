import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { characterTokenizer } from "lib/tokenizers/mod.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import { saveTraining } from "lib/training/resume.ts";
import { seedAll, torch } from "lib/random.ts";
import { type Tensor, values } from "lib/tensor.ts";
import { BPETokenizer, trainBPE } from "lib/tokenizers/mod.ts";
import {
  readSafetensors,
  type SafetensorsEntry,
  writeSafetensors,
} from "lib/weights/safetensors.ts";
import { GPT as MinGPT } from "scripts/gpt.ts";
import { GPT as NanoGPT, loadModel } from "scripts/nanogpt.ts";
import {
  gelu,
  generate,
  gpt2,
  gpt2Cached,
  layer_norm,
  type Loaded,
  loadParams,
  main,
  softmax,
} from "scripts/picogpt.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { assertRefuses } from "../helpers/refuses.ts";
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
  await model.savePretrained(join(folder, "model"), { tokenizer: characterTokenizer(characters) });
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

/** What the ids of a model stand for. */
async function charactersOf({ tokenizer }: Pick<Loaded, "tokenizer">): Promise<string[]> {
  const { size, decode } = await tokenizer();
  return Array.from({ length: size }, (_, id) => decode([id]));
}

const ids = [3, 1, 4, 1, 5, 9, 2, 6];
const batch = (ids: number[]) => tf.tensor2d([ids], undefined, "int32");

testOnDevices("gpt2() has PyTorch's logits and continues as it does", async () => {
  const reference = await readReference("gpt2-tiny.json");
  const { params, hparams, tokenizer } = await loadParams(await tinyGPT2());
  await assertRejects(tokenizer, InputError, "it has 97 tokens, GPT-2's vocabulary 50257");
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
  assertEquals(await charactersOf(rest), characters);
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
    assertEquals(await charactersOf(rest), characters);
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

/** The tiny GPT-2 with other weights or settings. */
async function changedGPT2(
  change: (tensors: Map<string, SafetensorsEntry>) => void,
  settings: Record<string, unknown> = {},
): Promise<string> {
  const folder = await tinyGPT2();
  const path = join(folder, "model.safetensors");
  const { tensors } = await readSafetensors(path);
  change(tensors);
  await writeSafetensors(path, tensors);
  const config = JSON.parse(await Deno.readTextFile(join(folder, "config.json")));
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify({ ...config, ...settings }));
  return folder;
}

testOnDevices("weights and settings that do not fit each other are refused", async () => {
  const name = (tensors: Map<string, unknown>, end: string) =>
    [...tensors.keys()].find((name) => name.endsWith(end))!;
  const cases: [string, (tensors: Map<string, SafetensorsEntry>) => void, object?][] = [
    ["missing: h.1.ln_1.weight", (tensors) => {
      for (const key of [...tensors.keys()]) if (/h\.1\./.test(key)) tensors.delete(key);
    }],
    [
      "missing: h.0.attn.c_attn.bias",
      (tensors) => void tensors.delete(name(tensors, "h.0.attn.c_attn.bias")),
    ],
    ["wpe.weight (want (24, 32), got (12, 32))", (tensors) => {
      const key = name(tensors, "wpe.weight");
      const { dtype, shape: [T, C], data } = tensors.get(key)!;
      const half = data.slice(0, T / 2 * C) as typeof data;
      tensors.set(key, { dtype, shape: [T / 2, C], data: half });
    }],
    ["unused: h.0.attn.gate.weight", (tensors) => {
      tensors.set("h.0.attn.gate.weight", tensors.get(name(tensors, "ln_f.weight"))!);
    }],
    ["unused: ", () => {}, { n_layer: 1 }],
    ["too few for n_layer=1000000000", () => {}, { n_layer: 1e9 }],
    ["of the wrong shape: ", () => {}, { n_positions: 1e9 }],
    ["n_head=5", () => {}, { n_head: 5 }],
    ["n_head a whole number from 1 on, got 2.5", () => {}, { n_head: 2.5 }],
  ];
  for (const [message, change, settings] of cases) {
    const folder = await changedGPT2(change, settings as Record<string, unknown>);
    await assertRefuses(() => loadParams(folder), 1, message);
    await assertRefuses(() => MinGPT.fromPretrained(folder), 1, message);
    await assertRefuses(() => loadModel(folder), 1, message);
  }
  const { folder } = await nanoGPT(false, "none");
  const path = join(folder, "ckpt.safetensors");
  await Deno.rename(path, join(folder, "last.safetensors"));
  assertEquals((await loadParams(folder)).hparams.n_head, sizes.n_head); // stopped early
  await assertRefuses(() => MinGPT.fromPretrained(folder), 1, "of a model with bias=false");
  const { tensors, metadata } = await readSafetensors(join(folder, "last.safetensors"));
  const edited = async (model_args: unknown) => {
    const trainer = JSON.stringify({ ...JSON.parse(metadata.trainer), model_args });
    await writeSafetensors(path, tensors, { ...metadata, trainer });
    return folder;
  };
  for (
    const [message, model_args] of [
      ["no checkpoint of nanogpt", null],
      ["n_layer a whole number", { ...sizes, n_layer: "2" }],
      ["too few for n_layer", { ...sizes, bias: false, n_layer: 1e9 }],
      ["bias true or false", { ...sizes, bias: 3 }],
      ["missing: ", { ...sizes, bias: true }],
    ] as const
  ) {
    await edited(model_args);
    await assertRefuses(() => loadParams(folder), 1, message);
  }
}, ["cpu"]);

testOnDevices("a model that is not GPT-2 brings its own vocabulary or is refused", async () => {
  seedAll(5);
  const pdrops = { embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 };
  const gpt2 = await BPETokenizer.load();
  const tiny = { n_layer: 1, n_head: 1, n_embd: 1, block_size: 8, ...pdrops };
  const folder = await temporaryFolder();
  await new MinGPT({ ...tiny, vocab_size: 50304 }).savePretrained(folder);
  const write = (source: string) =>
    run(main, `--models_dir=${source}`, "--prompt=a", "--n_tokens_to_generate=1", "--no-compare");
  await assertRefuses(() => write(folder), 1, "it has 50304 tokens, GPT-2's vocabulary 50257");
  const own = trainBPE("the cat and the hat and the rat", 270);
  await new MinGPT({ ...tiny, vocab_size: own.size }).savePretrained(folder, { tokenizer: own });
  assertEquals((await (await loadParams(folder)).tokenizer()).encode("the"), own.encode("the"));
  // What nanogpt exports: GPT-2's tokens, and the ids above them stand for nothing.
  await new MinGPT({ ...tiny, vocab_size: 50304 }).savePretrained(folder, { tokenizer: gpt2 });
  assertEquals(
    (await (await loadParams(folder)).tokenizer()).encode("the hat"),
    gpt2.encode("the hat"),
  );
}, ["cpu"]);
