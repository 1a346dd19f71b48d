/** Scaled-dot-product attention on the CPU engine: see assembly/fused_attention.ts. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { fitAttention, maskStrides } from "../checks.ts";
import { dropoutFactor } from "../draws.ts";
import type { AttentionOptions } from "../operations.ts";
import { differentiable } from "../tape.ts";
import { drawing, type Draws } from "./dropout.ts";
import { width } from "./matmul.ts";
import {
  alloc,
  at,
  atOrZero,
  computed,
  free,
  grainOf,
  heap,
  output,
  parallel,
  tensor,
  threadCount,
} from "./runtime.ts";

const FORWARD_ROWS = 126; // queries of a block, a multiple of 6
const BACKWARD_ROWS = 66;

/**
 * softmax(scale q k^T) v: see lib/functional.ts. In blocks of queries, whose rows of scores never
 * leave the cache.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): Tensor | undefined {
  const { causal = false, training = true, mask } = options;
  const p = training ? options.dropout_p ?? 0 : 0;
  if (!fitAttention(q, k, v) || !(p >= 0 && p < 1)) return;
  const strides = mask ? maskStrides(q, k, mask) : [0, 0, 0, 0];
  if (strides === undefined) return;
  const [tq, d] = q.shape.slice(-2), [tk, dv] = v.shape.slice(-2);
  const heads = q.size / (tq * d); // of all batches
  const headsOfBatch = q.rank > 3 ? q.shape.at(-3)! : 1;
  const scale = options.scale ?? 1 / Math.sqrt(d);
  const words = Math.ceil(tk / 32);

  // The arguments that both kernels have, and the buffer's.
  const record = (
    rows: number,
    tensors: Tensor[],
    out: number,
    statistics: number,
    bits: number,
    buffer: Buffer,
  ) => [
    ...tensors.map(at),
    ...[out, statistics, tq, tk, d, dv, headsOfBatch, Number(causal), scale],
    ...[atOrZero(mask), ...strides, bits, dropoutFactor(p), width, rows],
    ...[buffer.pointer, buffer.bytes, buffer.free],
  ];

  return differentiable({ q, k, v }, (save) => {
    const rows = Math.min(tq, FORWARD_ROWS);
    const blocks = Math.ceil(tq / rows);
    const statistics = output([heads, tq, 2]);
    const bits = p > 0 ? output([heads * tq * words], "int32") : undefined;
    const y = computed([...q.shape.slice(0, -1), dv], (y) => {
      const run = ({ state, high, low, turn }: Omit<Draws, "factor">) =>
        withBuffer(forwardFloats(rows, tk, d, dv), (buffer) => {
          const args = record(rows, [q, k, v], y, statistics.pointer, bits?.pointer ?? 0, buffer);
          const grain = grainOf(rows * tk * (2 + (d + dv) / 40));
          parallel("attention", [...args, state, high, low, turn], heads * blocks, grain);
        });
      if (bits) drawing(p, run);
      else withTurn((turn) => run({ state: 0, high: 0, low: 0, turn }));
    });
    save([q, k, v, tensor(statistics.info), ...bits ? [tensor(bits.info)] : []]);
    return y;
  }, (dy, [q, k, v, statistics, bits]) => {
    const rows = Math.min(tq, BACKWARD_ROWS);
    const [dq, dk, dvalues] = [q, k, v].map((t) => output(t.shape));
    withBuffer(backwardFloats(rows, tk, d, dv), (buffer) => {
      const args = record(rows, [q, k, v], at(dy), at(statistics), bits ? at(bits) : 0, buffer);
      const grain = grainOf(tq * tk * (3 + (3 * d + 2 * dv) / 40));
      args.push(dq.pointer, dk.pointer, dvalues.pointer);
      parallel("attentionGrad", args, heads, grain);
    });
    const [gq, gk, gv] = [dq, dk, dvalues].map(({ info }) => tensor(info));
    return { q: () => gq, k: () => gk, v: () => gv };
  });
}

// ---- buffers: a part for each thread

interface Buffer {
  pointer: number;
  /** Bytes of a part. */
  bytes: number;
  /** Pointer of a 64-bit word: the parts that no thread has taken. */
  free: number;
}

function withBuffer(floats: number, use: (buffer: Buffer) => void): void {
  const parts = Math.min(64, threadCount());
  const bytes = Math.ceil(floats / 16) * 64;
  const pointer = alloc(64 + parts * bytes, "the attention's buffer");
  const { i32 } = heap();
  i32[pointer / 4] = parts >= 32 ? -1 : 2 ** parts - 1;
  i32[pointer / 4 + 1] = parts <= 32 ? 0 : parts === 64 ? -1 : 2 ** (parts - 32) - 1;
  try {
    use({ pointer: pointer + 64, bytes, free: pointer });
  } finally {
    free(pointer);
  }
}

function withTurn(use: (turn: number) => void): void {
  const turn = alloc(8);
  heap().i32.fill(0, turn / 4, turn / 4 + 2);
  try {
    use(turn);
  } finally {
    free(turn);
  }
}

/** Floats of a part in the kernel `attention`. */
function forwardFloats(rows: number, tk: number, d: number, dv: number): number {
  const [rows6, keys, values] = [up(rows, 6), up(tk, width), up(dv, width)];
  return d * keys + tk * values + rows6 * d + 16 + rows6 * (keys + 16) + rows6 * values;
}

/** Floats of a part in the kernel `attentionGrad`. */
function backwardFloats(rows: number, tk: number, d: number, dv: number): number {
  const [rows6, keys, keys6] = [up(rows, 6), up(tk, width), up(tk, 6)];
  const [dims, values] = [up(d, width), up(dv, width)];
  const packed = (d + dv) * keys + tk * dims;
  const sums = keys6 * (dims + values);
  const block = rows6 * (d + dv) + 32 + rows6 * (dims + values) + rows6 * dims;
  return packed + sums + block + 2 * rows6 * (keys + 16);
}

function up(n: number, multiple: number): number {
  return Math.ceil(n / multiple) * multiple;
}
