/**
 * Computes a little of everything on the engine and prints a digest of the results, byte for byte.
 * tests/lib/engine/cpu_test.ts runs it with several numbers of threads, with and without turbo's flags.
 *
 * Run: deno run -A tests/helpers/engine_digest.ts [threads] [shared] [relaxed]
 */
import * as tf from "@tensorflow/tfjs";
import { threadsReady } from "lib/engine/cpu/runtime.ts";
import { startEngine } from "lib/engine/cpu/start.ts";
import * as F from "lib/functional.ts";
import { torch } from "lib/random.ts";

const [threads = "1", shared = "true", relaxed = "true"] = Deno.args;
await startEngine({
  threads: Number(threads),
  shared: shared === "true",
  relaxed: relaxed === "true",
});
await threadsReady();
await tf.setBackend("engine");

let state = 1;
function random(shape: number[]): tf.Tensor {
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return tf.tensor(values, shape);
}

const results: tf.Tensor[] = [];
for (const [m, n, k] of [[1, 700, 90], [3, 801, 500], [97, 201, 600], [500, 130, 260]]) {
  results.push(
    tf.matMul(random([m, k]), random([k, n])),
    tf.matMul(random([k, m]), random([k, n]), true),
    tf.matMul(random([m, k]), random([n, k]), false, true),
  );
}
results.push(tf.matMul(random([50, 33, 65]), random([50, 65, 47])));
const x = random([300, 1001]);
results.push(x.exp(), x.abs().log(), x.tanh(), x.sigmoid(), x.mul(random([1001])));
results.push(
  x.sum(),
  x.sum(0),
  x.mean(1),
  x.max(1),
  x.min(0),
  x.transpose(),
  x.slice([3, 5], [200, 900]),
);
const ids = tf.randomUniform([5000], 0, 400, "int32", 3);
results.push(tf.unsortedSegmentSum(random([5000, 33]), ids as tf.Tensor1D, 400));
results.push(tf.gather(random([400, 257]), ids));

// Some steps of training.
const w = tf.variable(random([64, 96]).mul(0.1)), v = tf.variable(random([96, 64]).mul(0.1));
const optimizer = tf.train.adam(0.01);
const input = random([512, 64]);
for (let step = 0; step < 5; step++) {
  const loss = optimizer.minimize(() => {
    const h = tf.matMul(input, w as tf.Tensor2D).tanh();
    return tf.matMul(h, v as tf.Tensor2D).sub(input).square().mean() as tf.Scalar;
  }, true)!;
  results.push(loss);
}
results.push(w, v);

// The fused operations, with their gradients.
function both(call: (...x: tf.Tensor[]) => tf.Tensor, ...shapes: number[][]) {
  const inputs = shapes.map(random);
  const weighted = (...x: tf.Tensor[]) => call(...x).mul(0.37).sin().sum() as tf.Scalar;
  const { value, grads } = tf.valueAndGrads(weighted)(inputs);
  results.push(value, ...grads);
}
torch.manualSeed(5);
const heads = [4, 3, 140, 16];
for (const causal of [true, false]) {
  both(
    (q, k, v) => F.scaledDotProductAttention(q, k, v, { causal, dropout_p: 0.2 }),
    ...[heads, heads, heads],
  );
}
both((x) => F.dropout(x, 0.3), [333, 77]);
both((x, w, b) => F.layerNorm(x, w, b), [999, 77], [77], [77]);
both((x, w) => F.rmsNorm(x, w), [999, 77], [77]);
both((x, w, b) => F.linear(x, w, b), [999, 77], [130, 77], [130]);
both((x) => F.gelu(x), [999, 77]);
both((x) => F.gelu(x, "tanh"), [999, 77]);
both((x) => F.softmax(x), [999, 77]);
both((x) => F.logSoftmax(x), [999, 77]);
const classes = tf.tensor(torch.randint(999, 0, 77).map(Number), [999], "int32");
both((x) => F.crossEntropy(x, classes, { label_smoothing: 0.1 }), [999, 77]);
both((w) => F.embedding(classes, w), [77, 130]);
results.push(tf.tensor(torch.rand(2)));

const bytes = results.map((t) => new Uint8Array(t.dataSync().buffer as ArrayBuffer));
const digest = await crypto.subtle.digest("SHA-256", await new Blob(bytes).arrayBuffer());
console.log(new Uint8Array(digest).toHex());
