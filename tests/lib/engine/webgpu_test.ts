/**
 * The WebGPU kernels against the formulas of lib/functional.ts and lib/optim.ts on tfjs's plain
 * backend.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as tf from "@tensorflow/tfjs";
import { startWebGPU, webgpuBackend } from "lib/engine/webgpu/start.ts";
import { empty, launch, write } from "lib/engine/webgpu/runtime.ts";
import { InputError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import * as optim from "lib/optim.ts";
import { torch, TorchGenerator } from "lib/random.ts";
import type { Tensor } from "lib/tensor.ts";
import { GPT } from "scripts/gpt.ts";
import { assertClose } from "../../helpers/compare.ts";
import { hasAdapter } from "../../helpers/devices.ts";

/** A test that needs an adapter; without one it is left out, and its name says so. */
function gpuTest(name: string, fn: () => Promise<void>) {
  Deno.test({
    name: `webgpu: ${name}${hasAdapter ? "" : " (ignored: no WebGPU adapter)"}`,
    ignore: !hasAdapter,
    fn,
  });
}

const generator = new TorchGenerator(7);
/** Normal numbers, as a tensor on the active backend each time it is called. */
function normal(...shape: number[]) {
  const numbers = generator.randn(tf.util.sizeFromShape(shape));
  return () => tf.tensor(numbers, shape);
}
function integers(high: number, ...shape: number[]) {
  const numbers = generator.randint(tf.util.sizeFromShape(shape), 0, high);
  return () => tf.tensor(numbers, shape, "int32");
}
function booleans(...shape: number[]) {
  const numbers = generator.randint(tf.util.sizeFromShape(shape), 0, 2);
  return () => tf.tensor(numbers, shape, "bool");
}

/** Starts WebGPU; small tensors go to the GPU too, or the tests would test tfjs's cpu backend. */
async function gpu() {
  await startWebGPU({ fallback: true });
  tf.env().set("WEBGPU_CPU_FORWARD", false);
}

async function data(tensors: Tensor[]): Promise<Float32Array[]> {
  return await Promise.all(tensors.map(async (t) => new Float32Array(await t.data())));
}

type Case = { inputs: (() => Tensor)[]; f: (...inputs: Tensor[]) => Tensor; tolerance?: number };

/**
 * Value and gradients of `f` on WebGPU against those on the plain backend, where the formulas run.
 */
async function assertSame({ inputs, f, tolerance = 2e-6 }: Case) {
  let upstream: Float32Array | undefined;
  const run = async () => {
    torch.manualSeed(3);
    const tensors = inputs.map((make) => make());
    const y = f(...tensors);
    upstream ??= generator.randn(y.size);
    torch.manualSeed(3);
    const { grads, value } = tf.tidy(() => {
      const dy = tf.tensor(upstream!, y.shape);
      return tf.valueAndGrads(f)(tensors, dy);
    });
    const results = await data([y, value, ...grads]);
    tf.dispose([y, value, ...grads, ...tensors]);
    return { shape: y.shape, results };
  };
  await tf.setBackend("cpu");
  const expected = await run();
  await gpu();
  const actual = await run();
  assertEquals(actual.shape, expected.shape);
  const names = ["value", "value under the tape", ...inputs.map((_, i) => `gradient ${i}`)];
  names.forEach((what, i) => {
    const largest = expected.results[i].reduce((m, x) => Math.max(m, Math.abs(x) || 0), 1);
    assertClose(actual.results[i], expected.results[i], { absolute: tolerance * largest, what });
  });
}

// ---- layers

gpuTest("linear agrees with its formula", async () => {
  // The last ones are large enough for large tiles: in the product, and in the weight's gradient.
  const sizes = [[1, 1, 1], [3001, 33, 17], [131, 67, 130], [2053, 7, 1027], [2309, 131, 130]];
  for (const [N, features, out] of sizes) {
    const x = normal(N, features), w = normal(out, features), b = normal(out);
    await assertSame({ inputs: [x, w, b], f: F.linear, tolerance: 5e-6 });
  }
  const x = normal(2, 3, 5), w = normal(4, 5);
  await assertSame({ inputs: [x, w], f: (x, w) => F.linear(x, w) });
});

