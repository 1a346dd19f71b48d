/** The optimisers' updates on the CPU engine: all parameters in one job. */
import { engine, type Scalar, type Tensor } from "@tensorflow/tfjs-core";
import type { AdamSettings, SGDSettings, UpdateEntry } from "../operations.ts";
import { alloc, at, free, heap, output, parallel, tensor } from "./runtime.ts";

const BLOCK = 8192; // as in assembly/fused_optim.ts

/** One tensor in the kernels' table: see assembly/fused_optim.ts. */
type Row = [values: number, gradient: number, a: number, b: number, size: number, number, number];

/**
 * Writes the table of a job, and runs `use` with it; its last arguments are the number of blocks,
 * and how many of them have as many values as a full one: the blocks of small tensors are not worth
 * a thread each.
 */
function withTable<T>(
  rows: Row[],
  use: (table: number, entries: number, blocks: number, full: number) => T,
): T {
  const table = alloc(rows.length * 64);
  const words = heap().f64;
  let block = 0;
  rows.forEach((row, i) => {
    words.set(row, table / 8 + 8 * i);
    words[table / 8 + 8 * i + 7] = block;
    block += Math.ceil(row[4] / BLOCK);
  });
  try {
    const values = rows.reduce((sum, row) => sum + row[4], 0);
    return use(table, rows.length, block, Math.max(1, Math.round(block * BLOCK / values)));
  } finally {
    free(table);
  }
}

/**
 * A step of Adam for all parameters in one pass over memory; see lib/optim.ts for the formula.
 *
 * @param decoupled Whether the weight decay shrinks the parameters themselves, as in AdamW, or adds
 *   to the gradients
 */
export function adamUpdate(
  entries: UpdateEntry[],
  settings: AdamSettings,
  decoupled: boolean,
): true {
  const { lr, betas: [beta1, beta2], eps, weight_decay } = settings;
  const rows = entries.map(({ param, gradient, step, exp_avg, exp_avg_sq }): Row => [
    at(param),
    at(gradient),
    at(exp_avg!),
    at(exp_avg_sq!),
    param.size,
    lr / (1 - beta1 ** step),
    Math.sqrt(1 - beta2 ** step),
  ]);
  const decay = decoupled ? 1 - lr * weight_decay : 1;
  const l2 = decoupled ? 0 : weight_decay;
  withTable(rows, (table, count, blocks, full) => {
    const args = [table, count, 1 - beta1, beta2, 1 - beta2, eps, decay, l2];
    parallel("adam", args, blocks, full);
  });
  return true;
}

/** A step of gradient descent for all parameters in one pass over memory. */
export function sgdUpdate(entries: UpdateEntry[], settings: SGDSettings): true {
  const { lr, momentum, dampening, weight_decay, nesterov } = settings;
  const rows = entries.map(({ param, gradient, step, momentum_buffer }): Row => [
    at(param),
    at(gradient),
    momentum === 0 ? 0 : at(momentum_buffer!),
    0,
    param.size,
    Number(step === 1),
    0,
  ]);
  withTable(rows, (table, count, blocks, full) => {
    const args = [table, count, lr, momentum, 1 - dampening, weight_decay, Number(nesterov)];
    parallel("sgd", args, blocks, full);
  });
  return true;
}

/**
 * Scales gradients so that their norm, taken over all of them, is at most `max`; the norm is the
 * one before.
 */
export function clipGradients(
  gradients: Tensor[],
  max: number,
): { norm: Scalar; gradients: Tensor[] } {
  const norm = output([]);
  // In place where nothing else has the same values: a gradient can be another
  // one's, or the loss's, under a new shape.
  const results = gradients.map((g) => ownsValues(g) ? g : tensor(output(g.shape).info));
  const rows = gradients.map((g, i): Row => [at(results[i]), at(g), 0, 0, g.size, 0, 0]);
  withTable(rows, (table, count, blocks, full) => {
    const sums = alloc(8 * blocks + 8);
    const factor = sums + 8 * blocks;
    parallel("sumSquares", [table, count, sums], blocks, 2 * full);
    parallel("clipFactor", [table, count, sums, blocks, max, norm.pointer, factor], 1, 1);
    parallel("scaleAll", [table, count, factor], blocks, 2 * full);
    free(sums);
  });
  gradients.forEach((g, i) => results[i] !== g && g.dispose());
  return { norm: tensor(norm.info) as Scalar, gradients: results };
}

function ownsValues(t: Tensor): boolean {
  const backend = engine().backend as { refCount?(id: object): number };
  return backend.refCount?.(t.dataId) === 1;
}
