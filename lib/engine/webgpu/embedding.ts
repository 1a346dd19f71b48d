/**
 * Rows of a table. The gradient of the table is a sum over the places where a row was used; tfjs
 * adds with atomics, in whatever order the threads come. Here a workgroup owns a row of the table
 * and up to 256 of its columns: it looks through the ids, 256 at a time, and adds the gradients of
 * those that are its own in their order, so that the same seed gives the same numbers.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { fitEmbedding } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { empty, launch, read, u32, unroll, write } from "./runtime.ts";

type Tensor = tf.Tensor;

/** Rows of a table: see lib/functional.ts. */
export function embedding(ids: Tensor, weight: Tensor): Tensor | undefined {
  if (!fitEmbedding(ids, weight)) return;
  return differentiable({ weight }, (save) => {
    save([ids]);
    return lookUp(ids, weight);
  }, (dy, [ids]) => ({ weight: () => gradient(ids, dy, weight.shape as [number, number]) }));
}

function lookUp(ids: Tensor, weight: Tensor): Tensor {
  const [V, C] = weight.shape;
  const y = empty([...ids.shape, C]);
  launch({
    name: "embedding",
    variant: "forward",
    buffers: { ids: read(ids), weight: read(weight), y: write(y) },
    uniforms: { size: u32(y.size), rows: u32(V), columns: u32(C) },
    threads: 256,
    groups: Math.ceil(y.size / 256),
    body: () => `
  if (i < u.size) {
    let row = min(u32(ids[i / u.columns]), u.rows - 1u); // the host checks the ids' range
    y[i] = weight[row * u.columns + i % u.columns];
  }`,
  });
  return y;
}

const threads = 64;

function gradient(ids: Tensor, dy: Tensor, [V, C]: [number, number]): Tensor {
  const perThread = Math.min(4, Math.ceil(C / threads)); // columns
  const blocks = Math.ceil(C / (threads * perThread));
  const dw = empty([V, C]);
  launch({
    name: "embedding",
    variant: `backward ${perThread}`,
    buffers: { ids: read(ids), dy: read(dy), dw: write(dw) },
    uniforms: { count: u32(ids.size), rows: u32(V), columns: u32(C), blocks: u32(blocks) },
    threads,
    groups: V * blocks,
    globals: () => "var<workgroup> own: array<atomic<u32>, 8>; // a bit for each of 256 ids",
    body: () => `
  let row = group / u.blocks;
  let first = (group % u.blocks) * ${threads * perThread}u + t;
  if (row >= u.rows) { return; }
  ${unroll(perThread, (j) => `var sum${j} = 0.0;`)}
  for (var start = 0u; start < u.count; start += 256u) {
    if (t < 8u) { atomicStore(&own[t], 0u); }
    workgroupBarrier();
    for (var k = t; k < 256u; k += ${threads}u) {
      if (start + k < u.count && u32(ids[start + k]) == row) {
        atomicOr(&own[k / 32u], 1u << (k % 32u));
      }
    }
    workgroupBarrier();
    for (var word = 0u; word < 8u; word++) {
      var bits = atomicLoad(&own[word]);
      while (bits != 0u) {
        let at = (start + word * 32u + countTrailingZeros(bits)) * u.columns;
        ${
      unroll(perThread, (j) => `
        if (first + ${j * threads}u < u.columns) { sum${j} += dy[at + first + ${j * threads}u]; }`)
    }
        bits &= bits - 1u;
      }
    }
    workgroupBarrier();
  }
  ${
      unroll(perThread, (j) => `
  if (first + ${j * threads}u < u.columns) { dw[row * u.columns + first + ${
        j * threads
      }u] = sum${j}; }`)
    }`,
  });
  return dw;
}