gpuTest("embedding agrees with its formula", async () => {
  for (const [V, C, ...ids] of [[1, 1, 1], [65, 48, 2, 333], [7, 301, 13], [5, 70, 1025]]) {
    const make = integers(V, ...ids);
    await assertSame({ inputs: [normal(V, C)], f: (w) => F.embedding(make(), w) });
  }
});

gpuTest("a kernel may have more than 65535 workgroups", async () => {
  await gpu();
  const table = tf.zeros([70001, 1]), ids = tf.tensor1d([70000, 3, 70000], "int32");
  const used = tf.grad((w) => F.embedding(ids, w))(table, tf.tensor2d([[1], [2], [4]]));
  const expected = new Float32Array(70001);
  [expected[3], expected[70000]] = [2, 5];
  assertEquals(await data([used]), [expected]);
});

gpuTest("layerNorm and rmsNorm agree with their formulas", async () => {
  for (const shape of [[1, 1], [2, 3, 5], [37, 48], [3, 1031], [70001, 3]]) {
    const C = shape.at(-1)!, x = normal(...shape), w = normal(C), b = normal(C);
    const tolerance = C < 5 ? 2e-4 : 1e-5; // of 1 to 3 values, some are almost equal
    await assertSame({ inputs: [x, w, b], f: (x, w, b) => F.layerNorm(x, w, b), tolerance });
    await assertSame({ inputs: [x, w], f: (x, w) => F.rmsNorm(x, w), tolerance });
  }
  await assertSame({ inputs: [normal(3, 8)], f: (x) => F.rmsNorm(x) });
  await assertSame({ inputs: [normal(3, 8), normal(8)], f: (x, w) => F.layerNorm(x, w) });
  await assertSame({ inputs: [normal(3, 8)], f: (x) => F.layerNorm(x, undefined, undefined, 0.1) });
  await assertSame({
    inputs: [normal(3, 8), normal(8)],
    f: (x, b) => F.layerNorm(x, undefined, b),
  });
});

gpuTest("dropout draws PyTorch's mask", async () => {
  for (const size of [1, 31, 70001]) {
    for (const p of [0.1, 0.5, 1]) {
      await assertSame({ inputs: [normal(size)], f: (x) => F.dropout(x, p) });
    }
  }
});

// ---- activations

gpuTest("relu and gelu agree with their formulas", async () => {
  const wide = () => tf.tensor1d(Float32Array.from({ length: 997 }, (_, i) => (i - 498) / 16));
  for (const x of [normal(1), normal(7, 11), normal(16777), wide]) {
    await assertSame({ inputs: [x], f: F.relu });
    await assertSame({ inputs: [x], f: (x) => F.gelu(x) });
    await assertSame({ inputs: [x], f: (x) => F.gelu(x, "tanh") });
  }
});

gpuTest("softmax and logSoftmax agree with their formulas", async () => {
  for (const shape of [[1], [3, 1], [2, 3, 5], [11, 65], [5, 257], [2, 5003], [70001, 2]]) {
    const x = normal(...shape);
    await assertSame({ inputs: [x], f: (x) => F.softmax(x) });
    await assertSame({ inputs: [x], f: (x) => F.logSoftmax(x) });
  }
  await assertSame({ inputs: [normal(3, 4, 5)], f: (x) => F.softmax(x, 1) });
  await assertSame({ inputs: [normal(3, 4)], f: (x) => F.softmax(x.mul(100)), tolerance: 2e-5 });
  await assertSame({
    inputs: [() => tf.tensor2d([[1, -Infinity, 2], [-Infinity, -Infinity, 3]])],
    f: (x) => F.softmax(x),
  });
});

// ---- attention

