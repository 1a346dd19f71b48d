/** Other shapes and orders of the same values; parts of tensors, and tensors put together. */
import {
  backend_util,
  Concat,
  ExpandDims,
  GatherV2,
  Identity,
  Pack,
  Reshape,
  Slice,
  slice_util,
  SplitV,
  type TensorInfo,
  Tile,
  Transpose,
  util,
} from "@tensorflow/tfjs-core";
import type { Override } from "../../overrides.ts";
import { alias, at, type EngineType, heap, output, parallel } from "../runtime.ts";
import { bytesOf, collapse, inMemory, type Inputs, sameShape, size, stridesOf } from "./shapes.ts";

/** The kernels, by tfjs's names. */
export const copies: Record<string, Override> = {
  [Identity]: ({ x }: Inputs) => {
    if (inMemory(x)) return alias(x, x.shape);
  },
  [Reshape]: reshape,
  [ExpandDims]: ({ input }: Inputs, { dim }: { dim: number }) => {
    if (!inMemory(input)) return;
    const shape = input.shape.slice();
    shape.splice(dim < 0 ? input.shape.length + dim + 1 : dim, 0, 1);
    return alias(input, shape);
  },
  [Transpose]: ({ x }: Inputs, { perm }: { perm: number[] }) => transpose(x, perm),
  [Slice]: ({ x }: Inputs, attrs) => {
    if (!inMemory(x) || x.shape.length > 5) return;
    const whole = { shape: x.shape } as Whole;
    const [begin, shape] = slice_util.parseSliceParams(whole, attrs.begin, attrs.size);
    slice_util.assertParamsValid(whole, begin, shape);
    return slice(x, begin, shape);
  },
  [SplitV]: split,
  [Concat]: concatenate,
  [Pack]: pack,
  [Tile]: tile,
  [GatherV2]: gather,
};

/** tfjs's helpers want a Tensor, but read its shape only. */
type Whole = Parameters<typeof slice_util.parseSliceParams>[0];

// ---- the same values, in the same place

function reshape({ x }: Inputs, { shape }: { shape: number[] }): TensorInfo | undefined {
  if (!inMemory(x)) return;
  const count = size(x.shape);
  const target = util.inferFromImplicitShape(shape, count);
  if (size(target) !== count) {
    throw new TypeError(
      `Cannot reshape a tensor of shape [${x.shape}] to [${target}]: it has ${count} elements`,
    );
  }
  return alias(x, target);
}

// ---- copies with strides

/**
 * Copies x to out, `shape` elements, each side with strides of its own (in elements). Returns false
 * if it has too many dimensions.
 */
function copyElements(
  out: number,
  outStrides: readonly number[],
  x: number,
  xStrides: readonly number[],
  shape: readonly number[],
  bytes: number,
): boolean {
  if (size(shape) === 0) return true;
  const { dims, steps: [outSteps, xSteps] } = collapse(shape, [outStrides, xStrides]);
  let run = bytes;
  if (dims.length > 0 && outSteps.at(-1) === 1 && xSteps.at(-1) === 1) {
    run *= dims.pop()!;
    outSteps.pop();
    xSteps.pop();
  }
  if (dims.length > 5) return false;
  const total = size(dims);
  while (dims.length < 5) {
    dims.unshift(1);
    outSteps.unshift(0);
    xSteps.unshift(0);
  }
  // One long run is divided, so that all threads copy.
  if (total === 1 && run > 65536 && run % 4096 === 0) {
    dims[4] = run / 4096;
    outSteps[4] = xSteps[4] = 4096 / bytes;
    parallel("copyStrided", copyArgs(out, x, 4096, dims, outSteps, xSteps, bytes), dims[4], 32);
    return true;
  }
  const grain = Math.ceil(100_000 / (run + 32));
  parallel("copyStrided", copyArgs(out, x, run, dims, outSteps, xSteps, bytes), total, grain);
  return true;
}

function copyArgs(
  out: number,
  x: number,
  run: number,
  dims: number[],
  outSteps: number[],
  xSteps: number[],
  bytes: number,
): number[] {
  return [
    ...[out, x, run, ...dims],
    ...outSteps.map((step) => step * bytes),
    ...xSteps.map((step) => step * bytes),
  ];
}

function transpose(x: TensorInfo, perm: number[]): TensorInfo | undefined {
  if (!inMemory(x)) return;
  const shape = perm.map((axis) => x.shape[axis]);
  const { info, pointer } = output(shape, x.dtype as EngineType);
  const own = stridesOf(x.shape);
  const strides = perm.map((axis) => own[axis]);
  // A batch of plain matrices has a kernel of its own.
  const { dims, steps: [steps] } = collapse(shape, [strides]);
  const d = dims.length;
  if (
    bytesOf(x.dtype) === 4 && size(shape) > 0 && (d === 2 || d === 3) &&
    steps[d - 2] === 1 && steps[d - 1] === dims[d - 2] &&
    (d === 2 || steps[0] === dims[1] * dims[2])
  ) {
    const batch = d === 3 ? dims[0] : 1;
    const rows = dims[d - 1], columns = dims[d - 2];
    const blocks = Math.ceil(columns / 32);
    const grain = Math.ceil(8192 / (32 * rows));
    parallel("transposeMatrix", [pointer, at(x), rows, columns, blocks], batch * blocks, grain);
    return info;
  }
  if (copyElements(pointer, stridesOf(shape), at(x), strides, shape, bytesOf(x.dtype))) return info;
  throw new TypeError(`Cannot transpose a tensor of ${x.shape.length} dimensions by [${perm}]`);
}

