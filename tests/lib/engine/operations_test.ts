/** The CPU engine's fused operations against their formulas on tfjs's plain backend. */
import * as tf from "@tensorflow/tfjs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { startDevice } from "lib/device.ts";
import * as F from "lib/functional.ts";
import { adamUpdate, clipGradients, sgdUpdate, type UpdateEntry } from "lib/optim.ts";
import { numpy, torch } from "lib/random.ts";
import type { Tensor } from "lib/tensor.ts";
import { assertClose } from "../../helpers/compare.ts";

/** Values by shape: what a test gives to an operation on each backend. */
type Values = { shape: number[]; data: Float32Array | Int32Array | Uint8Array };
type Inputs = Record<string, Values>;
type Call = (x: Record<string, Tensor>) => Tensor;

function normal(...shape: number[]): Values {
  return { shape, data: Float32Array.from(numpy.randn(size(shape))) };
}

function integers(high: number, ...shape: number[]): Values {
  return { shape, data: Int32Array.from(numpy.randint(size(shape), 0, high)) };
}

function size(shape: number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function make({ shape, data }: Values): Tensor {
  const dtype = data instanceof Float32Array
    ? "float32"
    : data instanceof Int32Array
    ? "int32"
    : "bool";
  return tf.tensor(data, shape, dtype);
}

/**
 * The result of a call, and its gradients by the float32 inputs for an uneven upstream gradient.
 */
function run(inputs: Inputs, call: Call): Record<string, Float32Array> {
  return tf.tidy(() => {
    const made = Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, make(v)]));
    const names = Object.keys(inputs).filter((k) => made[k].dtype === "float32");
    torch.manualSeed(7);
    const y = call(made);
    const out: Record<string, Float32Array> = {
      value: y.dataSync() as Float32Array,
      generator: Float32Array.from([...torch.rand(3)]),
    };
    const upstream = tf.tensor(Float32Array.from(y.dataSync(), (_, i) => Math.cos(i + 1)), y.shape);
    torch.manualSeed(7);
    const grads = tf.grads((...xs: Tensor[]) =>
      call({ ...made, ...Object.fromEntries(names.map((k, i) => [k, xs[i]])) })
    )(names.map((k) => made[k]), upstream);
    names.forEach((k, i) => out[`gradient of ${k}`] = grads[i].dataSync() as Float32Array);
    return out;
  });
}

/** Compares a call on the engine with the same on tfjs's plain backend. */
async function compare(what: string, inputs: Inputs, call: Call, tolerance = 2e-6) {
  await startDevice("reference");
  const expected = run(inputs, call);
  await startDevice("cpu");
  const before = tf.memory().numTensors;
  const actual = run(inputs, call);
  assertEquals(tf.memory().numTensors, before, `${what} leaks tensors`);
  for (const [name, values] of Object.entries(expected)) {
    const scale = Math.max(1, ...values.filter(Number.isFinite).map(Math.abs));
    assertClose(actual[name], values, {
      absolute: tolerance * scale,
      relative: tolerance,
      what: `${what}: ${name}`,
    });
  }
}