gpuTest("attention agrees with its formula", async () => {
  // B, H, Tq, Tk, D, Dv: sizes for 1, 2, 4 and 8 threads a row
  const attention = async (sizes: number[], ...options: (() => F.AttentionOptions)[]) => {
    const [B, H, Tq, Tk, D, Dv] = sizes;
    const inputs = [normal(B, H, Tq, D), normal(B, H, Tk, D), normal(B, H, Tk, Dv)];
    for (const option of options) {
      const f = (q: Tensor, k: Tensor, v: Tensor) => F.scaledDotProductAttention(q, k, v, option());
      await assertSame({ inputs, f, tolerance: 1e-5 });
    }
  };
  const causal = () => ({ causal: true, dropout_p: 0.3 });
  await attention([1, 1, 1, 1, 1, 1], causal);
  const mask = booleans(2, 1, 71, 71), padding = booleans(2, 1, 1, 71), flat = booleans(71, 71);
  await attention(
    [2, 3, 71, 71, 4, 4],
    () => ({}),
    causal,
    () => ({ mask: mask(), causal: true, scale: 0.7 }),
    () => ({ mask: padding(), dropout_p: 0.2 }),
    () => ({ mask: flat(), dropout_p: 0.5, training: false }),
  );
  await attention([1, 2, 5, 67, 7, 3], causal);
  await attention([1, 2, 67, 5, 36, 36], causal);
  await attention([1, 1, 35, 35, 68, 68], () => ({}));
  await attention([1, 1, 19, 19, 132, 132], () => ({}));
});

gpuTest("attention takes three axes, and a query that sees nothing", async () => {
  const three = [normal(3, 9, 4), normal(3, 9, 4), normal(3, 9, 4)];
  const padding = booleans(3, 1, 9);
  await assertSame({
    inputs: three,
    f: (q, k, v) => F.scaledDotProductAttention(q, k, v, { mask: padding(), causal: true }),
    tolerance: 1e-5,
  });
  await assertSame({
    inputs: three,
    f: (q, k, v) => F.scaledDotProductAttention(q, k, v, { mask: tf.zeros([9, 9], "bool") }),
  });
});

// ---- losses

gpuTest("crossEntropy agrees with its formula", async () => {
  for (const [N, V] of [[1, 1], [7, 65], [300, 3], [5, 5003], [70001, 2]]) {
    const logits = normal(N, V), targets = integers(V, N);
    for (const reduction of ["mean", "sum", "none"] as const) {
      for (const label_smoothing of N > 300 ? [0] : [0, 0.1]) {
        await assertSame({
          inputs: [logits],
          f: (x) => F.crossEntropy(x, targets(), { reduction, label_smoothing, ignore_index: 1 }),
          tolerance: 1e-5,
        });
      }
    }
  }
  const targets = integers(5, 2, 3), weight = normal(5);
  await assertSame({ inputs: [normal(2, 3, 5)], f: (x) => F.crossEntropy(x, targets()) });
  await assertSame({
    inputs: [normal(2, 3, 5)],
    f: (x) => F.crossEntropy(x, targets(), { weight: weight().abs() }),
  });
});

gpuTest("crossEntropy of a target that is no class is not a number", async () => {
  await gpu();
  const loss = F.crossEntropy(tf.zeros([2, 3]), tf.tensor1d([0, 3], "int32"));
  assert(Number.isNaN((await loss.data())[0]));
  const ignored = F.crossEntropy(tf.zeros([1, 3]), tf.tensor1d([-100], "int32"));
  assert(Number.isNaN((await ignored.data())[0]));
});

// ---- optimisers

/** The parameters, and the norms before clipping, after three steps with gradients of our own. */
async function assertSameUpdates<S extends { lr: number }>(
  make: (params: nn.Parameter[]) => optim.Optimizer<S>,
  more = 0,
) {
  const sizes = [[1], [7, 3], [300], [70001], ...Array.from({ length: more }, (_, i) => [i + 1])];
  const initial = sizes.map((shape) => normal(...shape));
  const gradients = sizes.map((shape) => normal(3, ...shape));
  const run = async () => {
    const params = initial.map((make) => nn.parameter(make()));
    const optimizer = make(params);
    const norms: Tensor[] = [];
    for (let step = 0; step < 3; step++) {
      params.forEach((p, i) => {
        if (step === 1 && i === 1) return; // a parameter may sit out a step
        const g = tf.tidy(() => gradients[i]().slice(step, 1).reshape(p.shape));
        optimizer.gradients.set(p, g);
      });
      norms.push(optim.clipGradNorm(optimizer, step === 0 ? 1e9 : 20));
      optimizer.step();
    }
    const state = Object.values(optimizer.stateDict().tensors);
    const result = await data([...params, ...state, ...norms]);
    optimizer.dispose();
    tf.dispose([...params, ...norms]);
    return result;
  };
  await tf.setBackend("cpu");
  const expected = await run();
  await gpu();
  const tensors = tf.memory().numTensors;
  const actual = await run();
  assertEquals(tf.memory().numTensors, tensors);
  expected.forEach((values, i) =>
    assertClose(actual[i], values, { absolute: 1e-6, relative: 1e-5, what: `tensor ${i}` })
  );
}

