/** Mixed precision: the loss scale against PyTorch's, and products of float16 against products of rounded numbers. */
import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { autocast, checkDtype, GradScaler } from "lib/amp.ts";
import { findAdapter } from "lib/engine/webgpu/adapter.ts";
import { startWebGPU, webgpuBackend } from "lib/engine/webgpu/start.ts";
import { UsageError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import { parameter } from "lib/nn.ts";
import { AdamW, clipGradNorm, SGD } from "lib/optim.ts";
import { torch, TorchGenerator } from "lib/random.ts";
import { item, type Tensor, values } from "lib/tensor.ts";
import { GPT } from "scripts/gpt.ts";
import { assertClose, numbers, readReference } from "../helpers/compare.ts";
import { testOnDevices } from "../helpers/devices.ts";

const adapter = await findAdapter();
const missing = !adapter
  ? "no WebGPU adapter"
  : !adapter.features.has("shader-f16")
  ? "the WebGPU adapter has no shader-f16"
  : undefined;

/** A test that needs float16; without it is left out, and its name says so. */
function float16Test(name: string, fn: () => Promise<void>) {
  Deno.test({
    name: `float16: ${name}${missing ? ` (ignored: ${missing})` : ""}`,
    ignore: missing !== undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}

/** Starts WebGPU; small tensors go to the GPU too, or the tests would test tfjs's cpu backend. */
async function gpu() {
  await startWebGPU({ fallback: true });
  tf.env().set("WEBGPU_CPU_FORWARD", false);
}

// ---- the loss scale

interface Step {
  scale: number;
  growth_tracker: number;
  w: number[];
  norm?: number | string;
}
const reference = await readReference("grad-scaler.json") as {
  gradients: (number | string)[][];
  runs: { plain: Step[]; clipped: Step[] };
  defaults: { scale: number };
  largest: number[];
};
const gradients = reference.gradients.map(numbers);

/** The parameter, optimiser and scaler of the reference's runs. */
function makeRun() {
  const w = parameter(tf.tensor1d([1, -2, 0.5]));
  const optimizer = new AdamW([w], { lr: 0.1, weight_decay: 0.01 });
  const scaler = new GradScaler({ init_scale: 16, growth_interval: 3 });
  return { w, optimizer, scaler };
}

async function trainStep(
  { w, optimizer, scaler }: ReturnType<typeof makeRun>,
  gradient: number[],
  clip?: number,
) {
  const used = scaler.getScale();
  const loss = optimizer.backward(() => scaler.scale(w.mul(tf.tensor1d(gradient)).sum()));
  if (clip !== undefined) scaler.unscale(optimizer);
  const norm = clip === undefined ? undefined : clipGradNorm(optimizer, clip);
  const updated = await scaler.step(optimizer, norm);
  assertEquals(optimizer.gradients.size, 0);
  scaler.update();
  const result = { loss: await item(loss), used, updated, norm: norm && await item(norm) };
  norm?.dispose();
  return result;
}

testOnDevices("GradScaler scales, skips, backs off and grows as PyTorch's does", async () => {
  for (const [name, clip] of [["plain", undefined], ["clipped", 1.5]] as const) {
    const steps = reference.runs[name];
    const run = makeRun();
    let tensors = 0, skipped = 0;
    for (const [i, { scale, growth_tracker, w, norm }] of steps.entries()) {
      const before = await values(run.w);
      const step = await trainStep(run, gradients[i], clip);
      const what = `${name}, step ${i + 1}`;
      assertEquals(run.scaler.getScale(), scale, what);
      assertClose(await values(run.w), w, { absolute: 1e-6, what });
      if (norm !== undefined) assertClose([step.norm!], numbers([norm]), { what: `${what}, norm` });
      const finite = [1, 5, 6].indexOf(i) < 0; // steps 2, 6 and 7 overflow
      assertEquals(step.updated, finite, what);
      if (finite) {
        const loss = [...before].reduce((sum, x, j) => sum + x * gradients[i][j], 0);
        assertClose([step.loss / step.used], [loss], { absolute: 1e-5, what: `${what}, loss` });
      } else {
        skipped++;
        assertEquals(await values(run.w), before, what);
      }
      assertEquals(run.scaler.stateDict(), { scale, growth_tracker, skipped }, what);
      if (i === 2) tensors = tf.memory().numTensors;
    }
    assertEquals(tf.memory().numTensors, tensors);
    run.optimizer.dispose();
    run.w.dispose();
  }
});

testOnDevices("GradScaler has PyTorch's defaults and goes on from its state", async () => {
  const { scale, growth_factor, backoff_factor, growth_interval } = reference
    .defaults as Required<ConstructorParameters<typeof GradScaler>[0]> & { scale: number };
  assertEquals(new GradScaler().getScale(), scale);
  assertEquals([growth_factor, backoff_factor, growth_interval], [2, 0.5, 2000]);
  const w = parameter(tf.zeros([1]));
  const optimizer = new SGD([w], { lr: 0.1 });
  const step = async (scaler: GradScaler, factor: number) => {
    optimizer.backward(() => scaler.scale(w.mul(factor).sum()));
    await scaler.step(optimizer);
    scaler.update();
    return scaler.getScale();
  };
  // The first 1998 steps are left out.
  const late = new GradScaler();
  late.loadStateDict({ scale: 65536, growth_tracker: 1998, skipped: 3 });
  const scales = [await step(late, 1), await step(late, 1), await step(late, 1)];
  assertEquals(scales, [65536, 131072, 131072]);
  assertEquals(await step(late, 3e38), 65536);
  assertEquals(late.stateDict(), { scale: 65536, growth_tracker: 0, skipped: 4 });
  // A scale that would be infinite does not grow.
  const large = new GradScaler({ init_scale: 2 ** 126, growth_interval: 1 });
  assertEquals(
    [await step(large, 0), await step(large, 0), await step(large, 0)],
    reference.largest,
  );
}, ["cpu"]);

testOnDevices("a GradScaler that is not enabled leaves all as it is", async () => {
  const [a, b] = [parameter(tf.tensor1d([2])), parameter(tf.tensor1d([2]))];
  const [one, two] = [new SGD([a], { lr: 0.1 }), new SGD([b], { lr: 0.1 })];
  const scaler = new GradScaler({ enabled: false });
  one.step(() => a.square().sum());
  const loss = two.backward(() => scaler.scale(b.square().sum()));
  scaler.unscale(two);
  assert(await scaler.step(two));
  scaler.update();
  assertEquals([await item(loss), scaler.getScale(), scaler.stateDict()], [4, 1, {}]);
  assertEquals(await values(b), await values(a));
}, ["cpu"]);

testOnDevices("a GradScaler refuses a wrong order", async () => {
  const w = parameter(tf.zeros([1]));
  const optimizer = new SGD([w], { lr: 0.1 });
  const scaler = new GradScaler();
  assertThrows(() => scaler.update(), RangeError, "call step() first");
  await assertRejects(() => scaler.step(optimizer), RangeError, "call backward() first");
  optimizer.backward(() => w.sum());
  scaler.unscale(optimizer);
  assertThrows(() => scaler.unscale(optimizer), RangeError, "twice");
}, ["cpu"]);

// ---- where there is float16

testOnDevices("autocast() and --dtype say which devices have float16", (device) => {
  const one = () => 1;
  assertEquals(autocast("float32", one), 1);
  assertThrows(
    () => checkDtype("bfloat16"),
    UsageError,
    "WebGPU has no bfloat16, nor has any device here; want float32",
  );
  assertThrows(() => checkDtype("half"), UsageError, "half: want float32, or float16 with");
  if (device !== "webgpu") {
    assertThrows(() => autocast("float16", one), UsageError, "only --device=webgpu has it");
    return;
  }
  if (!missing) assertEquals(autocast("float16", one), 1);
  const gpu = webgpuBackend()!.device;
  Object.defineProperty(gpu, "features", { value: new Set(), configurable: true });
  try {
    assertThrows(() => checkDtype("float16"), UsageError, "this adapter lacks shader-f16");
  } finally {
    Reflect.deleteProperty(gpu, "features");
  }
});

// ---- products

const generator = new TorchGenerator(11);
type Numbers = { data: Float32Array; shape: number[] };
function normal(...shape: number[]): Numbers {
  return { data: generator.randn(tf.util.sizeFromShape(shape)), shape };
}
const half = ({ data, shape }: Numbers): Numbers => ({ data: data.map(Math.f16round), shape });
const tensor = ({ data, shape }: Numbers) => tf.tensor(data, shape);

/** The value of `f`, and its gradients for the gradient `dy` of the value. */
async function valueAndGradients(
  f: (...x: Tensor[]) => Tensor,
  inputs: Numbers[],
  dy: Numbers,
): Promise<Float32Array[]> {
  const { value, grads } = tf.valueAndGrads(f)(inputs.map(tensor), tensor(dy));
  return await Promise.all([value, ...grads].map(async (t) => new Float32Array(await t.data())));
}

function assertSame(actual: Float32Array[], expected: Float32Array[], tolerance: number) {
  for (const [i, numbers] of expected.entries()) {
    const largest = numbers.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    const what = i === 0 ? "value" : `gradient ${i - 1}`;
    assertClose(actual[i], numbers, { absolute: tolerance * largest, relative: 0, what });
  }
}

float16Test("linear layers multiply rounded numbers and add in float32", async () => {
  const sizes = [[1, 1, 1], [300, 33, 17], [131, 67, 130], [5, 1031, 3], [2053, 7, 1027]];
  for (const [N, features, out] of sizes) {
    const inputs = [normal(N, features), normal(out, features)], bias = normal(out);
    const dy = normal(N, out);
    await tf.setBackend("cpu");
    // The bias is in no product: it is not rounded.
    const expected = await valueAndGradients(F.linear, [...inputs.map(half), bias], half(dy));
    await gpu();
    const f = (...x: Tensor[]) => autocast("float16", () => F.linear(x[0], x[1], x[2]));
    assertSame(await valueAndGradients(f, [...inputs, bias], dy), expected, 2e-6);
  }
  const [x, w] = [normal(2, 3, 5), normal(4, 5)], dy = normal(2, 3, 4);
  await tf.setBackend("cpu");
  const linear = (x: Tensor, w: Tensor) => F.linear(x, w);
  const expected = await valueAndGradients(linear, [x, w].map(half), half(dy));
  await gpu();
  const f = (x: Tensor, w: Tensor) => autocast("float16", () => F.linear(x, w));
  assertSame(await valueAndGradients(f, [x, w], dy), expected, 2e-6);
});

float16Test("outside of autocast products are float32, after an error too", async () => {
  await gpu();
  const x = tf.tensor2d([[2049]]), w = tf.tensor2d([[1]]); // 2049 is no float16
  const rounded = await item(() => autocast("float16", () => F.linear(x, w)));
  assertThrows(() =>
    autocast("float16", () => {
      throw new RangeError("inside");
    })
  );
  assertEquals([rounded, await item(() => F.linear(x, w))], [2048, 2049]);
  const inner = await item(() =>
    autocast("float16", () => autocast("float32", () => F.linear(x, w)))
  );
  assertEquals(inner, 2049);
});

float16Test("attention is close to that of rounded numbers", async () => {
  for (const [T, D, causal] of [[1, 1, true], [71, 4, true], [19, 36, false], [35, 68, true]]) {
    const shape = [2, 2, T as number, D as number];
    const [q, k, v, dy] = Array.from({ length: 4 }, () => normal(...shape));
    const options = { causal: causal as boolean, dropout_p: 0.2 };
    const attention = (q: Tensor, k: Tensor, v: Tensor) => {
      torch.manualSeed(3);
      return F.scaledDotProductAttention(q, k, v, options);
    };
    await tf.setBackend("cpu");
    const expected = await valueAndGradients(attention, [q, k, v].map(half), half(dy));
    await gpu();
    const f = (q: Tensor, k: Tensor, v: Tensor) => autocast("float16", () => attention(q, k, v));
    const actual = await valueAndGradients(f, [q, k, v], dy);
    assertSame(actual, expected, 1e-3); // weights and their gradients are rounded as well
  }
});

float16Test("attention rounds all that it multiplies", async () => {
  await gpu();
  const f = (scale: number) => (q: Tensor, k: Tensor, v: Tensor) =>
    autocast("float16", () => F.scaledDotProductAttention(q, k, v, { scale }));
  const run = (scale: number, q: number, k: number[], v: number[], dy: number) =>
    valueAndGradients(
      f(scale),
      [[q], k, v].map((list) => ({ data: Float32Array.from(list), shape: [1, list.length, 1] })),
      { data: Float32Array.of(dy), shape: [1, 1, 1] },
    );
  const tiny = 2e-8; // 0 in float16
  const uniform = [[2], [0], [0, 0], [0.5, 0.5]].map((list) => Float32Array.from(list));
  const close = { absolute: 1e-6 };
  let [y, dq, dk, dv] = await run(1e8, tiny, [0, 1], [1, 3], 1);
  assertClose(y, uniform[0], close); // both weights are 1/2
  [y] = await run(1e8, 1, [0, tiny], [1, 3], 1);
  assertClose(y, uniform[0], close);
  [y, dq, dk, dv] = await run(1, 0, [1, 2], [tiny, tiny], 1);
  assertEquals([...y], [0]);
  [y, dq, dk, dv] = await run(1, 1, [1, 2], [1, 3], tiny);
  assertEquals([...dq, ...dk, ...dv], [0, 0, 0, 0, 0]);
  // A weight of exp(-18).
  [y, dq, dk, dv] = await run(1, 18, [1, 0], [0, 6e4], 6e4);
  assertEquals([...y, dv[1]], [0, 0]);
  // Weights of 1/2, whose gradients are a quarter of v's difference, and then 0.
  [y, dq] = await run(1, 0, [-6e4, 6e4], [0, 2 ** -24], 1);
  assertEquals([...dq], [0]);
  [y, dq, dk] = await run(1, 6e4, [0, 0], [0, 2 ** -24], 1);
  assertEquals([...dk], [0, 0]);
});

float16Test(
  "what is too large for float16 is infinite, skips the step, halves the scale",
  async () => {
    await gpu();
    const large = await values(() =>
      autocast(
        "float16",
        () => F.linear(tf.tensor2d([[65519], [65520], [-1e30]]), tf.tensor2d([[1]])),
      )
    );
    assertEquals([...large], [65504, Infinity, -Infinity]);
    // The gradient of the sum's elements is the scale itself, and 65536 is no float16.
    const w = parameter(tf.tensor2d([[1, 2]])), b = parameter(tf.tensor1d([3]));
    const optimizer = new AdamW([w, b], { lr: 0.1 }), scaler = new GradScaler();
    const x = tf.tensor2d([[1, -1]]);
    const step = async () => {
      optimizer.backward(() => scaler.scale(autocast("float16", () => F.linear(x, w, b)).sum()));
      scaler.unscale(optimizer);
      const norm = clipGradNorm(optimizer, 10);
      const updated = await scaler.step(optimizer, norm);
      scaler.update();
      const rounded = [...await values(w), ...await values(b)].map((x) => Number(x.toFixed(3)));
      const { steps } = optimizer.stateDict();
      return [updated, scaler.getScale(), ...rounded, ...steps];
    };
    assertEquals(await step(), [false, 32768, 1, 2, 3, 0, 0]);
    // lr 0.1, decay 0.01: w (1 - 0.001) - 0.1 sign(gradient)
    assertEquals(await step(), [true, 32768, 0.899, 2.098, 2.897, 1, 1]);
  },
);

float16Test("gpt-nano trains as in float32, in at most 200 dispatches a step", async () => {
  await gpu();
  const ids = tf.tensor(generator.randint(2 * 16, 0, 65), [2, 16], "int32");
  const train = async (dtype: "float32" | "float16") => {
    torch.manualSeed(5);
    const model = new GPT(GPT.getDefaultConfig("gpt-nano", 65, 16));
    const optimizer = new AdamW(model.parameters(), { lr: 1e-3 });
    const scaler = new GradScaler({ enabled: dtype === "float16" });
    const losses = [], dispatches = [], tensors = [];
    for (let step = 0; step < 12; step++) {
      const before = webgpuBackend()!.dispatches;
      const scale = scaler.getScale();
      const loss = optimizer.backward(() =>
        scaler.scale(autocast(dtype, () => F.crossEntropy(model.forward(ids), ids)))
      );
      scaler.unscale(optimizer);
      const norm = clipGradNorm(optimizer, 1);
      await scaler.step(optimizer, norm);
      scaler.update();
      dispatches.push(webgpuBackend()!.dispatches - before);
      losses.push(await item(loss) / scale);
      norm.dispose();
      tensors.push(tf.memory().numTensors);
    }
    assertEquals(scaler.skipped, 0);
    assert(Math.max(...dispatches) <= 200, `${dispatches} dispatches`);
    assertEquals(tensors.at(-1), tensors[1]);
    return losses;
  };
  const full = await train("float32"), mixed = await train("float16");
  assert(full[0] - full.at(-1)! > 0.3, `the loss falls: ${full}`);
  assert(mixed[0] !== full[0], "not the same products");
  assertClose(mixed, full, { absolute: 0, relative: 2e-3, what: "losses" });
});
