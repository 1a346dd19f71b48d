/**
 * Single kernels of the CPU engine beside tfjs's JavaScript backend.
 *
 * Run: deno bench -A tests/benchmarks/engine_bench.ts
 * With turbo: DENO_V8_FLAGS=--no-wasm-bounds-checks,--experimental-wasm-revectorize in front of it.
 * `THREADS=1` sets the number of threads. The name says how many operations (GFLOP) or bytes (GB)
 * one iteration is, to be divided by its time.
 */
import * as tf from "@tensorflow/tfjs";
import { threadsReady } from "lib/engine/cpu/runtime.ts";
import { startEngine } from "lib/engine/cpu/start.ts";

const threads = Deno.env.get("THREADS");
await startEngine({ threads: threads === undefined ? undefined : Number(threads) });
await threadsReady();

type Make = () => tf.Tensor;

/** One bench on the engine, and one on tfjs's backend if that does not take too long. */
function compare(group: string, make: () => Make, work: string, plain = true) {
  for (const backend of plain ? ["engine", "cpu"] : ["engine"]) {
    let run: Make | undefined;
    Deno.bench(
      { name: `${group} (${work}): ${backend}`, group, baseline: backend === "engine" },
      async (b) => {
        await tf.setBackend(backend);
        run ??= make();
        for (let i = 0; i < 3; i++) run().dispose(); // compiled, and in the caches
        b.start();
        run().dispose();
        b.end();
      },
    );
  }
}

function random(...shape: number[]): tf.Tensor {
  return tf.keep(tf.randomNormal(shape, 0, 1, "float32", 1));
}

function product(name: string, a: number[], b: number[], transposeA = false, transposeB = false) {
  const k = a[a.length - (transposeA ? 2 : 1)], n = b[b.length - (transposeB ? 2 : 1)];
  const flop = 2 * (tf.util.sizeFromShape(a) / k) * n * k;
  compare(
    `matmul ${name}`,
    () => {
      const [x, y] = [random(...a), random(...b)];
      return () => tf.matMul(x, y, transposeA, transposeB);
    },
    `${(flop / 1e9).toPrecision(3)} GFLOP`,
    flop < 1e8,
  );
}

for (const n of [64, 256, 512, 1024]) product(`${n}`, [n, n], [n, n]);
product("512 NT", [512, 512], [512, 512], false, true);
product("512 TN", [512, 512], [512, 512], true);
product("8192 x 144 x 48", [8192, 48], [48, 144]);
product("48 x 144 x 8192 TN", [8192, 48], [8192, 144], true);
product("192 heads of 128 x 128 x 16 NT", [192, 128, 16], [192, 128, 16], false, true);
product("1 x 768 x 768 NT", [1, 768], [768, 768], false, true);

const large = [8192, 192];
const bytes = (arrays: number) => `${(arrays * 4 * 8192 * 192 / 1e9).toPrecision(3)} GB`;
for (const name of ["neg", "relu", "exp", "log", "tanh", "sigmoid"] as const) {
  compare(name, () => {
    const x = tf.keep(random(...large).abs());
    return () => tf[name](x);
  }, bytes(2));
}
compare("add", () => {
  const x = random(...large), y = random(...large);
  return () => x.add(y);
}, bytes(3));
compare("add a bias", () => {
  const x = random(...large), y = random(192);
  return () => x.add(y);
}, bytes(2));
for (const axis of [0, 1, undefined]) {
  compare(`sum over ${axis ?? "all"}`, () => {
    const x = random(...large);
    return () => x.sum(axis);
  }, bytes(1));
}
compare("transpose 0213", () => {
  const x = random(64, 128, 3, 64);
  return () => x.transpose([0, 2, 1, 3]);
}, bytes(2));
compare("transpose", () => {
  const x = random(...large);
  return () => x.transpose();
}, bytes(2));
compare("gather 8192 rows of 65 x 48", () => {
  const x = random(65, 48);
  const ids = tf.keep(tf.randomUniform([8192], 0, 65, "int32", 1));
  return () => tf.gather(x, ids);
}, "0.0031 GB");

compare("a tiny operation (8 x 8 add)", () => {
  const x = random(8, 8);
  return () => x.add(x);
}, "1 operation");
compare("a tiny product (8 x 8)", () => {
  const x = random(8, 8);
  return () => tf.matMul(x, x);
}, "1 operation");
compare("a tiny gradient (8 x 8 mul)", () => {
  const x = random(8, 8);
  const gradient = tf.grad((x: tf.Tensor) => x.mul(x));
  return () => tf.tidy(() => gradient(x));
}, "1 operation and its gradient");
