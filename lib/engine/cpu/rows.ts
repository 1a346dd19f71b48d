/** What kernels share that add up the rows of a matrix. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { alloc, at, computed, free, grainOf, parallel } from "./runtime.ts";

/** The rows' division into blocks, each with a partial sum: not more than 64 blocks. */
export function blocksOf(rows: number): { size: number; blocks: number } {
  const size = Math.max(16, Math.ceil(rows / 64));
  return { size, blocks: Math.ceil(rows / size) };
}

/**
 * Adds up partial sums, block after block, so that the order does not depend on the threads.
 *
 * @param partial Pointer of the first block's
 * @param stride Values from one block's to the next's
 */
export function sumPartials(
  partial: number,
  blocks: number,
  columns: number,
  stride: number = columns,
): Tensor {
  return computed([columns], (out) => {
    parallel("sumPartials", [out, partial, blocks, stride], columns, grainOf(blocks));
  });
}

/** Sums over the rows of a matrix of so many columns. */
export function columnSums(x: Tensor, columns: number): Tensor {
  const rows = x.size / columns;
  const { size, blocks } = blocksOf(rows);
  const partial = alloc(blocks * columns * 4);
  const args = [partial, at(x), columns, rows, size];
  parallel("sumRowBlocks", args, blocks, grainOf(size * columns / 4));
  const sums = sumPartials(partial, blocks, columns);
  free(partial);
  return sums;
}
