import { assert, assertEquals, assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs";
import { InputError } from "lib/io/errors.ts";
import { at, heap, output, parallel, statistics, threadsReady } from "lib/engine/cpu/runtime.ts";
import { startEngine } from "lib/engine/cpu/start.ts";
import { build } from "lib/engine/cpu/build.ts";
import { type DrawMask, drawMask, maskDrawer } from "lib/engine/draws.ts";
import { EngineMemory } from "lib/engine/cpu/memory.ts";
import { TURBO_FLAGS, turboActive } from "lib/engine/cpu/turbo.ts";
import { matmul } from "lib/engine/cpu/matmul.ts";
import { dropoutBits } from "lib/engine/webgpu/dropout.ts";
import { torch } from "lib/random.ts";

// A tensor of before the engine's start, which changes how tfjs keeps its records.
await tf.setBackend("cpu");
const early = tf.tensor1d([1, 2, 3]);
await startEngine({ threads: 4 });

// A small generator, so that a failure can be repeated.
let state = 1;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}
function whole(low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}
function values(shape: number[], low = -2, high = 2): Float32Array {
  return Float32Array.from(
    { length: tf.util.sizeFromShape(shape) },
    () => low + (high - low) * random(),
  );
}

/** What `f` returns on a backend: values and shapes of its tensors. */
async function on(backend: string, f: () => tf.Tensor | tf.Tensor[]) {
  await tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const results = [tf.tidy(() => f())].flat();
  const out = results.map((t) => ({
    shape: t.shape,
    dtype: t.dtype,
    values: [...t.dataSync()],
  }));
  results.forEach((t) => t.dispose());
  assertEquals(tf.memory().numTensors, before, "tensors are left");
  return out;
}

/** Checks that `f` gives the same on the engine as on tfjs's own backend. */
async function same(name: string, f: () => tf.Tensor | tf.Tensor[], tolerance = 1e-6) {
  const expected = await on("cpu", f), actual = await on("engine", f);
  assertEquals(actual.length, expected.length, name);
  expected.forEach((e, i) => {
    const a = actual[i];
    assertEquals(a.shape, e.shape, `${name}: shape`);
    assertEquals(a.dtype, e.dtype, `${name}: dtype`);
    for (let j = 0; j < e.values.length; j++) {
      const x = a.values[j], y = e.values[j];
      const close = Object.is(x, y) || x === y ||
        Math.abs(x - y) <= tolerance * (1 + Math.abs(y));
      assert(close, `${name}: element ${j} of [${e.shape}] is ${x}, not ${y}`);
    }
  });
}

const SPECIAL = [0, -0, 1, -1, NaN, Infinity, -Infinity, 1e-40, 3e38, -3e38, 88.8, -104, 1e-8, 20];

Deno.test("scopes keep and free what tfjs's own do", async () => {
  assertEquals([...early.dataSync()], [1, 2, 3]);
  await tf.setBackend("engine");
  const moved = early.add(1);
  assertEquals([...moved.dataSync()], [2, 3, 4]);
  const count = () => tf.memory().numTensors;
  const before = count(), buffers = tf.memory().numDataBuffers;

  assert(tf.tidy(() => moved) === moved && !moved.isDisposed, "a tensor from outside");
  let kept!: tf.Tensor, inner!: tf.Tensor;
  const outer = tf.tidy(() => {
    kept = tf.keep(moved.mul(2));
    inner = tf.tidy(() => moved.mul(3)); // belongs to the outer scope now
    const pair = tf.tidy(() => [moved.neg(), { deep: moved.square() }] as const);
    return pair[1].deep;
  });
  assertEquals([kept.isDisposed, inner.isDisposed, outer.isDisposed], [false, true, false]);
  assertEquals(count() - before, 2);
  assertEquals([...outer.dataSync()], [4, 9, 16]);
  assert(tf.tidy(() => kept) === kept && !kept.isDisposed, "a kept tensor as the result");
  const alias = tf.tidy(() => outer.reshape([3, 1])); // the same values under another shape
  outer.dispose();
  assertEquals([...alias.dataSync()], [4, 9, 16]);
  tf.dispose([kept, alias]);
  assertEquals([count(), tf.memory().numDataBuffers], [before, buffers]);
  assertThrows(() => kept.dataSync(), Error, "disposed");

  early.dispose();
  assertThrows(() => early.dataSync(), Error, "disposed");
  moved.dispose();
  assertEquals(count(), before - 2);
});

