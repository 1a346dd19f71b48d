/**
 * Bench: how fast this device is, beside tfjs's own backends and beside an earlier run.
 * Measures kernels (billions of operations or of bytes a second), training and generation of GPTs (tokens a second).
 * Shapes: B = batch_size rows of T = block_size tokens, C channels, H heads of D = C / H channels, V = vocab_size.
 * Run: deno run -A scripts/bench.ts   (minutes; --quick: seconds, with sizes too small to compare)
 * Try: 1. --turbo=off, or --threads=1, with --compare=out/bench/bench.json and another --out.
 *      2. --only=training --dropout=0: what do the random numbers cost?  3. --only=kernels: which kernel is furthest
 *      from the rates of a large matrix product (operations) and of `add` (bytes), and why?
 */
import * as tf from "@tensorflow/tfjs";
import { startTfjsBackends } from "lib/engine/tfjs.ts";
import { InputError } from "lib/io/errors.ts";
import { writeFileAtomic } from "lib/io/files.ts";
import * as F from "lib/functional.ts";
import { parameter } from "lib/nn.ts";
import { AdamW, clipGradNorm } from "lib/optim.ts";
import { dots } from "lib/plot/mod.ts";
import { torch } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { type Tensor } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";
import { GPT } from "scripts/gpt.ts";

export const defaults = {
  only: "all", // what to measure
  models: ["gpt-nano", "gpt-micro", "gpt-mini"], // GPTs to train and to write with
  batch_size: 64, // passages a training step
  block_size: 128, // tokens a passage
  vocab_size: 65, // different tokens: characters of a text
  dropout: 0.1, // while training
  seconds: 1, // how long to repeat a kernel, the fastest time counts; a model is trained ten times as long
  tfjs: true, // measure the kernels on tfjs's own backends too
  compare: "", // bench.json of an earlier run: print how many times faster this one is
  quick: false, // small sizes, to see whether all works
};

/** One measurement. */
export interface Result {
  name: string;
  backend: string; // the device's name, or "tfjs" and that of its backend
  ms: number; // a call, a training step or a token
  rate: number;
  unit: "GFLOP/s" | "GB/s" | "tokens/s";
}

// ---- time

/**
 * The least milliseconds of a call, of all that fit into `budget` milliseconds: what else the machine does can only make
 * one slower. The first call, which compiles, does not count. Then batches of calls grow until the clock can tell them: on a
 * GPU, which is read once a batch, until the 11 ms that Deno takes to answer a read are a twentieth of the time or less.
 */
export async function leastTime(call: () => Tensor, budget: number): Promise<number> {
  const enough = tf.getBackend().includes("webgpu") ? Math.min(200, budget / 4) : 1;
  const batch = async (calls: number) => {
    const start = performance.now();
    for (let i = 1; i < calls; i++) call().dispose();
    const last = call();
    const value = tf.tidy(() => last.flatten().slice([0], [1]));
    await value.data(); // waits until the device is done
    const ms = performance.now() - start;
    tf.dispose([last, value]);
    return ms;
  };
  await batch(1);
  const end = performance.now() + budget;
  let calls = 1;
  let ms;
  while ((ms = await batch(calls)) < enough) calls *= 2;
  let least = ms / calls;
  while (performance.now() < end) least = Math.min(least, await batch(calls) / calls);
  return least;
}

// ---- kernels

/** What is measured, and how much of it a call does. */
interface Work extends Pick<Result, "name" | "unit"> {
  work: number; // 1e9 operations (a multiplication and an addition are two), 1e9 bytes read or written, or tokens
}

export interface Kernel extends Work {
  make: () => () => Tensor; // makes the inputs on the active backend; the result is the call to time
}

const random = (shape: number[]) => tf.tensor(torch.randn(tf.util.sizeFromShape(shape)), shape);
const ids = (below: number, shape: number[]) => {
  const drawn = torch.randint(tf.util.sizeFromShape(shape), 0, below);
  return tf.tensor(Int32Array.from(drawn, Number), shape, "int32");
};