function test(name: string, fn: () => void | Promise<void>) {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

// Vector width 4, two vectors 8, tile heights 6, panels 8 and 16, and one less or more.
const widths = [1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 33, 48, 65];

test("dropout() draws PyTorch's masks and leaves the generator where PyTorch does", async () => {
  for (const n of [...widths, 311, 312, 313, 4095, 4096, 4097, 20000]) {
    for (const p of [0.1, 0.5, 0.9999]) {
      await compare(`dropout of ${n}, p=${p}`, { x: normal(n) }, ({ x }) => F.dropout(x, p), 0);
    }
  }
  // An odd number of words used before: pairs of words then cross the generator's blocks.
  for (const words of [1, 2, 623, 624]) {
    torch.manualSeed(1);
    torch.rand(words);
    const expected = torch.dropoutMask(3000, 0.3);
    torch.manualSeed(1);
    torch.rand(words);
    const actual = tf.tidy(() => F.dropout(tf.ones([3000]), 0.3).dataSync());
    assertEquals(actual, expected);
  }
});

test("dropout() compares all 53 bits of a draw", async () => {
  await startDevice("cpu");
  for (const words of [0, 1]) { // pairs begin at even or at odd words
    for (const place of [0, 5, 310, 311, 312, 700]) {
      const start = () => {
        torch.manualSeed(2);
        torch.rand(words);
      };
      start();
      const u = torch.rand64(place + 1)[place];
      // Keep if the draw is below 1 - p: the draw itself, and its neighbours, are the limit.
      for (const limit of [u - 2 ** -53, u, u + 2 ** -53]) {
        start();
        const expected = torch.dropoutMask(900, 1 - limit);
        start();
        const actual = tf.tidy(() => F.dropout(tf.ones([900]), 1 - limit).dataSync());
        assertEquals(actual, expected);
      }
    }
  }
});

test("dropout() with p of 0 or 1, or in evaluation, draws nothing", async () => {
  await startDevice("cpu");
  const first = (f: () => unknown) => {
    torch.manualSeed(3);
    f();
    return torch.rand(1)[0];
  };
  tf.tidy(() => {
    const x = tf.tensor([1, NaN, -2]);
    const nothing = first(() => {});
    assertEquals(first(() => F.dropout(x, 0)), nothing);
    assertEquals(first(() => F.dropout(x, 1)), nothing);
    assertEquals(first(() => F.dropout(x, 0.5, false)), nothing);
    assert(first(() => F.dropout(x, 0.5)) !== nothing);
    assertEquals([...F.dropout(x, 1).dataSync()], [0, NaN, -0]);
    assert(Number.isNaN(F.dropout(x, 0.5).dataSync()[1]));
  });
});

test("gelu() has the formula's values and gradients", async () => {
  for (const n of [...widths, 1000]) {
    const x = normal(n);
    x.data = x.data.map((v) => 3 * v) as Float32Array;
    for (const form of ["none", "tanh"] as const) {
      await compare(`gelu ${form} of ${n}`, { x }, ({ x }) => F.gelu(x, form));
    }
  }
});

test("exact gelu() keeps the digits of small values", async () => {
  await startDevice("cpu");
  // x Phi(x) at -6, -4 and -2 to 7 digits, from tables of the normal distribution.
  const y = tf.tidy(() => F.gelu(tf.tensor([-6, -4, -2, 0, 20])).dataSync());
  assertClose(y, [-5.919526e-9, -1.2668496e-4, -0.045500264, 0, 20], {
    absolute: 0,
    relative: 3e-6,
  });
});

test("softmax() and logSoftmax() have the formula's values and gradients", async () => {
  for (const n of widths) {
    for (const rows of [1, 3]) {
      const x = normal(rows, n);
      await compare(`softmax (${rows}, ${n})`, { x }, ({ x }) => F.softmax(x));
      await compare(`logSoftmax (${rows}, ${n})`, { x }, ({ x }) => F.logSoftmax(x), 4e-6);
    }
  }
  const x = normal(2, 3, 4);
  await compare("softmax of axis 1", { x }, ({ x }) => F.softmax(x, 1));
  await compare("softmax of axis 2", { x }, ({ x }) => F.softmax(x, 2));
});

test("softmax() propagates NaN and infinities as PyTorch does", async () => {
  await startDevice("cpu");
  const soft = (row: number[]) => tf.tidy(() => [...F.softmax(tf.tensor(row)).dataSync()]);
  assertEquals(soft([-Infinity, 0, -Infinity]), [0, 1, 0]);
  assertEquals(soft([-1e9, 0]), [0, 1]);
  assertEquals(soft([1e30, -1e30]), [1, 0]);
  for (const bad of [[-Infinity, -Infinity], [NaN, 1], [Infinity, 1], [1, 2, 3, 4, 5, 6, 7, NaN]]) {
    assert(soft(bad).every(Number.isNaN), `${bad}`);
  }
});

test("layerNorm() and rmsNorm() have the formula's values and gradients", async () => {
  for (const n of widths) {
    for (const rows of [1, 5, 70]) {
      const inputs = { x: normal(rows, n), w: normal(n), b: normal(n) };
      const what = `(${rows}, ${n})`;
      // One element has no variance: its gradient is a rounding error.
      if (n > 1) {
        await compare(`layerNorm ${what}`, inputs, ({ x, w, b }) => F.layerNorm(x, w, b), 2e-5);
        const { x, w } = inputs;
        await compare(`no bias ${what}`, { x, w }, ({ x, w }) => F.layerNorm(x, w), 2e-5);
        await compare(`plain ${what}`, { x }, ({ x }) => F.layerNorm(x, undefined, undefined, 0.1));
      }
      const { x, w } = inputs;
      await compare(`rmsNorm ${what}`, { x, w }, ({ x, w }) => F.rmsNorm(x, w), 5e-6);
      await compare(`rmsNorm ${what}`, { x }, ({ x }) => F.rmsNorm(x), 5e-6);
    }
  }
});

test("linear() has the formula's values and gradients", async () => {
  for (const [rows, features, outputs] of [[1, 1, 1], [2, 5, 3], [7, 13, 17], [65, 48, 9]]) {
    const inputs = { x: normal(rows, features), w: normal(outputs, features), b: normal(outputs) };
    const what = `linear of ${rows} x ${features} to ${outputs}`;
    await compare(what, inputs, ({ x, w, b }) => F.linear(x, w, b), 5e-6);
    const { x, w } = inputs;
    await compare(`${what}, no bias`, { x, w }, ({ x, w }) => F.linear(x, w), 5e-6);
  }
  const inputs = { x: normal(2, 3, 5), w: normal(7, 5), b: normal(7) };
  await compare("linear of rank 3", inputs, ({ x, w, b }) => F.linear(x, w, b));
  await compare(
    "linear of rank 1",
    { ...inputs, x: normal(5) },
    ({ x, w, b }) => F.linear(x, w, b),
  );
  await assertEngineThrows(
    () => F.linear(tf.zeros([2, 4]), tf.zeros([7, 5])),
    TypeError,
    "the last size must be 5",
  );
});

async function assertEngineThrows(f: () => unknown, type: ErrorConstructor, message: string) {
  await startDevice("cpu");
  assertThrows(() => tf.tidy(f as () => void), type, message);
}

test("embedding() gathers rows, and its gradient adds them up", async () => {
  for (const [count, rows, columns] of [[1, 1, 1], [6, 5, 3], [50, 7, 17], [200, 65, 48]]) {
    const inputs = { ids: integers(rows, count), w: normal(rows, columns) };
    await compare(`embedding ${count}`, inputs, ({ ids, w }) => F.embedding(ids, w));
  }
  const inputs = { ids: integers(5, 2, 3), w: normal(5, 4) };
  await compare("embedding (2, 3)", inputs, ({ ids, w }) => F.embedding(ids, w));
  await assertEngineThrows(
    () => F.embedding(tf.tensor([0, 5], [2], "int32"), tf.zeros([5, 2])),
    RangeError,
    "Cannot look up 5 (at position 1 of 2): it must be in 0..4",
  );
});

test("crossEntropy() and nllLoss() have the formula's values and gradients", async () => {
  for (const V of [1, 2, 5, 8, 9, 17, 65]) {
    const rows = 7;
    const inputs = { x: normal(rows, V), t: integers(V, rows), w: normal(V) };
    inputs.w.data = inputs.w.data.map((v) => Math.abs(v) + 0.1) as Float32Array;
    for (const reduction of ["mean", "sum", "none"] as const) {
      for (const options of [{}, { label_smoothing: 0.1 }, { ignore_index: 0 }]) {
        if (V === 1 && options.ignore_index === 0) continue; // all are ignored: below
        const what = `${V} classes, ${JSON.stringify({ reduction, ...options })}`;
        const { x, t } = inputs;
        const all = { reduction, ...options };
        await compare(what, { x, t }, ({ x, t }) => F.crossEntropy(x, t, all), 4e-6);
        await compare(what, { x, t }, ({ x, t }) => F.nllLoss(x, t, all), 4e-6);
        // The weights are constants: no gradient flows to them.
        const weight = inputs.w;
        const weighted = ({ x, t }: Record<string, Tensor>) =>
          F.crossEntropy(x, t, { ...all, weight: make(weight) });
        await compare(`${what}, weights`, { x, t }, weighted, 4e-6);
      }
    }
  }
  await startDevice("cpu");
  tf.tidy(() => {
    const x = tf.tensor([[1, 2], [3, 4]]), t = tf.tensor([-100, -100], [2], "int32");
    assert(Number.isNaN(F.crossEntropy(x, t).dataSync()[0]));
    const gradient = tf.grad((x: Tensor) => F.crossEntropy(x, t))(x);
    assertEquals([...gradient.dataSync()], [0, 0, 0, 0]);
  });
  await assertEngineThrows(
    () => F.crossEntropy(tf.zeros([2, 3]), tf.tensor([0, 3], [2], "int32")),
    RangeError,
    "Cannot take the loss of class 3 (at position 1 of 2): it must be in 0..2",
  );
});

test("binaryCrossEntropy() has the formula's values and gradients", async () => {
  for (const shape of [[], [1], [3], [8], [9, 5], [2, 1031]]) {
    const p = normal(...shape), y = normal(...shape);
    p.data = p.data.map((v) => 1 / (1 + Math.exp(-v))) as Float32Array;
    y.data = y.data.map((v, i) => i % 3 === 2 ? Math.abs(v) % 1 : Number(v > 0)) as Float32Array;
    p.data.set([0, 1].slice(0, p.data.length)); // certain ones: log(0)
    for (const reduction of ["mean", "sum", "none"] as const) {
      const loss = ({ p }: Record<string, Tensor>) => F.binaryCrossEntropy(p, make(y), reduction);
      await compare(`(${shape}), ${reduction}`, { p }, loss, 4e-6);
    }
  }
});

test("scaledDotProductAttention() has the formula's values and gradients", async () => {
  const shapes = [ // B, H, Tq, Tk, D, Dv
    [1, 1, 1, 1, 1, 1],
    [2, 3, 5, 5, 4, 4],
    [1, 2, 7, 9, 3, 5],
    [1, 2, 9, 7, 5, 3],
    [2, 2, 13, 13, 8, 8],
    [1, 1, 17, 33, 16, 16],
    [1, 2, 67, 67, 16, 16],
    [1, 1, 130, 131, 17, 9],
  ];
  for (const [B, H, Tq, Tk, D, Dv] of shapes) {
    const inputs = { q: normal(B, H, Tq, D), k: normal(B, H, Tk, D), v: normal(B, H, Tk, Dv) };
    const masks = [[Tq, Tk], [B, 1, 1, Tk], [1, H, Tq, 1], [B, H, Tq, Tk]];
    for (const causal of [false, true]) {
      for (const dropout_p of [0, 0.3]) {
        const options = { causal, dropout_p };
        const what = `${[B, H, Tq, Tk, D, Dv]} ${JSON.stringify(options)}`;
        await compare(
          what,
          inputs,
          ({ q, k, v }) => F.scaledDotProductAttention(q, k, v, options),
          5e-6,
        );
        for (const shape of masks) {
          const data = Uint8Array.from(numpy.randomSample(size(shape)), (u) => u < 0.7 ? 1 : 0);
          const mask: Values = { shape, data };
          const call: Call = ({ q, k, v, mask }) =>
            F.scaledDotProductAttention(q, k, v, { ...options, mask, scale: 0.4 });
          await compare(`${what} mask ${shape}`, { ...inputs, mask }, call, 5e-6);
        }
      }
    }
  }
  const inputs = { q: normal(4, 3), k: normal(5, 3), v: normal(5, 2) };
  await compare("rank 2", inputs, ({ q, k, v }) => F.scaledDotProductAttention(q, k, v));
});

test("scaledDotProductAttention() without heads takes a mask of each batch's own", async () => {
  const batches = { q: normal(3, 4, 5), k: normal(3, 6, 5), v: normal(3, 6, 2) };
  const one = { q: normal(4, 5), k: normal(6, 5), v: normal(6, 2) };
  for (
    const [inputs, shapes] of [[batches, [[3, 4, 6], [3, 1, 6], [4, 6]]], [one, [[4, 6], [6]]]]
  ) {
    for (const shape of shapes as number[][]) {
      const data = Uint8Array.from(numpy.randomSample(size(shape)), (u) => u < 0.5 ? 1 : 0);
      const call: Call = ({ q, k, v, mask }) => F.scaledDotProductAttention(q, k, v, { mask });
      await compare(`mask ${shape}`, { ...inputs as Inputs, mask: { shape, data } }, call, 5e-6);
    }
  }
});

test("scaledDotProductAttention() gives zeros and zero gradients where all is hidden", async () => {
  await startDevice("cpu");
  tf.tidy(() => {
    const [q, k, v] = [normal(1, 1, 3, 4), normal(1, 1, 5, 4), normal(1, 1, 5, 4)].map(make);
    const mask = tf.tensor([1, 0, 1], [3, 1], "bool");
    const attend = (q: Tensor) => F.scaledDotProductAttention(q, k, v, { mask });
    assertEquals([...attend(q).dataSync().slice(4, 8)], [0, 0, 0, 0]);
    assertEquals([...tf.grad(attend)(q).dataSync().slice(4, 8)], [0, 0, 0, 0]);
  });
});

test("gradients agree with finite differences", async () => {
  await startDevice("cpu");
  const calls: Record<string, (x: Tensor) => Tensor> = {
    gelu: (x) => F.gelu(x),
    geluTanh: (x) => F.gelu(x, "tanh"),
    layerNorm: (x) => F.layerNorm(x),
    rmsNorm: (x) => F.rmsNorm(x),
    softmax: (x) => F.softmax(x),
    logSoftmax: (x) => F.logSoftmax(x),
    attention: (x) => F.scaledDotProductAttention(x, x, x, { causal: true }),
    linear: (x) => F.linear(x, x),
  };
  const data = normal(6, 5);
  const step = 1e-2;
  for (const [name, call] of Object.entries(calls)) {
    tf.tidy(() => {
      const loss = (x: Tensor) => {
        const y = call(x);
        return y.mul(tf.cos(tf.range(1, y.size + 1).reshape(y.shape))).sum() as tf.Scalar;
      };
      const gradient = tf.grad(loss)(make(data)).dataSync();
      const differences = data.data.map((_, i) => {
        const at = (delta: number) => {
          const moved = data.data.slice();
          moved[i] += delta;
          return loss(make({ ...data, data: moved })).dataSync()[0];
        };
        return (at(step) - at(-step)) / (2 * step);
      });
      assertClose(gradient, differences, { absolute: 2e-3, relative: 2e-3, what: name });
    });
  }
});

// ---- optimisers

/**
 * Runs an update on each backend with parameters of these sizes, and compares all tensors that it
 * changes.
 */
async function compareUpdate(
  what: string,
  slots: string[],
  step: number,
  update: (entries: UpdateEntry[]) => void,
) {
  const sizes = [1, 3, 8, 17, 8191, 8192, 8193];
  const values = sizes.map((n) => ({
    param: normal(n).data,
    gradient: normal(n).data,
    ...Object.fromEntries(slots.map((s) => [s, normal(n).data.map(Math.abs)])),
  }));
  const changed: Float32Array[][] = [];
  for (const device of ["reference", "cpu"] as const) {
    await startDevice(device);
    const entries = values.map((value) => {
      const tensors = Object.entries(value).map(([name, data]) => {
        const t = tf.tensor1d(data);
        return [name, name === "gradient" ? t : tf.variable(t)];
      });
      return { step, ...Object.fromEntries(tensors) } as UpdateEntry;
    });
    update(entries);
    changed.push(
      entries.flatMap((entry) =>
        ["param", ...slots].map((name) =>
          (entry as unknown as Record<string, Tensor>)[name].dataSync() as Float32Array
        )
      ),
    );
    tf.dispose(entries.map(({ step: _, ...tensors }) => tensors));
  }
  changed[0].forEach((expected, i) => assertClose(changed[1][i], expected, { what }));
}

test("adamUpdate() and sgdUpdate() change all parameters as the formula does", async () => {
  const adam = { lr: 0.01, betas: [0.9, 0.99] as [number, number], eps: 1e-8 };
  for (const weight_decay of [0, 0.1]) {
    for (const decoupled of [false, true]) {
      await compareUpdate(
        "adam",
        ["exp_avg", "exp_avg_sq"],
        3,
        (entries) => adamUpdate(entries, { ...adam, weight_decay }, decoupled),
      );
    }
    for (const momentum of [0, 0.9]) {
      for (const step of [1, 2]) {
        const sgd = { lr: 0.1, momentum, dampening: 0.2, weight_decay, nesterov: false };
        const slots = momentum ? ["momentum_buffer"] : [];
        await compareUpdate("sgd", slots, step, (entries) => sgdUpdate(entries, sgd));
        if (!momentum) continue;
        const nesterov = { ...sgd, dampening: 0, nesterov: true };
        await compareUpdate("nesterov", slots, step, (entries) => sgdUpdate(entries, nesterov));
      }
    }
  }
});

test("clipGradients() scales tensors, and a tensor whose values another one shares once", async () => {
  for (const max of [0.5, 1e9]) {
    const parts = [1, 5, 8193].map((n) => normal(n).data);
    const results: Float32Array[][] = [];
    for (const device of ["reference", "cpu"] as const) {
      await startDevice(device);
      const gradients = parts.map((data) => tf.tensor(data) as Tensor);
      gradients.push(gradients[1].reshape([5, 1])); // the same values
      const before = tf.memory().numTensors;
      const { norm, gradients: scaled } = clipGradients(gradients, max);
      assertEquals(tf.memory().numTensors, before + 1);
      results.push([norm, ...scaled].map((t) => t.dataSync() as Float32Array));
      tf.dispose([norm, ...scaled]);
    }
    results[0].forEach((expected, i) => assertClose(results[1][i], expected, {}));
  }
});
