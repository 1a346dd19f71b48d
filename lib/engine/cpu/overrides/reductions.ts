/** Sums, means and extremes along axes; sums of the rows that belong together. */
import {
  Max,
  Mean,
  Min,
  Sum,
  type TensorInfo,
  UnsortedSegmentSum,
  util,
} from "@tensorflow/tfjs-core";
import type { Override } from "../../overrides.ts";
import { alloc, at, free, heap, output, parallel } from "../runtime.ts";
import { ELEMENTS, type Inputs, size } from "./shapes.ts";

/** The kernels, by tfjs's names. */
export const reductions: Record<string, Override> = {
  [Sum]: ({ x }: Inputs, attrs) => sum(x, attrs, false),
  [Mean]: ({ x }: Inputs, attrs) => sum(x, attrs, true),
  [Max]: ({ x }: Inputs, attrs) => extreme(x, attrs, 1),
  [Min]: ({ x }: Inputs, attrs) => extreme(x, attrs, -1),
  [UnsortedSegmentSum]: segmentSum,
};

interface ReductionAttrs {
  axis?: number | number[];
  keepDims: boolean;
  reductionIndices?: number | number[];
}

/** The axes as one: x is (outer, count, inner). Undefined if they lie apart. */
function reduction(x: TensorInfo, axis: number | number[] | undefined, keepDims: boolean) {
  const axes = util.parseAxisParam(axis ?? x.shape.map((_, i) => i), x.shape).sort((a, b) => a - b);
  // Dimensions of 1 do not matter.
  const real = axes.filter((i) => x.shape[i] !== 1);
  const first = real[0] ?? 0, last = real.at(-1) ?? -1;
  for (let i = first; i <= last; i++) {
    if (x.shape[i] !== 1 && !real.includes(i)) return;
  }
  const shape = keepDims
    ? x.shape.map((n, i) => axes.includes(i) ? 1 : n)
    : x.shape.filter((_, i) => !axes.includes(i));
  return {
    shape,
    outer: size(x.shape.slice(0, first)),
    count: size(x.shape.slice(first, last + 1)),
    inner: size(x.shape.slice(Math.max(first, last + 1))),
  };
}

const BLOCK = 2048; // of sumBlocks

function sum(x: TensorInfo, attrs: ReductionAttrs, mean: boolean): TensorInfo | undefined {
  if (x.dtype !== "float32") return;
  const parts = reduction(x, attrs.axis, attrs.keepDims);
  if (parts === undefined) return;
  const { shape, outer, count, inner } = parts;
  const { info, pointer } = output(shape);
  const factor = mean ? 1 / count : 1;
  const from = at(x);
  if (inner === 1 && outer === 1 && count > 4 * BLOCK) {
    const blocks = Math.ceil(count / BLOCK);
    const partial = alloc(8 * blocks);
    parallel("sumBlocks", [partial, from, count], blocks, 16);
    const { f32, f64 } = heap();
    let total = 0;
    for (let i = 0; i < blocks; i++) total += f64[partial / 8 + i];
    f32[pointer / 4] = total * factor;
    free(partial);
  } else if (inner === 1) {
    const grain = Math.ceil(2 * ELEMENTS / (count + 16));
    parallel("sumRows", [pointer, from, count, factor], outer, grain);
  } else {
    const rows = 128; // of a partial sum
    const blocks = Math.max(1, Math.ceil(count / rows));
    const grain = (rows: number) => Math.ceil(ELEMENTS / (rows * inner + 16));
    if (blocks === 1) {
      const args = [pointer, from, count, inner, count, 1, factor];
      parallel("sumColumns", args, outer, grain(count));
    } else {
      const partial = alloc(4 * outer * blocks * inner);
      const args = [partial, from, count, inner, rows, blocks, 1];
      parallel("sumColumns", args, outer * blocks, grain(rows));
      const last = [pointer, partial, blocks, inner, blocks, 1, factor];
      parallel("sumColumns", last, outer, grain(blocks));
      free(partial);
    }
  }
  return info;
}

function extreme(x: TensorInfo, attrs: ReductionAttrs, sign: number): TensorInfo | undefined {
  if (x.dtype !== "float32") return;
  const parts = reduction(x, attrs.reductionIndices ?? attrs.axis, attrs.keepDims);
  if (parts === undefined) return;
  const { shape, outer, count, inner } = parts;
  const { info, pointer } = output(shape);
  const grain = Math.ceil(ELEMENTS / (count * inner + 16));
  if (inner === 1) parallel("maxRows", [pointer, at(x), count, sign], outer, grain);
  else parallel("maxColumns", [pointer, at(x), count, inner, sign], outer, grain);
  return info;
}

function segmentSum(
  { x, segmentIds }: Inputs,
  { numSegments }: { numSegments: number },
): TensorInfo | undefined {
  if (x.dtype !== "float32" || segmentIds.dtype !== "int32") return;
  if (segmentIds.shape.length !== 1) return;
  const row = x.shape.slice(1);
  const { info, pointer } = output([numSegments, ...row]);
  const width = size(row), count = segmentIds.shape[0];
  // Each chunk reads all ids: at most a few chunks a thread.
  const grain = Math.max(1, Math.ceil(numSegments / 16), ELEMENTS / (width + 1) | 0);
  parallel("segmentSum", [pointer, at(x), at(segmentIds), count, width], numSegments, grain);
  return info;
}