Deno.test("unary operations equal tfjs's, special values included", async () => {
  const names = [
    "neg",
    "abs",
    "square",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "relu",
    "relu6",
    "step",
    "exp",
    "log",
    "sigmoid",
    "tanh",
  ] as const;
  await threadsReady();
  for (const name of names) {
    for (const n of [0, 1, 2, 7, 8, 9, 31, 257, 40_003]) {
      const x = values([n], -5, 5);
      if (name === "log" || name === "sqrt" || name === "rsqrt") {
        x.forEach((v, i) => x[i] = Math.abs(v));
      }
      await same(`${name} ${n}`, () => tf[name](tf.tensor(x, [n])), 2e-7);
    }
    if (name === "rsqrt") continue; // tfjs and IEEE differ at -0
    const x = SPECIAL;
    await same(`${name} special`, () => tf[name](tf.tensor1d(x)), 2e-7);
  }
});

Deno.test("a bool cast to int32 is one for every operation after it", async () => {
  await threadsReady();
  const bits = () => tf.tensor2d([[0, 0, 0, 1, 1], [0, 1, 0, 0, 0]], undefined, "bool").toInt();
  await same("gather", () => bits().gather(tf.tensor1d([4, 2, 0, 3, 1], "int32"), 1), 0);
  await same("transpose", () => bits().transpose(), 0);
  await same("concat", () => bits().concat(tf.fill([2, 1], 7, "int32"), 1), 0);
  await same("sum", () => bits().mul(tf.scalar(3, "int32")).sum(1), 0);
});

Deno.test("binary operations broadcast as tfjs's", async () => {
  const names = ["add", "sub", "mul", "div", "maximum", "minimum", "squaredDifference"] as const;
  const shapes: [number[], number[]][] = [
    [[5], [5]],
    [[3, 5], [5]],
    [[5], [3, 5]],
    [[3, 5], [3, 1]],
    [[3, 1], [1, 5]],
    [[], [4, 3]],
    [[4, 3], []],
    [[2, 3, 4], [3, 1]],
    [[2, 1, 4], [2, 3, 1]],
    [[0, 3], [3]],
    [[1], [1]],
    [[2, 3, 4, 5], [1, 3, 1, 5]],
    [[2, 3, 1, 5], [2, 3, 4, 5]],
    [[129, 257], [257]],
    [[129, 257], [129, 1]],
    [[2, 3, 2, 3, 2], [1, 3, 1, 3, 1]],
    [[41, 1, 1000], [1, 1, 1000]],
  ];
  for (const name of names) {
    for (const [a, b] of shapes) {
      const x = values(a), y = values(b, 0.5, 2);
      await same(`${name} [${a}] [${b}]`, () => tf.tensor(x, a)[name](tf.tensor(y, b)));
    }
    const pairs = SPECIAL.flatMap((p) => SPECIAL.map((q) => [p, q]));
    await same(
      `${name} special`,
      () => tf.tensor1d(pairs.map((p) => p[0]))[name](tf.tensor1d(pairs.map((p) => p[1]))),
    );
  }
});