gpuTest("SGD, Adam and AdamW with clipping agree with their formulas", async () => {
  await assertSameUpdates((p) => new optim.SGD(p, { lr: 0.1 }));
  await assertSameUpdates((p) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.1 }));
  await assertSameUpdates((p) =>
    new optim.SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.1 })
  );
  await assertSameUpdates((p) => new optim.Adam(p, { lr: 0.01, weight_decay: 0.1 }));
  await assertSameUpdates((p) => new optim.AdamW(p, { lr: 0.01, betas: [0.8, 0.9] }), 40);
});

gpuTest("an update changes the parameter and none of its copies", async () => {
  await gpu();
  const p = nn.parameter(tf.tensor1d([1, 2]));
  const copy = p.clone(), view = p.reshape([2, 1]);
  const optimizer = new optim.SGD([p], { lr: 1 });
  const pending = p.data(); // a reading that ends after the update has begun
  optimizer.step(() => p.sum());
  assertEquals([...await pending], [1, 2]);
  assertEquals(
    await data([p, copy, view]),
    [[0, 1], [1, 2], [1, 2]].map((x) => new Float32Array(x)),
  );
  optimizer.step(() => p.sum());
  assertEquals([...await p.data()], [-1, 0]);
});

gpuTest("clipping leaves a gradient alone that another tensor shares", async () => {
  await gpu();
  const g = tf.tensor1d([3, 4]), copy = g.clone();
  const { norm, gradients } = optim.clipGradients([g, tf.tensor1d([0])], 1);
  const [values, clipped, before] = await data([norm, gradients[0], copy]);
  assertEquals([...values, ...before], [5, 3, 4]);
  assertClose(clipped, [0.6, 0.8]);
});

gpuTest("a training step of gpt-nano takes at most 200 dispatches and no memory", async () => {
  const config = GPT.getDefaultConfig("gpt-nano", 65, 16);
  const numbers = generator.randint(2 * 16, 0, 65);
  const train = async () => {
    torch.manualSeed(5);
    const model = new GPT(config);
    const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
    const ids = tf.tensor(numbers, [2, 16], "int32");
    const losses = [], dispatches = [], tensors = [];
    for (let step = 0; step < 3; step++) {
      const before = webgpuBackend()?.dispatches ?? 0;
      const loss = optimizer.backward(() => F.crossEntropy(model.forward(ids), ids));
      optim.clipGradNorm(optimizer, 1).dispose();
      optimizer.step();
      dispatches.push((webgpuBackend()?.dispatches ?? 0) - before);
      losses.push((await loss.data())[0]);
      tensors.push(tf.memory().numTensors);
    }
    return { losses, dispatches, tensors };
  };
  await tf.setBackend("cpu");
  const expected = await train();
  await gpu();
  const { losses, dispatches, tensors } = await train();
  assertClose(losses, expected.losses, { absolute: 0, relative: 1e-5, what: "loss" });
  assert(Math.max(...dispatches) <= 200, `${dispatches} dispatches`);
  assertEquals(tensors[2], tensors[1]);
});

// ---- kernels of tfjs that are repaired

gpuTest("cumsum and cumprod of long and short rows", async () => {
  for (
    const [shape, axis] of [[[1], 0], [[3, 300], 1], [[2, 5003], 1], [
      [70001, 2],
      1,
    ]] as const
  ) {
    const x = normal(...shape);
    for (const [exclusive, reverse] of [[false, false], [true, true]]) {
      await assertSame({
        inputs: [x],
        f: (x) => tf.cumsum(x, axis, exclusive, reverse),
        tolerance: 1e-5,
      });
    }
  }
  await gpu();
  const tall = normal(1031, 3)();
  const [down, across] = await data([
    tf.cumsum(tall, 0),
    tf.cumsum(tall.transpose(), 1).transpose(),
  ]);
  assertEquals(down, across);
  const x = tf.tensor2d([[1, 2, 3], [4, 5, 6]], [2, 3], "int32");
  assertEquals([...await tf.cumsum(x, 1, true).data()], [0, 1, 3, 0, 4, 9]);
  assertEquals([...await tf.cumprod(x, 0, false, true).data()], [4, 10, 18, 4, 5, 6]);
});