// ---- parts

function slice(x: TensorInfo, begin: number[], shape: number[]): TensorInfo {
  const strides = stridesOf(x.shape);
  const bytes = bytesOf(x.dtype);
  const { info, pointer } = output(shape, x.dtype as EngineType);
  const first = begin.reduce((sum, index, i) => sum + index * strides[i], 0);
  const from = at(x) + first * bytes;
  copyElements(pointer, stridesOf(shape), from, strides, shape, bytes);
  return info;
}

function split({ x }: Inputs, attrs: { axis: number; numOrSizeSplits: number | number[] }) {
  if (!inMemory(x) || x.shape.length > 5) return;
  const axis = util.parseAxisParam(attrs.axis, x.shape)[0];
  const whole = { shape: x.shape } as Whole;
  const sizes = backend_util.prepareSplitSize(whole, attrs.numOrSizeSplits, axis);
  const begin = x.shape.map(() => 0);
  return sizes.map((count) => {
    const part = slice(x, begin, x.shape.map((n, i) => i === axis ? count : n));
    begin[axis] += count;
    return part;
  });
}

function gather(
  { x, indices }: Inputs,
  { axis, batchDims = 0 }: { axis: number; batchDims?: number },
): TensorInfo | undefined {
  if (!inMemory(x) || indices.dtype !== "int32" || batchDims !== 0) return;
  const along = util.parseAxisParam(axis, x.shape)[0];
  const ids = at(indices) / 4, count = size(indices.shape);
  const rows = x.shape[along];
  const { i32 } = heap();
  for (let i = 0; i < count; i++) {
    if (i32[ids + i] < 0 || i32[ids + i] >= rows) {
      throw new RangeError(
        `Cannot gather index ${i32[ids + i]}: the axis of shape [${x.shape}] has ${rows} rows`,
      );
    }
  }
  const before = x.shape.slice(0, along), after = x.shape.slice(along + 1);
  const outer = size(before), bytes = size(after) * bytesOf(x.dtype);
  const { info, pointer } = output([...before, ...indices.shape, ...after], x.dtype as EngineType);
  const args = [pointer, at(x), 4 * ids, count, rows, bytes];
  parallel("gatherRows", args, outer * count, Math.ceil(100_000 / (bytes + 32)));
  return info;
}

// ---- tensors put together

// Puts tensors side by side along `axis` (their shapes may differ there).
function concat(tensors: TensorInfo[], axis: number): TensorInfo {
  const shape = tensors[0].shape.slice();
  shape[axis] = tensors.reduce((sum, { shape }) => sum + shape[axis], 0);
  const bytes = bytesOf(tensors[0].dtype);
  const { info, pointer } = output(shape, tensors[0].dtype as EngineType);
  const strides = stridesOf(shape);
  let offset = 0;
  for (const x of tensors) {
    const to = pointer + offset * strides[axis] * bytes;
    copyElements(to, strides, at(x), stridesOf(x.shape), x.shape, bytes);
    offset += x.shape[axis];
  }
  return info;
}

function concatenate(inputs: TensorInfo[], attrs: { axis: number }): TensorInfo | undefined {
  const [first] = inputs;
  if (!inMemory(first) || inputs.some((x) => x.dtype !== first.dtype)) return;
  if (first.shape.length > 5) return;
  const axis = util.parseAxisParam(attrs.axis, first.shape)[0];
  backend_util.assertParamsConsistent(inputs.map(({ shape }) => shape), axis);
  return concat(inputs, axis);
}

function pack(inputs: TensorInfo[], { axis }: { axis: number }): TensorInfo | undefined {
  const [first] = inputs;
  if (!inMemory(first) || first.shape.length > 4) return;
  if (inputs.some((x) => x.dtype !== first.dtype || !sameShape(x.shape, first.shape))) return;
  const position = axis < 0 ? first.shape.length + 1 + axis : axis;
  const rows = inputs.map((x) => ({ ...x, shape: x.shape.toSpliced(position, 0, 1) }));
  return concat(rows, position);
}

function tile({ x }: Inputs, { reps }: { reps: number[] }): TensorInfo | undefined {
  if (!inMemory(x) || x.shape.length > 3) return;
  // (r0, n0, r1, n1, ...): the repetitions are dimensions of stride 0.
  const own = stridesOf(x.shape);
  const shape = x.shape.flatMap((n, i) => [reps[i], n]);
  const strides = x.shape.flatMap((_, i) => [0, own[i]]);
  const { info, pointer } = output(x.shape.map((n, i) => n * reps[i]), x.dtype as EngineType);
  const bytes = bytesOf(x.dtype);
  if (copyElements(pointer, stridesOf(shape), at(x), strides, shape, bytes)) return info;
}