Deno.test("matMul equals tfjs's for all transpositions and awkward sizes", async () => {
  const sizes = [
    [1, 1, 1],
    [7, 17, 5],
    [13, 65, 30],
    [6, 8, 16],
    [5, 9, 1],
    [1, 33, 70],
    [2, 64, 300],
    [4, 31, 18],
    [97, 51, 33],
    [64, 64, 64],
    [130, 70, 129],
    [48, 144, 600],
    [3, 1000, 5],
    [200, 9, 260],
  ];
  for (const [m, n, k] of sizes) {
    for (const [ta, tb] of [[false, false], [true, false], [false, true], [true, true]]) {
      const a = values([m * k]), b = values([k * n]);
      await same(`${m} x ${n} x ${k} ${ta} ${tb}`, () =>
        tf.matMul(
          tf.tensor(a, ta ? [k, m] : [m, k]),
          tf.tensor(b, tb ? [n, k] : [k, n]),
          ta,
          tb,
        ), 2e-7 * (k + 20));
    }
  }
  for (const [p, q] of [[[3], [3]], [[2, 3], [2, 3]], [[1], [4]], [[4], [1]], [[70], [70]]]) {
    for (const [ta, tb] of [[false, false], [true, false], [false, true]]) {
      const m = 19, n = 21, k = 10;
      const a = values([...p, m * k]), b = values([...q, k * n]);
      await same(`batch [${p}] [${q}] ${ta} ${tb}`, () =>
        tf.matMul(
          tf.tensor(a, [...p, ...ta ? [k, m] : [m, k]]),
          tf.tensor(b, [...q, ...tb ? [n, k] : [k, n]]),
          ta,
          tb,
        ), 2e-7 * (k + 20));
    }
  }
  for (const activation of ["linear", "relu", "sigmoid", "elu"] as const) {
    for (const m of [1, 5, 50]) {
      const k = 20, a = values([m, 20]), b = values([20, 35]), bias = values([35]);
      await same(`fused ${activation} ${m}`, () =>
        tf.fused.matMul({
          a: tf.tensor(a, [m, 20]),
          b: tf.tensor(b, [20, 35]),
          bias: tf.tensor1d(bias),
          activation,
        }), 2e-7 * (k + 20));
    }
  }
  const a = values([6 * 9]);
  a[10] = NaN;
  a[30] = Infinity;
  await same("NaN and infinity", () => tf.matMul(tf.tensor(a, [6, 9]), tf.ones([9, 11])));
});

Deno.test("reductions equal tfjs's", async () => {
  const shapes = [[1], [7], [0], [3, 5], [5, 1], [2, 3, 4], [300, 70], [3, 5000], [50_001], [
    2,
    200,
    33,
  ], [1, 8, 1, 9]];
  for (const shape of shapes) {
    const x = values(shape);
    const axes: (number[] | undefined)[] = [undefined, [0], [shape.length - 1], [-1]];
    if (shape.length > 2) axes.push([0, 1], [1, 2], [0, 2], [1]);
    for (const axis of axes) {
      for (const keep of [false, true]) {
        for (const name of ["sum", "mean", "max", "min"] as const) {
          if (shape[0] === 0 && name !== "sum") continue;
          await same(
            `${name} [${shape}] over ${axis}`,
            () => tf.tensor(x, shape)[name](axis, keep),
            1e-5,
          );
        }
      }
    }
  }
  await same("NaN", () => {
    const x = tf.tensor1d([1, NaN, 3, 4, 5, 6, 7, 8, 9, 10]);
    return [x.max(), x.min(), x.sum()];
  });
});

Deno.test("copies equal tfjs's: transpose, slice, concat, stack, split, tile", async () => {
  const perms: [number[], number[]][] = [
    [[3, 5], [1, 0]],
    [[1, 5], [1, 0]],
    [[70, 33], [1, 0]],
    [[2, 3, 4], [0, 2, 1]],
    [[2, 3, 4], [2, 0, 1]],
    [[2, 3, 4], [2, 1, 0]],
    [[2, 3, 4], [1, 0, 2]],
    [[2, 5, 3, 4], [0, 2, 1, 3]],
    [[2, 5, 3, 4], [0, 2, 3, 1]],
    [[2, 5, 3, 4], [3, 1, 2, 0]],
    [[2, 3, 2, 3, 2], [4, 2, 0, 3, 1]],
    [[0, 4], [1, 0]],
    [[9, 40, 41], [0, 2, 1]],
    [[6], [0]],
  ];
  for (const [shape, perm] of perms) {
    const x = values(shape);
    for (const dtype of ["float32", "int32", "bool"] as const) {
      await same(
        `transpose [${shape}] [${perm}] ${dtype}`,
        () => tf.cast(tf.tensor(x, shape), dtype).transpose(perm),
      );
    }
  }
  const x = values([4, 5, 6]);
  await same("slices", () => {
    const t = tf.tensor(x, [4, 5, 6]);
    return [
      t.slice([1, 2, 3], [2, 3, 2]),
      t.slice([1], [2]),
      t.slice([0, 1], [-1, 2]),
      t.slice([0, 0, 5]),
      t.slice([2, 0, 0], [0, 5, 6]),
    ];
  });
  await same("concat", () => {
    const t = tf.tensor(x, [4, 5, 6]);
    return [0, 1, 2].flatMap((axis) => [
      tf.concat([t, t.slice([0, 0, 0], [4, 5, 6]), t.mul(2)], axis),
      tf.concat([t.toInt(), t.toInt()], axis),
      tf.concat([t.greater(0), t.less(0)], axis),
      tf.stack([t, t.add(1)], axis),
      ...tf.split(t, axis === 1 ? [1, 4] : 2, axis),
      ...tf.unstack(t, axis),
      t.reverse(axis),
      t.cumsum(axis),
    ]);
  });
  await same("tile", () => {
    const t = tf.tensor(x, [4, 5, 6]);
    return [
      t.tile([1, 2, 1]),
      t.tile([2, 1, 3]),
      tf.tensor1d([1, 2, 3]).tile([2]),
      tf.ones([1, 3]).broadcastTo([4, 3]),
      tf.scalar(2).broadcastTo([2, 3]),
      t.pad([[1, 0], [0, 2], [0, 0]]),
    ];
  });
  await same("fill", () => [
    tf.fill([3, 100], 2.5),
    tf.fill([3], 7, "int32"),
    tf.zeros([2, 3]),
    tf.ones([5], "bool"),
    tf.zerosLike(tf.ones([300])),
    tf.onesLike(tf.tensor1d([1, 2], "int32")),
    tf.fill([1000], NaN),
  ]);
  await same("casts", () => {
    const t = tf.tensor(x, [120]);
    return [
      t.toInt(),
      t.toInt().toFloat(),
      t.toBool(),
      t.toBool().toFloat(),
      t.toBool().toInt(),
      tf.addN([t, t, t]),
      tf.addN([t]),
      tf.where(t.greater(0), t, t.neg()),
      tf.where(t.greater(0), t, tf.scalar(0)),
    ];
  });
});

