import * as tf from "@tensorflow/tfjs";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "node:path";
import { characterTokenizer } from "lib/tokenizers/mod.ts";
import { loadCheckpoint, saveCheckpoint } from "lib/weights/checkpoint.ts";
import { Passages } from "lib/data/passages.ts";
import { readCharacterMeta, TokenFile, writeDataset } from "lib/data/tokens.ts";
import { startDevice } from "lib/device.ts";
import { findAdapter } from "lib/engine/webgpu/adapter.ts";
import { KVCache } from "lib/generation.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import { type Plain, readPickle, writePickle } from "lib/io/pickle.ts";
import { seedAll, torch } from "lib/random.ts";
import { readTrainingState } from "lib/training/resume.ts";
import { item, values } from "lib/tensor.ts";
import { GPT as MinGPT } from "scripts/gpt.ts";
import {
  bench,
  defaults,
  exportModel,
  getLr,
  GPT,
  type GPTConfig,
  loadModel,
  main,
  prepare,
  presets,
  readPreset,
  sample,
  train,
} from "scripts/nanogpt.ts";
import { assertClose, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";
import { assertRefuses } from "../helpers/refuses.ts";
import { run, runProcess, temporaryFolder } from "../helpers/scripts.ts";

const pytorch = await readReference("nanogpt-tiny.json");
const pytorchCheckpoint = new URL("../reference/nanogpt-tiny.safetensors", import.meta.url);

/** The data set of nanogpt-tiny.json. */
async function tinyDataset(): Promise<string> {
  const symbols = "abcdefghij klmnop.\n";
  const characters = [...symbols].sort();
  const ids = Array.from(
    { length: 2000 },
    (_, i) => characters.indexOf(symbols[(Math.floor(i * i / 7) + 3 * i) % symbols.length]),
  );
  const folder = await temporaryFolder();
  await writeDataset(folder, { train: ids.slice(0, 1800), val: ids.slice(1800), characters });
  return folder;
}

const dataset = await tinyDataset();
const tiny = [
  "--config=gpt2",
  `--dataset=${dataset}`,
  ...Object.entries(pytorch.settings).map(([name, value]) => `--${name}=${value}`),
  "--log_interval=1",
  "--device=cpu",
];
const config: GPTConfig = {
  block_size: 8,
  vocab_size: 19,
  n_layer: 2,
  n_head: 2,
  n_embd: 12,
  dropout: 0,
  bias: false,
  gelu: "none",
};

const losses = (metrics: Record<string, number>[]) =>
  metrics.filter((line) => "loss" in line).map(({ loss }) => loss);
const evaluations = (metrics: Record<string, number>[]) =>
  metrics.filter((line) => "val_loss" in line)
    .map(({ step, train_loss, val_loss }) => ({ iter: step, train: train_loss, val: val_loss }));
async function readMetrics(out: string): Promise<Record<string, number>[]> {
  const text = await Deno.readTextFile(join(out, "metrics.jsonl"));
  return text.trim().split("\n").map((line) => JSON.parse(line));
}
// deno-lint-ignore no-explicit-any
function assertEvaluations(actual: any[], expected: any[]) {
  assertEquals(actual.map(({ iter }) => iter), expected.map(({ iter }) => iter));
  for (const split of ["train", "val"]) {
    const of = (rows: Record<string, number>[]) => rows.map((row) => row[split]);
    assertClose(of(actual), of(expected), { relative: 2e-6, what: `${split} losses` });
  }
}

testOnDevices("GPT() starts with PyTorch's weights", async () => {
  const { parameters_init, n_parameters_without_wpe } = await readReference("nanogpt.json");
  seedAll(1337);
  const model = new GPT({
    ...config,
    block_size: 64,
    vocab_size: 65,
    n_layer: 4,
    n_head: 4,
    n_embd: 128,
  });
  assertEquals(model.getNumParams(), n_parameters_without_wpe);
  const named = model.namedParameters();
  // deno-lint-ignore no-explicit-any
  assertEquals(named.map(([name]) => name), parameters_init.map((p: any) => p.name));
  for (const [i, { shape, first, last, sum, sum_sq, name }] of parameters_init.entries()) {
    const p = named[i][1];
    assertEquals(p.shape, shape, name);
    const numbers = [...await values(p)];
    assertClose(numbers.slice(0, 4), first, { absolute: 1e-8, what: name });
    assertClose(numbers.slice(-last.length), last, { absolute: 1e-8, what: name });
    assertAlmostEquals(numbers.reduce((a, b) => a + b), sum, 1e-6);
    assertAlmostEquals(numbers.reduce((a, b) => a + b * b, 0), sum_sq, 1e-6);
  }
}, ["cpu"]);

testOnDevices("train() is PyTorch's run, dropout and accumulation included", async (device) => {
  const { result, metrics, printed } = await run(train, ...tiny, `--device=${device}`);
  assertClose(losses(metrics), pytorch.losses, { relative: 2e-6, what: "losses" });
  assertEvaluations(evaluations(metrics), pytorch.evaluations);
  assertEquals(result!.evaluations, evaluations(metrics));
  const lines = printed.filter((line) => /^(tokens|num|step 0)/.test(line));
  assertEquals(lines, [
    "tokens per iteration will be: 48",
    "number of parameters: 0.00M",
    "num decayed parameter tensors: 10, with 3,780 parameters",
    "num non-decayed parameter tensors: 5, with 60 parameters",
    "step 0: train loss 2.9486, val loss 2.9378",
  ]);
}, ["reference", "cpu"]);

testOnDevices("train() goes on with a checkpoint of PyTorch's nanoGPT", async () => {
  const out = await temporaryFolder();
  const state = await readTrainingState(pytorchCheckpoint.pathname);
  const config = { ...state.config as object, dtype: "bfloat16" }; // as on most GPUs there
  await saveCheckpoint(
    join(out, "ckpt.safetensors"),
    await loadCheckpoint(pytorchCheckpoint.pathname),
    { trainer: JSON.stringify({ ...state, config }) },
  );
  const resume = ["--init_from=resume", `--out=${out}`, `--dataset=${dataset}`, "--max_iters=11"];
  await run(train, ...resume, "--device=cpu");
  const written = await readMetrics(out);
  assertClose(losses(written), pytorch.resumed_at_4.losses, { relative: 2e-6, what: "losses" });
  assertEvaluations(evaluations(written), pytorch.resumed_at_4.evaluations);
}, ["cpu"]);

testOnDevices("train() writes the checkpoint that PyTorch's nanoGPT writes", async () => {
  const { out } = await run(train, ...tiny, "--max_iters=4");
  const path = join(out, "ckpt.safetensors");
  const [own, theirs] = [
    await loadCheckpoint(path),
    await loadCheckpoint(pytorchCheckpoint.pathname),
  ];
  assertEquals(Object.keys(own).sort(), Object.keys(theirs).sort());
  for (const name of Object.keys(own)) {
    assertEquals(own[name].shape, theirs[name].shape, name);
    assertClose(await values(own[name]), await values(theirs[name]), {
      absolute: 2e-6,
      what: name,
    });
  }
  const [state, expected] = [
    await readTrainingState(path),
    await readTrainingState(pytorchCheckpoint.pathname),
  ];
  assertEquals(state.iter_num, expected.iter_num);
  assertEquals(state.optimizer.steps, expected.optimizer.steps);
  assertEquals(state.model_args, { ...expected.model_args as object, gelu: "none" });
}, ["cpu"]);

async function assertResumesExactly(...flags: string[]) {
  const whole = await run(train, ...tiny, ...flags);
  const out = await temporaryFolder();
  await run(train, ...tiny, ...flags, `--out=${out}`, "--max_iters=6");
  const device = flags.find((flag) => flag.startsWith("--device")) ?? "--device=cpu";
  await run(train, "--init_from=resume", `--out=${out}`, "--max_iters=11", device);
  const metrics = (folder: string) => Deno.readTextFile(join(folder, "metrics.jsonl"));
  assertEquals(await metrics(out), await metrics(whole.out));
  const [a, b] = [join(out, "last.safetensors"), join(whole.out, "last.safetensors")];
  const [stopped, straight] = [await loadCheckpoint(a), await loadCheckpoint(b)];
  for (const name of Object.keys(straight)) {
    assertEquals(await values(stopped[name]), await values(straight[name]), name);
  }
  const { config: _1, ...stateA } = await readTrainingState(a);
  const { config: _2, ...stateB } = await readTrainingState(b);
  assertEquals(stateA, stateB);
  return stateA;
}

testOnDevices("train() goes on as if it had never stopped", async () => {
  await assertResumesExactly();
}, ["cpu"]);

// ---- float16

const hasFloat16 = (await findAdapter())?.features.has("shader-f16") ?? false;

function float16Test(name: string, fn: () => Promise<void>) {
  Deno.test({
    name: `float16: ${name}${hasFloat16 ? "" : " (ignored: no WebGPU adapter with shader-f16)"}`,
    ignore: !hasFloat16,
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}

const mixed = ["--device=webgpu", "--dtype=float16"];

float16Test("train() has float32's losses, closely", async () => {
  const { metrics, printed } = await run(train, ...tiny, ...mixed, "--max_iters=12");
  const full = await run(train, ...tiny, "--device=webgpu", "--max_iters=12");
  assertEquals(losses(metrics).length, 13);
  assert(String(losses(metrics)) !== String(losses(full.metrics)), "not the same products");
  assertClose(losses(metrics), losses(full.metrics), { absolute: 0, relative: 1e-3 });
  const evaluated = (all: typeof metrics) =>
    evaluations(all).flatMap(({ train, val }) => [train, val]);
  assertClose(evaluated(metrics), evaluated(full.metrics), { absolute: 0, relative: 1e-3 });
  const { loss_scale, skipped } = metrics.findLast((line) => "loss" in line)!;
  assertEquals([loss_scale, skipped], [65536, 0]);
  assert(!printed.some((line) => line.includes("skipped")));
});

float16Test("train() goes on as if it had never stopped", async () => {
  const { scaler } = await assertResumesExactly(...mixed);
  assertEquals(scaler, { scale: 65536, growth_tracker: 12, skipped: 0 });
});

float16Test("train() skips steps until the loss is scaled less", async () => {
  const { out } = await run(train, ...tiny, ...mixed, "--max_iters=4");
  const path = join(out, "last.safetensors");
  const tensors = await loadCheckpoint(path);
  const state = await readTrainingState(path);
  const scaler = { scale: 2 ** 22, growth_tracker: 0, skipped: 0 };
  await saveCheckpoint(path, tensors, { trainer: JSON.stringify({ ...state, scaler }) });
  const { printed } = await run(
    train,
    "--init_from=resume",
    `--out=${out}`,
    "--device=webgpu",
    "--max_iters=11",
  );
  const lines = (await readMetrics(out)).filter(({ step, loss }) => step > 5 && loss);
  const { scaler: after, optimizer } = await readTrainingState(path);
  const skipped = lines.at(-1)!.skipped;
  assert(skipped > 0 && skipped < lines.length, `${skipped} steps skipped`);
  const scales = lines.map((_, i) => 2 ** (22 - Math.min(i, skipped)));
  assertEquals(lines.map(({ loss_scale }) => loss_scale), scales);
  assertEquals(after, {
    scale: scales.at(-1),
    growth_tracker: lines.length - skipped,
    skipped,
  });
  assertEquals(optimizer.steps[0], 12 - skipped);
  const told = printed.filter((line) => line.includes("step skipped"));
  assertEquals(told.length, skipped);
  assertStringIncludes(told[0], "iter 5: step skipped, as gradients of the loss times 4194304 are");
});

float16Test("sample and bench take it too", async () => {
  const { out } = await run(train, ...tiny, "--max_iters=4");
  const flags = [`--init_from=${out}`, "--num_samples=1", "--max_new_tokens=12", "--start=abc"];
  const written = await run(sample, ...flags, ...mixed);
  assertEquals(written.result!.samples[0].length, 15);
  const sizes = ["--n_layer=1", "--n_head=1", "--n_embd=8", "--block_size=4", "--batch_size=2"];
  const measured = await run(bench, ...sizes, "--burn_in=1", "--steps=1", ...mixed);
  assert(measured.result!.seconds > 0);
});

testOnDevices("train() keeps the best model, and goes on from the last", async () => {
  // The learning rate is so large that the held-out loss rises.
  const flags = [
    ...tiny,
    "--no-always_save_checkpoint",
    "--learning_rate=0.3",
    "--eval_interval=2",
  ];
  const { result, out } = await run(train, ...flags);
  const measured = result!.evaluations.slice(1);
  const best = measured.reduce((a, b) => b.val < a.val ? b : a);
  assert(best.iter < measured.at(-1)!.iter, "the best is not the last");
  assertEquals((await readTrainingState(join(out, "ckpt.safetensors"))).iter_num, best.iter);
  assertEquals((await readTrainingState(join(out, "last.safetensors"))).iter_num, 12);
  const { characters } = await loadModel(out);
  assertEquals(characters?.length, 19);
}, ["cpu"]);

Deno.test("a signal stops training, which then goes on from there", async () => {
  const out = await temporaryFolder();
  const script = new URL("../../scripts/nanogpt.ts", import.meta.url).pathname;
  const flags = [...tiny, "--max_iters=100000", "--turbo=off", `--out=${out}`];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, "train", ...flags],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let printed = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    printed += text;
    if (/iter 5:/.test(printed)) child.kill("SIGTERM");
  }
  const stderr = await new Response(child.stderr).text();
  assertEquals((await child.status).code, 143, stderr);
  assertStringIncludes(stderr, "--init_from=resume goes on from here");
  const state = await readTrainingState(join(out, "last.safetensors"));
  assert(state.iter_num as number >= 6);
});

testOnDevices("accumulated gradients are those of one large batch", async () => {
  seedAll(3);
  const model = new GPT(config);
  const optimizer = model.configureOptimizers({
    weight_decay: 0,
    learning_rate: 0.1,
    betas: [0.9, 0.95],
  });
  using tokens = new TokenFile(join(dataset, "train.bin"), 19);
  const passages = new Passages(tokens, 6, 8);
  const starts = passages.draw();
  const gradients = async (parts: number[][]) => {
    for (const part of parts) {
      const [x, y] = passages.batch(part);
      optimizer.backward(() => tf.div(model.loss(x, y), parts.length));
    }
    const all = await Promise.all([...optimizer.gradients.values()].map((g) => values(g)));
    optimizer.zeroGrad();
    return all.flatMap((g) => [...g]);
  };
  const whole = await gradients([starts]);
  const parts = await gradients([starts.slice(0, 2), starts.slice(2, 4), starts.slice(4)]);
  assertClose(parts, whole, { absolute: 1e-7, relative: 1e-4 });
}, ["cpu"]);

testOnDevices("generate() gives the same with the cache, past the block too", async () => {
  seedAll(5);
  const model = new GPT({ ...config, bias: true });
  model.eval();
  const write = async (use_cache: boolean) => {
    torch.manualSeed(1);
    return await Array.fromAsync(model.generate([3, 4], 15, { top_k: 5, use_cache }));
  };
  const before = tf.memory().numTensors;
  const withCache = await write(true);
  assertEquals(withCache.length, 15);
  assertEquals(await write(false), withCache);
  assertEquals(tf.memory().numTensors, before);
  // Several tokens behind those in the cache see each other causally.
  const ids = (list: number[]) => tf.tensor2d([list], undefined, "int32");
  const cache = new KVCache();
  const all = model.hidden(ids([1, 2, 3, 4, 5]));
  model.hidden(ids([1, 2]), cache);
  const rest = model.hidden(ids([3, 4, 5]), cache);
  assertClose(await values(rest), await values(all.slice([0, 2])), { absolute: 1e-6 });
}, ["reference", "cpu"]);

testOnDevices("cropBlockSize() leaves the logits of shorter passages as they are", async () => {
  seedAll(6);
  const model = new GPT(config);
  const x = tf.tensor2d([[1, 2, 3, 18, 0]], undefined, "int32");
  const before = await values(model.forward(x));
  model.cropBlockSize(5);
  assertEquals(await values(model.forward(x)), before);
  assertEquals(model.stateDict()["transformer.wpe.weight"].shape, [5, 12]);
  assertThrows(() => model.cropBlockSize(6), UsageError, "the model has block_size=5");
}, ["cpu"]);

testOnDevices("loss() leaves out the targets of ignore_index", async () => {
  seedAll(7);
  const model = new GPT(config);
  const x = tf.tensor2d([[1, 2, 3]], undefined, "int32");
  const [ignored, chosen] = [
    await item(model.loss(x, tf.tensor2d([[4, 9, 9]], undefined, "int32"), 9)),
    await item(model.loss(x, tf.tensor2d([[4, -1, -1]], undefined, "int32"))),
  ];
  assertEquals(ignored, chosen);
  const p = await values(model.forward(x).slice([0, 0], [1, 1]).softmax());
  assertClose([chosen], [-Math.log(p[4])], { relative: 1e-5 });
}, ["cpu"]);

testOnDevices("export writes what gpt.ts opens, or says why it cannot be", async () => {
  seedAll(8);
  const folder = await temporaryFolder();
  const model = new GPT({ ...config, bias: true, gelu: "tanh" });
  await model.savePretrained(folder, { tokenizer: characterTokenizer([..."abcdefghijklmnopqrs"]) });
  const other = await MinGPT.fromPretrained(folder);
  const x = tf.tensor2d([[1, 2, 3, 18]], undefined, "int32");
  assertClose(await values(other.forward(x)), await values(model.forward(x)), { absolute: 1e-6 });
  const back = await loadModel(folder);
  assertEquals(back.model.config, { ...model.config });
  assertEquals(back.characters?.join(""), "abcdefghijklmnopqrs");
  assertClose(await values(back.model.forward(x)), await values(model.forward(x)), {
    absolute: 1e-6,
  });

  const { out } = await run(train, ...tiny, "--max_iters=4");
  const error = await assertRejects(
    () => run(exportModel, `--init_from=${out}`, `--to=${folder}`, "--device=cpu"),
    InputError,
    "Cannot export the model for Hugging Face: it has no biases",
  );
  assertStringIncludes(error.message, "its GELU is the exact one");
}, ["cpu"]);

testOnDevices("training goes on from Hugging Face's weights, cropped", async () => {
  seedAll(9);
  const folder = await temporaryFolder();
  await new GPT({ ...config, block_size: 12, bias: true, gelu: "tanh" })
    .savePretrained(folder, { tokenizer: characterTokenizer((await readCharacterMeta(dataset))!) });
  const flags = [...tiny, "--max_iters=4", `--init_from=${folder}`, "--dropout=0", "--n_layer=7"];
  const { result, out } = await run(train, ...flags);
  assertEquals(result!.model.config, { ...config, bias: true, gelu: "tanh" });
  const resume = ["--init_from=resume", `--out=${out}`, "--max_iters=5", "--device=cpu"];
  assertEquals((await run(train, ...resume)).result!.model.config, result!.model.config);
  const hf = await temporaryFolder();
  await run(exportModel, `--init_from=${out}`, `--to=${hf}`, "--device=cpu");
  assertEquals((await MinGPT.fromPretrained(hf)).config.block_size, 8);
}, ["cpu"]);

testOnDevices("sample writes what the seed says, from texts and files", async () => {
  const { out } = await run(train, ...tiny, "--max_iters=4");
  const start = join(await temporaryFolder(), "start.txt");
  await Deno.writeTextFile(start, "abc");
  const flags = [`--init_from=${out}`, "--num_samples=2", "--max_new_tokens=12", "--device=cpu"];
  const one = (await run(sample, ...flags, "--start=abc")).result!.samples;
  assertEquals(one.map((ids) => ids.length), [15, 15]);
  assertEquals((await run(sample, ...flags, `--start=FILE:${start}`)).result!.samples, one);
  const other = (await run(sample, ...flags, "--start=abc", "--seed=2")).result!.samples;
  assert(String(other) !== String(one));
  const greedy = (await run(sample, ...flags, "--start=abc", "--top_k=1")).result!.samples;
  assertEquals(greedy[0], greedy[1]);
  const pytorch = await temporaryFolder(); // its checkpoint has no characters
  await Deno.copyFile(pytorchCheckpoint, join(pytorch, "ckpt.safetensors"));
  const theirs = [...flags, "--start=abc", `--init_from=${pytorch}`];
  assertEquals((await run(sample, ...theirs, `--dataset=${dataset}`)).result!.samples, one);
  await assertRejects(() => run(sample, ...theirs), UsageError, "name its data set by --dataset");
  for (const [start, problem] of [["Z", 'know the character "Z"'], ["", "begin with nothing"]]) {
    const refused = () => run(sample, ...flags, `--start=${start}`);
    await assertRejects(refused, UsageError, problem);
  }
}, ["cpu"]);

testOnDevices("bench and --trace say what a step takes", async () => {
  const sizes = ["--n_layer=1", "--n_head=1", "--n_embd=8", "--block_size=4", "--batch_size=2"];
  const flags = [...sizes, "--burn_in=1", "--steps=2", "--device=cpu"];
  for (const data of [[], [`--dataset=${dataset}`]]) {
    const { result, printed } = await run(bench, ...flags, ...data);
    assert(result!.seconds > 0);
    assert(/^time per iteration: [\d.]+ms, MFU: [\d.]+%, \d+ tokens\/s$/.test(printed.at(-1)!));
  }
  const traced = await run(train, ...tiny, "--trace");
  assert(traced.printed.some((line) => /transformer\.h\.1\.attn\.c_attn .*linear/.test(line)));
}, ["cpu"]);

Deno.test("getLr() rises in a line, falls along a cosine and stays", async () => {
  const { learning_rates } = await readReference("nanogpt.json");
  const schedule = {
    learning_rate: 1e-3,
    min_lr: 1e-4,
    warmup_iters: 100,
    lr_decay_iters: 2000,
    decay_lr: true,
  };
  const rates = learning_rates.map((_: number, iter: number) => getLr(iter, schedule));
  assertClose(rates, learning_rates, { absolute: 0, relative: 1e-12 });
  assertEquals(getLr(100, schedule), 1e-3);
  assertAlmostEquals(getLr(1050, schedule), 5.5e-4, 1e-12);
  assertEquals(getLr(2000, schedule), 1e-4);
  assertEquals(getLr(9999, schedule), 1e-4);
  assertEquals(getLr(9999, { ...schedule, decay_lr: false }), 1e-3);
});

Deno.test("estimateMFU() is PaLM's formula for GPT-2 on an A100", async () => {
  await startDevice("reference");
  const model = new GPT({ ...config, n_layer: 1 });
  // 6 N + 12 L H Q T operations a token, 8 tokens, 2 passages in half a second
  const N = 19 * 12 + 12 * 12 * 12 + 3 * 12;
  const flops = (6 * N + 12 * 1 * 2 * 6 * 8) * 8 * 2;
  assertAlmostEquals(model.estimateMFU(2, 0.5, 1e6), flops / 0.5 / 1e6, 1e-12);
});

// ---- presets

Deno.test("presets have the settings of nanoGPT's files, which are read as well", async () => {
  assertEquals(presets.shakespeare_char.n_embd, 384);
  assertEquals(presets.shakespeare_char_cpu.block_size, 64);
  for (const preset of Object.values(presets)) {
    for (const [name, value] of Object.entries(preset)) {
      assertEquals(typeof value, typeof defaults[name as keyof typeof defaults], name);
    }
  }
  const file = join(await temporaryFolder(), "config.py");
  const text = [
    "# a comment",
    "import time",
    "wandb_run_name='ft-' + str(time.time())",
    "gradient_accumulation_steps = 5 * 8 # many",
    "dataset = 'with # and space'",
    "bias = True",
    "",
    "learning_rate = 3e-5",
  ];
  await Deno.writeTextFile(file, text.join("\n"));
  assertEquals(await readPreset(file), [
    "--gradient_accumulation_steps=40",
    "--dataset=with # and space",
    "--bias=true",
    "--learning_rate=0.00003",
  ]);
  const wrong = {
    "n_layer = '6'": "line 1: n_layer expects a number, got '6'",
    "bias = 1": "line 1: bias expects a boolean, got 1",
    "\nn_layers = 6": "line 2: there is no setting 'n_layers'",
    "if True:": "line 1: want 'name = value', got 'if True:'",
  };
  for (const [text, problem] of Object.entries(wrong)) {
    await Deno.writeTextFile(file, text);
    await assertRejects(() => readPreset(file), Error, problem);
  }
});

testOnDevices("flags lie over a preset, which lies over the defaults", async () => {
  const flags = ["--config=shakespeare_char_cpu", ...tiny.slice(1), "--max_iters=0"];
  const { out } = await run(train, ...flags, "--eval_only");
  const { options, seed, command } = JSON.parse(await Deno.readTextFile(join(out, "config.json")));
  assertEquals([seed, command], [1337, "train"]);
  assertEquals(options.beta2, 0.99); // the preset's
  assertEquals(options.n_embd, 12); // the flag's
  assertEquals(options.beta1, 0.9); // the default
}, ["cpu"]);

// ---- what can be wrong

testOnDevices("train() says in one line what is wrong", async () => {
  const { out } = await run(train, ...tiny, "--max_iters=4");
  const broken = async (name: string, bytes: Uint8Array) => {
    const folder = await temporaryFolder();
    for (const file of ["train.bin", "val.bin", "meta.pkl"]) {
      await Deno.copyFile(join(dataset, file), join(folder, file));
    }
    await Deno.writeFile(join(folder, name), bytes);
    return `--dataset=${folder}`;
  };
  const resume = [...tiny.slice(1), "--init_from=resume"];
  const cases: [string[], typeof InputError | typeof UsageError, string][] = [
    [[...tiny, await broken("train.bin", new Uint8Array(101))], InputError, "its 101 bytes are no"],
    [
      [
        ...tiny,
        await broken("val.bin", Uint8Array.from({ length: 60 }, (_, i) => i === 40 ? 19 : 0)),
      ],
      InputError,
      "token 20 is 19, the vocabulary has the ids 0 to 18",
    ],
    [[...tiny, await broken("val.bin", new Uint8Array(16))], InputError, "it has 8 tokens"],
    [[...tiny, await broken("meta.pkl", new Uint8Array(9))], InputError, "Want a pickle"],
    [
      [...tiny, "--learning_rate=1e30", "--min_lr=1e30", "--grad_clip=0"],
      InputError,
      "The loss is",
    ],
    [[...tiny, "--dataset=none"], InputError, "Cannot find the data set 'none'"],
    [["--config=tiny"], UsageError, "There is no preset 'tiny': want moby_dick_char, shakespeare_"],
    [["--config=none.py"], InputError, "Cannot read 'none.py': no such file"],
    [[...tiny, "--min_lr=0.02"], UsageError, "min_lr=0.02, learning_rate=0.01"],
    [
      [...tiny, "--total_batch_size=100"],
      UsageError,
      "total_batch_size=100, batch_size * block_size=24",
    ],
    [[...tiny, "--gradient_accumulation_steps=1.5"], UsageError, "a whole number from 1 on"],
    [[...tiny, "--n_head=5"], UsageError, "n_embd=12, n_head=5"],
    [[...tiny, "--init_from=nowhere"], InputError, "Cannot find the model 'nowhere'"],
    [["--init_from=resume", "--out=/tmp/none-such"], InputError, "there is no checkpoint"],
    [
      [...resume, `--out=${out}`, "--n_layer=3"],
      UsageError,
      `Cannot resume with n_layer=3: the checkpoint '${out}/last.safetensors' has n_layer=2`,
    ],
    [[...resume, `--out=${out}`, "--gelu=tanh"], UsageError, "gelu=tanh: the checkpoint"],
    [[...tiny, "--dtype=float16"], UsageError, "--dtype=float16: only --device=webgpu has it"],
    [[...tiny, "--dtype=bfloat16", "--dataset=none"], UsageError, "WebGPU has no bfloat16"],
  ];
  for (const [flags, type, message] of cases) {
    await assertRejects(() => run(train, "--device=cpu", ...flags), type, message);
  }
  const half = ["--dtype=float16", "--device=cpu"];
  const only = "only --device=webgpu has it";
  await assertRejects(() => run(sample, ...half), UsageError, only);
  await assertRejects(() => run(bench, ...half), UsageError, only);
  await assertRejects(() => main(["trian"]), UsageError, "Unknown command 'trian': want train,");
}, ["cpu"]);

Deno.test("the program has commands, and each has its help", async () => {
  const [all, one, wrong] = await Promise.all([
    runProcess("nanogpt.ts", "--help"),
    runProcess("nanogpt.ts", "sample", "--help"),
    runProcess("nanogpt.ts", "--config=tiny"),
  ]);
  assertStringIncludes(all.stdout, "  sample   writes with a trained model");
  assertStringIncludes(all.stdout, "--eval_interval=NUMBER");
  assertStringIncludes(one.stdout, "nanogpt.ts sample [--FLAG=VALUE ...]");
  assert(/--temperature=NUMBER +0.8 +below 1 surer/.test(one.stdout), one.stdout);
  assertEquals(wrong.code, 2);
  assert(/^error: There is no preset 'tiny'.*\n$/.test(wrong.stderr), wrong.stderr);
});

// ---- data files

testOnDevices("prepare writes the files of nanoGPT's prepare.py", async () => {
  const folder = await temporaryFolder();
  const text = join(folder, "text.txt");
  await Deno.writeTextFile(text, "né\r\n😀 zab"); // 8 characters, as Python counts
  await run(prepare, `--text=${text}`, `--dataset=${folder}`, "--device=cpu");
  assertEquals(await readCharacterMeta(folder), ["\n", " ", "a", "b", "n", "z", "é", "😀"]);
  const words = async (
    name: string,
  ) => [...new Uint16Array((await Deno.readFile(join(folder, name))).buffer)];
  assertEquals(await words("train.bin"), [4, 6, 0, 7, 1, 5, 2]);
  assertEquals(await words("val.bin"), [3]);
  await Deno.writeTextFile(text, "Hello world, hello! 1 2");
  await run(prepare, `--text=${text}`, `--dataset=${folder}`, "--encoding=bpe", "--device=cpu");
  assertEquals(await readCharacterMeta(folder), undefined);
  assertEquals(await words("train.bin"), [15496, 995, 11, 23748, 0, 220]); // GPT-2's ids
  assertEquals(await words("val.bin"), [16, 362]);
}, ["cpu"]);

Deno.test("TokenFile reads windows of files that do not fit the memory", async () => {
  const path = join(await temporaryFolder(), "large.bin");
  const count = 2 ** 32 + 12; // tokens; zeros take no room on the disk
  {
    using file = await Deno.open(path, { write: true, create: true });
    await file.truncate(2 * count);
    await file.seek(2 * (count - 2), Deno.SeekMode.Start);
    await file.write(new Uint8Array(Uint16Array.of(5, 7).buffer));
  }
  using tokens = new TokenFile(path, 7);
  assertEquals(tokens.length, count);
  assertEquals([...tokens.read(count - 4, 3)], [0, 0, 5]);
  assertThrows(() => tokens.read(count - 4, 4), InputError, `token ${count - 1} is 7`);
  torch.manualSeed(1);
  const starts = new Passages(tokens, 20, 8).draw();
  assert(starts.some((start) => start > 2 ** 31) && starts.every((start) => start < count - 8));
});

Deno.test("readPickle() reads Python's dictionaries and nothing else", () => {
  const bytes = (hex: string) => Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
  const meta_pkl =
    "8004954b000000000000007d94288c0a766f6361625f73697a65944b038c0469746f73947d94284b008c010a944b01" +
    "8c0161944d2c018c02c3a994758c0473746f69947d942868044b0068054b0168064d2c0175752e";
  const print_pkl =
    "8004951d000000000000007d948c0178948c086275696c74696e73948c057072696e74949394732e";
  // pickle.dumps({"vocab_size": 3, "itos": {0: "\n", 1: "a", 300: "é"}, "stoi": {"\n": 0, "a": 1, "é": 300}})
  const meta = readPickle(bytes(meta_pkl)) as Map<string, Plain>;
  assertEquals([...meta.keys()], ["vocab_size", "itos", "stoi"]);
  assertEquals(meta.get("itos"), new Map([[0, "\n"], [1, "a"], [300, "é"]]));
  assertEquals(meta.get("stoi"), new Map([["\n", 0], ["a", 1], ["é", 300]]));
  assertEquals(readPickle(writePickle(meta)), meta);
  assertEquals(
    readPickle(bytes("80027d710058010000007871014a70110100732e")),
    new Map([["x", 70000]]),
  );
  // pickle.dumps({"x": print}) would call for a function
  assertThrows(() => readPickle(bytes(print_pkl)), SyntaxError, "byte ");
  for (const cut of [0, 1, 30, 80]) {
    assertThrows(() => readPickle(bytes(meta_pkl).subarray(0, cut)), SyntaxError);
  }
  assertThrows(() => writePickle(1.5), RangeError);
});

testOnDevices("no checkpoint holds a number that is not one, and the old ones stay", async () => {
  const { out } = await run(train, ...tiny, "--max_iters=4");
  const weights = () => {
    const names = [...Deno.readDirSync(out)].map(({ name }) => name).filter((name) =>
      /safetensors|tmp/.test(name)
    );
    return names.sort().map((name) => [name, Deno.readFileSync(join(out, name))]);
  };
  const before = weights();
  // Between evaluations and logged iterations nobody looks at the numbers but who saves them.
  const flags = ["--learning_rate=1e30", "--decay_lr=false", "--log_interval=100", "--grad_clip=0"];
  const resume = ["--init_from=resume", `--out=${out}`, "--max_iters=6", "--eval_interval=100"];
  await assertRefuses(() => run(train, ...resume, ...flags, "--device=cpu"), 1, "no longer finite");
  assertEquals(weights(), before);
}, ["cpu"]);