/** The kernels of a training step of gpt-micro, most of their sizes divided by `divisor`. */
export function kernelsOf(divisor = 1): Kernel[] {
  const [B, T, V, C, H, D] = [Math.ceil(64 / divisor), 128, 65, 128, 4, 32];
  const N = B * T; // tokens
  const kernels: Kernel[] = [];

  /** Adds f of inputs of these shapes; and f with its gradients, if `back` says how much work both are. */
  const add = (
    name: string,
    [amount, of, back]: [amount: number, of: "flop" | "floats", back?: number],
    f: (...inputs: Tensor[]) => Tensor,
    ...shapes: number[][]
  ) => {
    const unit = of === "flop" ? "GFLOP/s" : "GB/s";
    const work = amount * (of === "flop" ? 1 : 4) / 1e9;
    const make = (call: typeof f) => () => {
      const inputs = shapes.map(random);
      return () => tf.tidy(() => call(...inputs));
    };
    kernels.push({ name, unit, work, make: make(f) });
    if (!back) return;
    const both = make((...inputs) => tf.grads(f)(inputs)[0]);
    kernels.push({ name: `${name}, and back`, unit, work: work * back / amount, make: both });
  };

  const product = (n: number, name = "", a = false, b = false) =>
    add(`matmul ${n}${name}`, [2 * n ** 3, "flop"], (x, y) => tf.matMul(x, y, a, b), [n, n], [
      n,
      n,
    ]);
  for (const size of [64, 256, 512, 1024]) product(Math.ceil(size / divisor));
  product(Math.ceil(512 / divisor), ", a transposed", true);
  product(Math.ceil(512 / divisor), ", b transposed", false, true);
  const [O, one] = [4 * C, 8 * N * C * C]; // outputs, and operations of one product
  add("linear", [one, "flop", 3 * one], (x, w, b) => F.linear(x, w, b), [N, C], [O, C], [O]);
  const scores = 2 * B * H * T * T * D / 2; // the causal mask hides half of them
  const attention = (q: Tensor, k: Tensor, v: Tensor) =>
    F.scaledDotProductAttention(q, k, v, { causal: true });
  add("attention", [2 * scores, "flop", 7 * scores], attention, ...Array(3).fill([B, H, T, D]));

  const targetsOn: Record<string, Tensor> = {}; // a tensor belongs to a backend
  const targets = () => targetsOn[tf.getBackend()] ??= tf.keep(ids(V, [N]));
  const row = N * C; // numbers in (B, T, C)
  add("softmax", [2 * N * T, "floats", 5 * N * T], (x) => F.softmax(x), [N, T]);
  add("layer norm", [2 * row, "floats", 5 * row], (x, w) => F.layerNorm(x, w), [N, C], [C]);
  add("GELU (tanh)", [8 * row, "floats", 20 * row], (x) => F.gelu(x, "tanh"), [N, 4 * C]);
  add("dropout", [2 * row, "floats", 4 * row], (x) => F.dropout(x, 0.1), [N, C]);
  add("cross-entropy", [N * V, "floats", 3 * N * V], (x) => F.crossEntropy(x, targets()), [N, V]);
  add("embedding", [2 * row, "floats", 3 * row], (w) => F.embedding(targets(), w), [V, C]);
  add("add", [3 * row, "floats"], (x, y) => x.add(y), [N, C], [N, C]);
  add("add a bias", [2 * row, "floats"], (x, y) => x.add(y), [N, C], [C]);
  add("sum of the rows", [row, "floats"], (x) => x.sum(0), [N, C]);
  add("split into heads", [2 * row, "floats"], (x) => x.transpose([0, 2, 1, 3]), [B, T, H, D]);
  const P = Math.ceil(800_000 / divisor); // parameters: read p, g, m, v, write p, m, v; clipping reads and writes g
  const makeAdamW = () => {
    const optimizer = new AdamW([parameter(random([P]))]);
    const gradient = random([P]);
    return () => {
      optimizer.gradients.set(optimizer.groups[0].params[0], gradient.clone());
      const norm = clipGradNorm(optimizer, 1);
      optimizer.step();
      return norm;
    };
  };
  kernels.push({ name: "AdamW with clipping", unit: "GB/s", work: 36 * P / 1e9, make: makeAdamW });
  return kernels;
}

// ---- models

/** A GPT and a call that trains it one step, on tokens by chance. */
function trainingOf(model_type: string, options: typeof defaults) {
  const { batch_size: B, block_size: T, vocab_size: V, dropout } = options;
  const config = GPT.getDefaultConfig(model_type, V, T);
  const dropouts = { embd_pdrop: dropout, resid_pdrop: dropout, attn_pdrop: dropout };
  const model = new GPT({ ...config, ...dropouts });
  const betas: [number, number] = [0.9, 0.95];
  const optimizer = model.configureOptimizers({ learning_rate: 5e-4, betas, weight_decay: 0.1 });
  const [x, y] = [ids(V, [B, T]), ids(V, [B, T])]; // (B, T)
  const step = (): Tensor => {
    const loss = optimizer.backward(() => model.loss(x, y));
    clipGradNorm(optimizer, 1).dispose();
    optimizer.step();
    return loss;
  };
  return { model, x, y, step };
}

/** The least milliseconds of a token that the model draws after a first one, while the text fits its block; as above. */
async function generationTime(model: GPT, budget: number): Promise<number> {
  const count = model.config.block_size - 1;
  const first = tf.tensor2d([[0]], undefined, "int32"); // (1, 1)
  model.eval();
  const text = async () => {
    const start = performance.now();
    await model.generate(first, count, { do_sample: true, top_k: 10 });
    return (performance.now() - start) / count;
  };
  await text();
  const end = performance.now() + budget;
  let least = await text();
  while (performance.now() < end) least = Math.min(least, await text());
  first.dispose();
  return least;
}