Deno.test("gather and its gradient equal tfjs's", async () => {
  const x = values([9, 5]);
  const ids = [0, 8, 3, 3, 1, 0, 8];
  await same("gather", () => {
    const t = tf.tensor(x, [9, 5]), i = tf.tensor1d(ids, "int32");
    const grad = tf.grad((t: tf.Tensor) => tf.gather(t, i).square().sum())(t);
    return [
      tf.gather(t, i),
      tf.gather(t, tf.tensor1d([4, 0], "int32"), 1),
      tf.gather(t, i.slice(1).reshape([2, 3])),
      grad,
      tf.unsortedSegmentSum(tf.gather(t, i), i, 9),
    ];
  });
  await tf.setBackend("engine");
  assertThrows(() => tf.gather(tf.ones([3, 2]), tf.tensor1d([3], "int32")), RangeError, "index 3");
});

Deno.test("gradients through many operations equal tfjs's", async () => {
  const x = values([6, 4, 8]), w = values([8, 8]), g = values([8]);
  await same("gradients", () => {
    const f = (x: tf.Tensor, w: tf.Tensor, g: tf.Tensor) => {
      const h = tf.matMul(x.reshape([24, 8]), w).reshape([6, 4, 8]).mul(g).add(x);
      const mean = h.mean(-1, true), v = h.sub(mean).square().mean(-1, true);
      const n = h.sub(mean).div(v.add(1e-5).sqrt());
      const s = tf.softmax(tf.matMul(n, n, false, true), -1);
      const y = tf.matMul(s, n).transpose([1, 0, 2]).tanh().relu();
      return tf.concat([y, y.slice([0, 1], [4, 2])], 1).sigmoid().log().sum() as tf.Scalar;
    };
    return tf.grads(f)([tf.tensor(x, [6, 4, 8]), tf.tensor(w, [8, 8]), tf.tensor1d(g)]);
  }, 2e-5);
});

Deno.test("matmul adds to its output and takes any strides", () => {
  // Heads of attention lie in (B, T, H * D): a row stride of H * D.
  const [m, n, k, heads] = [7, 9, 6, 3];
  const a = tf.tensor(values([m, heads * k]), [m, heads * k]);
  const b = tf.tensor(values([n, heads * k]), [n, heads * k]);
  const { info, pointer } = output([heads, m, n]);
  heap().f32.fill(1, pointer / 4, pointer / 4 + heads * m * n);
  matmul(
    { pointer, batch: m * n, row: n, column: 1 },
    { pointer: at(a), batch: k, row: heads * k, column: 1 },
    { pointer: at(b), batch: k, row: 1, column: heads * k },
    m,
    n,
    k,
    heads,
    { add: true },
  );
  const [x, y] = [a.dataSync(), b.dataSync()];
  for (let h = 0; h < heads; h++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 1;
        for (let l = 0; l < k; l++) {
          sum += x[(i * heads + h) * k + l] * y[(j * heads + h) * k + l];
        }
        const value = heap().f32[pointer / 4 + (h * m + i) * n + j];
        assert(Math.abs(value - sum) < 1e-5, `head ${h}, ${i}, ${j}: ${value}, not ${sum}`);
      }
    }
  }
  tf.engine().makeTensorFromTensorInfo(info).dispose();
  tf.dispose([a, b]);
});