gpuTest("addN of many terms, argMax of a vector", async () => {
  for (const terms of [2, 7, 8, 9, 40]) {
    const inputs = Array.from({ length: terms }, () => normal(3, 5));
    await assertSame({ inputs, f: (...x) => tf.addN(x) });
  }
  await gpu();
  const best = tf.argMax(tf.tensor1d([1, 7, 3]));
  assertEquals([best.shape, [...await best.data()]], [[], [1]]);
});

gpuTest("log1p and expm1 keep small numbers", async () => {
  const numbers = Float32Array.from({ length: 200 }, (_, i) => (i % 2 ? 1 : -0.9) * 2 ** (-i / 7));
  await gpu();
  const x = tf.tensor1d(numbers);
  const [logs, exps] = await data([tf.log1p(x), tf.expm1(x)]);
  const exact = { absolute: 0, relative: 1e-6 };
  assertClose(logs, [...numbers].map(Math.log1p), exact);
  assertClose(exps, [...numbers].map(Math.expm1), exact);
});

// ---- errors

/** Runs `f`, which has to end with one line for the user; the next device works again. */
async function assertFails(f: () => unknown, ...parts: string[]) {
  await gpu();
  const error = await assertRejects(async () => {
    await f();
    await tf.ones([3]).add(1).data();
  }, InputError);
  for (const part of parts) assertStringIncludes(error.message, part);
  assert(!error.message.includes("\n"), error.message);
  const backend = webgpuBackend()!;
  if (backend.failure) {
    assertEquals(
      backend.failure,
      await assertRejects(async () => await tf.ones([3]).add(1).data()),
    );
  }
  await gpu();
  assertEquals([...await tf.ones([2]).add(1).data()], [2, 2]);
}

const kernel = { buffers: {}, threads: 64, groups: 1 };

gpuTest("a device that is lost in the middle of a run ends it with one line", async () => {
  const lose = async () => {
    const x = tf.ones([300]).add(1);
    await x.data();
    webgpuBackend()!.device.destroy();
    return x;
  };
  const remedy = "start again, or use --device=cpu";
  await assertFails(
    async () => await tf.add(await lose(), 1).data(),
    "Lost the WebGPU device",
    remedy,
  );
  await assertFails(
    async () => await tf.neg(await lose()).data(),
    "Lost the WebGPU device",
    remedy,
  );
});

gpuTest("a shader that does not compile ends the run with one line", async () => {
  await assertFails(
    () => {
      launch({ ...kernel, name: "brokenShader", body: () => "let a = nothing;" });
    },
    '"brokenShader"',
    "nothing",
  );
});

gpuTest("a validation error ends the run with one line", async () => {
  await assertFails(() => {
    const y = empty([3]);
    const buffers = { y: write(y) };
    launch({ ...kernel, buffers, threads: 100000, name: "tooWide", body: () => "y[i] = 1.0;" });
    return y.data();
  }, '"tooWide"');
});

gpuTest("a tensor that is too large ends the run with one line", async () => {
  await assertFails(
    () => {
      const bytes = webgpuBackend()!.device.limits.maxStorageBufferBindingSize;
      tf.fill([bytes / 4 + 1], 1);
    },
    '"Fill"',
    "of shape (",
    "smaller batch",
  );
});

gpuTest("exhausted memory ends the run with one line", async () => {
  await assertFails(
    () => {
      const error = new GPUOutOfMemoryError("no memory");
      const event = new GPUUncapturedErrorEvent("uncapturederror", { error });
      webgpuBackend()!.device.dispatchEvent(event);
    },
    "Out of memory on the WebGPU device",
    "in use",
  );
});
