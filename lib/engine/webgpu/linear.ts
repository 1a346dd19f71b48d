/**
 * x W^T + b. Forward and the input's gradient are tfjs's matrix product, with the bias added in the same kernel. The
 * gradients of weight and bias are sums over all rows, of which there are thousands, into few elements; tfjs adds the
 * pieces with atomics, in any order. Here workgroups each take a tile of the weight and a part of the rows (dy^T x
 * through workgroup memory, up to 4 x 4 elements a thread; the bias goes along with the first tile), and a second
 * kernel adds the parts in order.
 */
import * as tf from "@tensorflow/tfjs-core";
import * as F from "../../functional.ts";
import { differentiable, empty, launch, read, u32, unroll, write } from "./launch.ts";
import { sumParts } from "./rows.ts";

type Tensor = tf.Tensor;

/** See lib/functional.ts. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [out, features] = weight.shape;
  const tensors = [x, weight, ...bias ? [bias] : []];
  if (
    x.shape.at(-1) !== features || weight.rank !== 2 || (bias && bias.size !== out) ||
    (bias && bias.rank !== 1) || tensors.some((t) => t.size === 0 || t.dtype !== "float32")
  ) return F.linear.reference(x, weight, bias);
  return differentiable({ x, weight, ...bias && { bias } }, (save) => {
    save([x, weight]);
    const y: Tensor = tf.engine().runKernel("_FusedMatMul", {
      a: tf.reshape(x, [-1, features]),
      b: weight,
      ...bias && { bias },
    }, { transposeA: false, transposeB: true, activation: "linear" });
    return tf.reshape(y, [...x.shape.slice(0, -1), out]);
  }, (dy, [x, weight]) => {
    const rows = tf.reshape(dy, [-1, out]) as tf.Tensor2D;
    const { dw, db } = weightGradients(rows, tf.reshape(x, [-1, features]));
    return {
      x: () => tf.reshape(tf.matMul(rows, weight as tf.Tensor2D), x.shape),
      weight: () => dw,
      bias: () => db,
    };
  });
}

/** Rows that are in workgroup memory at once. */
const depth = 16;
/** As many workgroups keep a large card busy. */
const enoughGroups = 512;

/** dy^T x and the sum of dy over its rows: dy (N, out), x (N, in) -> (out, in), (out). */
function weightGradients(dy: Tensor, x: Tensor): { dw: Tensor; db: Tensor } {
  const [N, out] = dy.shape, features = x.shape[1]!;
  // A thread of 16 x 16 has 1, 2 or 4 elements each way.
  const perThread = (size: number) => size <= 16 ? 1 : size <= 32 ? 2 : 4;
  const m = perThread(out), n = perThread(features);
  const tilesM = Math.ceil(out / (16 * m)), tilesN = Math.ceil(features / (16 * n));
  const wanted = Math.ceil(enoughGroups / (tilesM * tilesN));
  const turns = Math.max(4, Math.ceil(N / depth / wanted)); // of `depth` rows, in each part
  const parts = Math.ceil(N / (depth * turns));
  const dw = empty([parts, out, features]), db = empty([parts, out]);
  launch({
    name: "linear",
    variant: `${m} ${n}`,
    buffers: { dy: read(dy), x: read(x), dw: write(dw), db: write(db) },
    uniforms: {
      rows: u32(N),
      outputs: u32(out),
      inputs: u32(features),
      tiles_n: u32(tilesN),
      tiles: u32(tilesM * tilesN),
      turns: u32(turns),
      parts: u32(parts),
    },
    threads: 256,
    groups: tilesM * tilesN * parts,
    globals: () => `
var<workgroup> tile_dy: array<f32, ${depth * 16 * m}>; // (depth, 16 m)
var<workgroup> tile_x: array<f32, ${depth * 16 * n}>; // (depth, 16 n)`,
    body: () => {
      const load = (name: string, from: string, size: string, per: number, first: string) =>
        unroll(per, (j) => `
    {
      let at = t + ${256 * j}u;
      let row = start + at / ${16 * per}u;
      let column = ${first} + at % ${16 * per}u;
      var value = 0.0;
      if (row < u.rows && column < ${size}) { value = ${from}[row * ${size} + column]; }
      ${name}[at] = value;
    }`);
      const pairs = (line: (a: number, b: number) => string) =>
        unroll(m, (a) => unroll(n, (b) => line(a, b)));
      return `
  let part = group / u.tiles;
  if (part >= u.parts) { return; }
  let tile = group % u.tiles;
  let first_o = (tile / u.tiles_n) * ${16 * m}u;
  let first_i = (tile % u.tiles_n) * ${16 * n}u;
  let tm = t / 16u;
  let tn = t % 16u;
  ${pairs((a, b) => `var sum${a}_${b} = 0.0;`)}
  ${unroll(m, (a) => `var bias${a} = 0.0;`)}
  for (var turn = 0u; turn < u.turns; turn++) {
    let start = (part * u.turns + turn) * ${depth}u;
    ${load("tile_dy", "dy", "u.outputs", m, "first_o")}
    ${load("tile_x", "x", "u.inputs", n, "first_i")}
    workgroupBarrier();
    for (var k = 0u; k < ${depth}u; k++) {
      ${
        unroll(m, (a) =>
          `let d${a} = tile_dy[k * ${16 * m}u + tm + ${16 * a}u]; bias${a} += d${a};`)
      }
      ${unroll(n, (b) => `let x${b} = tile_x[k * ${16 * n}u + tn + ${16 * b}u];`)}
      ${pairs((a, b) => `sum${a}_${b} += d${a} * x${b};`)}
    }
    workgroupBarrier();
  }
  ${
        unroll(m, (a) => `
  {
    let o = first_o + tm + ${16 * a}u;
    if (o < u.outputs) {
      ${
          unroll(n, (b) => `
      {
        let f = first_i + tn + ${16 * b}u;
        if (f < u.inputs) { dw[(part * u.outputs + o) * u.inputs + f] = sum${a}_${b}; }
      }`)
        }
      if (tn == 0u && first_i == 0u) { db[part * u.outputs + o] = bias${a}; }
    }
  }`)
      }`;
    },
  });
  if (parts === 1) return { dw: tf.reshape(dw, [out, features]), db: tf.reshape(db, [out]) };
  const [sumW, sumB] = sumParts([dw, db]);
  return { dw: sumW, db: sumB };
}