Deno.test("a large matrix product is divided by rows and columns of B when B does not fit", async () => {
  await tf.setBackend("engine");
  // The second has two blocks of columns as well.
  for (const [m, n, k] of [[70, 5003, 1100], [70, 8303, 300]]) {
    const a = values([m, k]), b = values([k, n]), bias = values([n]);
    const c = tf.tidy(() =>
      tf.fused.matMul({
        a: tf.tensor2d(a, [m, k]),
        b: tf.tensor2d(b, [k, n]),
        bias: tf.tensor1d(bias),
        activation: "relu",
      }).dataSync()
    );
    const places = [[0, 0], [69, n - 1], [33, 4095], [12, 3819], [66, 2500], [5, 4999], [
      41,
      n - 50,
    ]];
    let positive = 0;
    for (const [i, j] of places) {
      let sum = bias[j];
      for (let l = 0; l < k; l++) sum += a[i * k + l] * b[l * n + j];
      if (sum > 0) positive++;
      const expected = Math.max(0, sum), value = c[i * n + j];
      assert(Math.abs(value - expected) < 1e-3, `${i}, ${j}: ${value}, not ${expected}`);
    }
    assert(positive > 0, "all are 0");
  }
});

Deno.test("a batch of large matrix products agrees with tfjs's", async () => {
  const [batch, m, n, k] = [2, 50, 300, 600]; // three blocks of rows of B
  for (const [ta, tb] of [[false, false], [true, false], [false, true]]) {
    const a = values([batch * m * k]), b = values([batch * k * n]);
    await same(`${ta} ${tb}`, () =>
      tf.matMul(
        tf.tensor(a, ta ? [batch, k, m] : [batch, m, k]),
        tf.tensor(b, tb ? [batch, n, k] : [batch, k, n]),
        ta,
        tb,
      ), 2e-7 * (k + 20));
  }
});

// ---- dropout's masks as bits, which the device webgpu draws without the engine

/** Checks a mask of n bits, drawn after `words` words of a seed, against torch.dropoutMask. */
function checkMask(draw: DrawMask, n: number, p: number, words: number) {
  const start = () => {
    torch.manualSeed(n);
    torch.rand(words);
  };
  start();
  const expected = new Int32Array(Math.ceil(n / 32));
  torch.dropoutMask(n, p).forEach((x, i) => {
    if (x !== 0) expected[i >> 5] |= 1 << (i & 31);
  });
  const state = torch.getState();
  start();
  const what = `${n} bits, p=${p}, after ${words} words`;
  const bits = draw(n, p);
  assert(bits.length === expected.length && bits.every((word, i) => word === expected[i]), what);
  assertEquals(torch.getState(), state, what);
}

/** What maskDrawer() makes where WebAssembly has no SIMD. */
function withoutSimd(): DrawMask {
  const { Module } = WebAssembly;
  WebAssembly.Module = class extends Module {
    constructor() {
      super(new Uint8Array()); // throws WebAssembly.CompileError
    }
  };
  try {
    return maskDrawer();
  } finally {
    WebAssembly.Module = Module;
  }
}