// ---- results

/** The results in the file of an earlier run. */
async function readResults(path: string): Promise<Result[]> {
  const wrong = (what: string) =>
    new InputError(`Cannot compare with '${path}': ${what}; want the bench.json of an earlier run`);
  let results: unknown;
  try {
    results = JSON.parse(await Deno.readTextFile(path))?.results;
  } catch (error) {
    throw wrong(error instanceof SyntaxError ? "it is not JSON" : (error as Error).message);
  }
  const isResult = (r: Partial<Result> | null) => typeof r?.name === "string" && r.ms! > 0;
  if (!Array.isArray(results) || !results.every(isResult)) throw wrong("it holds no results");
  return results;
}

export const main = program({
  url: import.meta.url,
  defaults,
  choices: { only: ["all", "kernels", "training", "generation"] },
  check: {
    batch_size: "positive integer",
    block_size: "positive integer",
    vocab_size: "positive integer",
    dropout: "probability",
    seconds: "nonnegative",
  },
  long: () => true,
}, async (run) => {
  const options = run.options;
  const { only, models, compare, quick } = options;
  for (const name of models) GPT.getDefaultConfig(name, 1, 1); // refuses a name that is none
  const before = compare ? await readResults(compare) : [];
  if (quick) Object.assign(options, { batch_size: 2, block_size: 16, models: models.slice(0, 1) });
  const budget = quick ? 0 : 1000 * options.seconds;
  if (run.trace) {
    const { model, x, y } = trainingOf(models[0], options);
    console.log(trace(() => model.loss(x, y), model));
    return [];
  }

  // ---- measure: a line of the table for each kernel and each model
  const here = run.device.name, own = tf.getBackend();
  const hasKernels = only === "all" || only === "kernels";
  const rivals = hasKernels && options.tfjs ? await startTfjsBackends() : [];
  const columns: Record<string, string> = { [own]: here }; // labels by backend
  for (const rival of rivals) columns[rival] ??= `tfjs ${rival.replace("tfjs-", "")}`;
  const line = (cells: string[]) =>
    console.log(cells.map((cell, i) => i === 0 ? cell.padEnd(28) : cell.padStart(11)).join(" "));
  line(["", "ms", "", ...Object.values(columns), ...compare ? ["faster by"] : []]);
  const results: Result[] = [];
  const show = ({ name, unit, work }: Work, times: Record<string, number>) => {
    for (const [backend, ms] of Object.entries(times)) {
      results.push({ name, backend, ms, unit, rate: 1000 * work / ms });
    }
    const digits = { maximumSignificantDigits: 3 };
    const rates = Object.values(columns).map((column) =>
      column in times ? (1000 * work / times[column]).toLocaleString("en", digits) : "-"
    );
    const old = before.find((result) => result.name === name && result.backend === here);
    const ratio = compare ? [old ? (old.ms / times[here]).toFixed(2) : "-"] : [];
    line([name, times[here].toPrecision(4), unit, ...rates, ...ratio]);
  };
  for (const kernel of hasKernels ? kernelsOf(quick ? 64 : 1) : []) {
    const times: Record<string, number> = {};
    for (const backend of Object.keys(columns)) {
      await tf.setBackend(backend);
      tf.engine().startScope();
      try {
        times[columns[backend]] = await leastTime(kernel.make(), budget);
      } catch (error) { // the backend may lack an operation
        if (!/not registered for/.test((error as Error).message)) throw error;
      }
      tf.engine().endScope();
    }
    show(kernel, times);
  }
  await tf.setBackend(own);
  for (const name of only === "kernels" ? [] : options.models) {
    const { model, x, step } = trainingOf(name, options);
    if (only !== "generation") {
      const ms = await leastTime(step, 10 * budget);
      show({ name: `${name}, training`, unit: "tokens/s", work: x.size }, { [here]: ms });
    }
    if (only !== "training") {
      const ms = await generationTime(model, 3 * budget);
      show({ name: `${name}, generation`, unit: "tokens/s", work: 1 }, { [here]: ms });
    }
  }

  // ---- write
  const { description: device } = run.device;
  const json = JSON.stringify({ device, options, results }, null, 2);
  await writeFileAtomic(run.path("bench.json"), `${json}\n`);
  for (const file of ["kernels", "models"]) {
    const rows: Record<string, Record<string, number>> = {};
    for (const { name, unit, backend, rate } of results) {
      if ((unit === "tokens/s") === (file === "models")) (rows[name] ??= {})[backend] = rate;
    }
    const xLabel = file === "models" ? "tokens/s" : "GFLOP/s of products, GB/s of others";
    const figure = { title: `Speed of the ${file}`, subtitle: device, xLabel, xLog: true };
    if (Object.keys(rows).length) await dots({ ...figure, rows }).save(run.path(file));
  }
  return results;
});

if (import.meta.main) await main();