for (
  const [name, draw] of Object.entries({
    "drawMask()": drawMask,
    "drawMask() by the plain module": maskDrawer(false),
    "drawMask() without SIMD": withoutSimd(),
  })
) {
  Deno.test(`${name} has torch.dropoutMask's bits and leaves the generator where it does`, () => {
    const tiny = 2 ** -53;
    for (const n of [1, 31, 32, 33, 311, 312, 313, 624, 2 ** 18, 2 ** 19 + 77]) {
      for (const words of [0, 1, 623]) checkMask(draw, n, 0.1, words);
    }
    for (const p of [0, 1, 0.5, tiny, 1e-20, 1 - tiny, 1 - 3 * tiny, Number.MIN_VALUE]) {
      for (const words of [0, 3]) checkMask(draw, 1001, p, words);
    }
    for (let i = 0; i < 200; i++) checkMask(draw, whole(1, 3000), random(), whole(0, 1300));
    // A draw that is the limit itself, or beside it: all 53 bits decide.
    for (const words of [0, 1]) {
      for (const place of [0, 5, 310, 311, 312, 700]) {
        torch.manualSeed(900);
        torch.rand(words);
        const u = torch.rand64(place + 1)[place];
        for (const limit of [u - tiny, u, u + tiny]) checkMask(draw, 900, 1 - limit, words);
      }
    }
  });
}

Deno.test("dropoutBits() goes on from whatever was drawn before", async () => {
  await tf.setBackend("cpu");
  const tensorOf: DrawMask = (n, p) => {
    const bits = dropoutBits(n, p);
    assertEquals([bits.dtype, bits.shape], ["int32", [Math.ceil(n / 32)]]);
    const words = Int32Array.from(bits.dataSync());
    bits.dispose();
    return words;
  };
  checkMask(tensorOf, 5000, 0.2, 41);
  const draws = (bits: (n: number, p: number) => number) => {
    torch.manualSeed(5);
    return [0.1, 0.9, 0.3, 0.3].map((p, i) => [bits(100 + i, p), ...torch.randn(3 + i)]);
  };
  const kept = (words: Int32Array) => {
    let count = 0;
    for (let word of words) for (; word !== 0; word &= word - 1) count++;
    return count;
  };
  assertEquals(
    draws((n, p) => kept(tensorOf(n, p))),
    draws((n, p) => torch.dropoutMask(n, p).filter((x) => x !== 0).length),
  );
  assertThrows(() => dropoutBits(2, 1.5), RangeError, "1.5");
});

Deno.test("an unknown kernel is named", () => {
  assertThrows(() => parallel("nothing", [], 1, 1), TypeError, "nothing");
});

Deno.test("a tensor's values are a copy, and survive the tensor", async () => {
  await tf.setBackend("engine");
  const source = new Float32Array([1, 2, 3]);
  const t = tf.tensor1d(source);
  source[0] = 9;
  const read = t.dataSync();
  assertEquals([...read], [1, 2, 3]);
  read[1] = 9;
  assertEquals([...t.dataSync()], [1, 2, 3]);
  // A slice made by an inherited kernel shares nothing with its source.
  const part = t.stridedSlice([0], [3], [2]);
  t.dispose();
  tf.tensor1d([7, 7, 7]);
  assertEquals([...part.dataSync()], [1, 3]);
  part.dispose();
});

Deno.test("tensors move between backends, and variables keep their references", async () => {
  await tf.setBackend("cpu");
  const v = tf.variable(tf.tensor1d([1, 2]));
  await tf.setBackend("engine");
  const before = statistics().blocks;
  assertEquals([...v.add(1).dataSync()], [2, 3]);
  const alias = v.reshape([2, 1]);
  v.assign(tf.tensor1d([5, 6]));
  assertEquals([...alias.dataSync()], [1, 2]);
  await tf.setBackend("cpu");
  assertEquals([...v.dataSync()], [5, 6]);
  assertEquals([...v.mul(2).dataSync()], [10, 12]);
  alias.dispose();
  v.dispose();
  assert(statistics().blocks <= before + 3);
});

Deno.test("2000 training steps do not grow the memory", async () => {
  await tf.setBackend("engine");
  const x = tf.tensor(values([40, 10]), [40, 10]);
  const w = tf.variable(tf.tensor(values([10, 10]), [10, 10]));
  const optimizer = tf.train.adam(0.01);
  const step = () => {
    optimizer.minimize(() => {
      const h = tf.matMul(x, w as tf.Tensor2D).tanh();
      const p = tf.softmax(h).transpose().cumsum(1).slice([0, 1], [10, 20]);
      return p.square().mean() as tf.Scalar;
    });
  };
  for (let i = 0; i < 20; i++) step();
  const before = statistics(), tensors = tf.memory().numTensors;
  for (let i = 0; i < 2000; i++) step();
  const after = statistics();
  assertEquals(after.used, before.used);
  assertEquals(after.blocks, before.blocks);
  assertEquals(after.peak, before.peak);
  assertEquals(after.reserved, before.reserved);
  assertEquals(tf.memory().numTensors, tensors);
  tf.dispose([x, w]);
  optimizer.dispose();
});

Deno.test("the allocator keeps blocks apart, reuses them and joins free ones", () => {
  const memory = new EngineMemory(64 * 2 ** 20);
  const blocks = new Map<number, number>();
  for (let i = 0; i < 3000; i++) {
    if (blocks.size > 0 && random() < 0.5) {
      const pointer = [...blocks.keys()][whole(0, blocks.size - 1)];
      // Nobody has written into it.
      const bytes = blocks.get(pointer)!;
      assertEquals(memory.i32[pointer / 4], pointer);
      assertEquals(memory.i32[(pointer + bytes) / 4 - 1], pointer);
      memory.free(pointer);
      blocks.delete(pointer);
    } else if (memory.statistics().used < 30 * 2 ** 20) {
      const bytes = 4 * Math.ceil(2 ** (random() * 18));
      const pointer = memory.alloc(bytes);
      assertEquals(pointer % 64, 0);
      memory.i32[pointer / 4] = pointer;
      memory.i32[(pointer + bytes) / 4 - 1] = pointer;
      blocks.set(pointer, bytes);
    }
  }
  for (const pointer of blocks.keys()) memory.free(pointer);
  assertEquals(memory.statistics().used, 0);
  // What was in pieces can be had as a whole.
  memory.free(memory.alloc(45 * 2 ** 20));
  assertThrows(() => memory.free(12345), RangeError);
});

Deno.test("a full memory says what was asked for and what is in use", () => {
  const memory = new EngineMemory(16 * 2 ** 20);
  memory.alloc(10 * 2 ** 20);
  const error = assertThrows(() => memory.alloc(8 * 2 ** 20, [2048, 1024]), InputError);
  assert(/8\.0 MiB for a tensor of shape \[2048, 1024\]/.test(error.message), error.message);
  assert(/10(\.0)? MiB in 1 blocks are in use/.test(error.message), error.message);
  // The error leaves it usable.
  memory.free(memory.alloc(4 * 2 ** 20));
});

const turbo = TURBO_FLAGS.join(",");

/** Runs a program with the engine and returns what it printed. */
async function deno(args: string[], env: Record<string, string> = {}): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args, env, stderr: "piped" });
  const { success, stdout, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout));
  return new TextDecoder().decode(stdout).trim();
}

Deno.test({
  name: "1, 2 and 4 threads, turbo and unshared memory give equal bytes",
  ignore: turboActive(),
  async fn() {
    const program = new URL("../../helpers/engine_digest.ts", import.meta.url).pathname;
    const one = await deno(["run", "-A", program, "1"]);
    assert(/^[0-9a-f]{64}$/.test(one), one);
    assertEquals(await deno(["run", "-A", program, "2"]), one);
    assertEquals(await deno(["run", "-A", program, "4"]), one);
    assertEquals(await deno(["run", "-A", program, "1", "false"]), one);
    if (Deno.build.arch === "x86_64") {
      const env = { DENO_V8_FLAGS: turbo };
      assertEquals(await deno(["run", "-A", program, "2"], env), one);
    }
    // Without fused multiply-add results round otherwise, but alike.
    const plain = await deno(["run", "-A", program, "1", "true", "false"]);
    assertEquals(await deno(["run", "-A", program, "2", "true", "false"]), plain);
  },
});

Deno.test({
  name: "the committed modules are what their source compiles to",
  ignore: turboActive(),
  async fn() {
    for (const [name, bytes] of Object.entries(await build())) {
      const committed = await Deno.readFile(
        new URL(`../../../lib/engine/cpu/${name}`, import.meta.url),
      );
      assert(
        bytes.length === committed.length && bytes.every((byte, i) => byte === committed[i]),
        `${name} is not what assembly/ compiles to: run deno run -A lib/engine/cpu/build.ts`,
      );
    }
  },
});

Deno.test({
  name: "these tests pass with turbo's flags, too",
  ignore: turboActive() || Deno.build.arch !== "x86_64",
  async fn() {
    const file = new URL(import.meta.url).pathname;
    await deno(["test", "-A", "--no-check", file], { DENO_V8_FLAGS: turbo });
  },
});
