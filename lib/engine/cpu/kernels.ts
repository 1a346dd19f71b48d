/** The tfjs kernels that the engine replaces, with tfjs's semantics. */
import {
  _FusedMatMul,
  Abs,
  Add,
  AddN,
  backend_util,
  BatchMatMul,
  Cast,
  Concat,
  copyRegisteredKernels,
  type DataType,
  Exp,
  ExpandDims,
  Fill,
  GatherV2,
  getKernel,
  Identity,
  type KernelFunc,
  Log,
  Max,
  Maximum,
  Mean,
  Min,
  Minimum,
  Multiply,
  Neg,
  OnesLike,
  Pack,
  RealDiv,
  Reciprocal,
  registerKernel,
  Relu,
  Relu6,
  Reshape,
  Rsqrt,
  Select,
  Sigmoid,
  Slice,
  slice_util,
  SplitV,
  Sqrt,
  Square,
  SquaredDifference,
  Step,
  Sub,
  Sum,
  Tanh,
  type TensorInfo,
  Tile,
  Transpose,
  unregisterKernel,
  UnsortedSegmentSum,
  util,
  ZerosLike,
} from "@tensorflow/tfjs-core";
import type { EngineBackend, EngineType } from "./backend.ts";
import { alloc, at, free, heap, output, parallel } from "./index.ts";
import { type Epilogue, matmul, type Matrices } from "./matmul.ts";

type Inputs = Record<string, TensorInfo>;

// Items that take about 10 microseconds.
const ELEMENTS = 16384; // reading and writing an element
const FUNCTIONS = 4096; // exp, log, ... of an element

type Implementation = (
  // deno-lint-ignore no-explicit-any
  inputs: any,
  // deno-lint-ignore no-explicit-any
  attrs: any,
  backend: EngineBackend,
) => TensorInfo | TensorInfo[] | undefined;

/**
 * Registers kernel `name` for the backend "engine". Where the implementation
 * returns undefined (a data type, say, that it does not do), the inherited
 * kernel runs.
 */
function register(name: string, implementation: Implementation) {
  const inherited = getKernel(name, "cpu").kernelFunc;
  const kernelFunc: KernelFunc = (params) =>
    implementation(params.inputs, params.attrs, params.backend as EngineBackend) ??
      inherited(params);
  unregisterKernel(name, "engine");
  registerKernel({ kernelName: name, backendName: "engine", kernelFunc });
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function size(shape: readonly number[]): number {
  let product = 1;
  for (let i = 0; i < shape.length; i++) product *= shape[i];
  return product;
}

/** Row-major strides in elements. */
function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let i = shape.length - 1, stride = 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

// ---- one operand

function registerUnary(name: string, grain: number) {
  const kernel = `unary${name}`;
  register(name, ({ x }: Inputs, attrs) => {
    if (x.dtype !== "float32") return;
    if (name === Step && attrs.alpha !== 0) return;
    const { info, pointer } = output(x.shape);
    parallel(kernel, [pointer, at(x)], size(x.shape), grain);
    return info;
  });
}

// ---- two operands

/**
 * Merges the dimensions of a broadcast until each step from one to the next is
 * a real one. Strides are 0 where an operand is repeated.
 */
function collapse(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
): { dims: number[]; steps: number[][] } {
  const dims: number[] = [];
  const steps: number[][] = strides.map(() => []);
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 1) continue;
    const merges = dims.length > 0 &&
      strides.every((stride, s) => stride[i] === steps[s][0] * dims[0]);
    if (merges) dims[0] *= shape[i];
    else {
      dims.unshift(shape[i]);
      strides.forEach((stride, s) => steps[s].unshift(stride[i]));
    }
  }
  return { dims, steps };
}

/** The strides of an operand that is broadcast to `shape`. */
function broadcastStrides(own: readonly number[], shape: readonly number[]): number[] {
  const strides = stridesOf(own);
  const missing = shape.length - own.length;
  return shape.map((_, i) => i < missing || own[i - missing] === 1 ? 0 : strides[i - missing]);
}

function registerBinary(name: string, operation: string) {
  const flat = `binary${operation}Flat`, rows = `binary${operation}Rows`;
  register(name, ({ a, b }: Inputs) => {
    if (a.dtype !== "float32" || b.dtype !== "float32") return;
    if (sameShape(a.shape, b.shape)) {
      const { info, pointer } = output(a.shape);
      parallel(flat, [pointer, at(a), 4, at(b), 4], size(a.shape), ELEMENTS);
      return info;
    }
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const count = size(shape);
    const { dims, steps: [aStep, bStep] } = collapse(shape, [
      broadcastStrides(a.shape, shape),
      broadcastStrides(b.shape, shape),
    ]);
    if (dims.length > 3) return;
    const { info, pointer } = output(shape);
    if (dims.length <= 1) {
      const aStride = 4 * (aStep[0] ?? 0), bStride = 4 * (bStep[0] ?? 0);
      parallel(flat, [pointer, at(a), aStride, at(b), bStride], count, ELEMENTS);
      return info;
    }
    if (dims.length === 2) {
      dims.unshift(1);
      aStep.unshift(0);
      bStep.unshift(0);
    }
    // deno-fmt-ignore
    const args = [
      pointer, at(a), 4 * aStep[2], at(b), 4 * bStep[2], dims[1], dims[2],
      4 * aStep[0], 4 * aStep[1], 4 * bStep[0], 4 * bStep[1],
    ];
    parallel(rows, args, dims[0] * dims[1], Math.ceil(ELEMENTS / (dims[2] + 16)));
    return info;
  });
}

// ---- matrix products

function matrices(x: TensorInfo, transposed: boolean): Matrices {
  const rank = x.shape.length;
  const rows = x.shape[rank - 2], columns = x.shape[rank - 1];
  const batches = size(x.shape.slice(0, -2));
  return {
    pointer: at(x),
    batch: batches === 1 ? 0 : rows * columns,
    row: transposed ? 1 : columns,
    column: transposed ? columns : 1,
  };
}

function multiply(
  a: TensorInfo,
  b: TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
  epilogue?: Epilogue,
): TensorInfo | undefined {
  if (a.dtype !== "float32" || b.dtype !== "float32") return;
  const rankA = a.shape.length, rankB = b.shape.length;
  const m = a.shape[rankA - (transposeA ? 1 : 2)], k = a.shape[rankA - (transposeA ? 2 : 1)];
  const n = b.shape[rankB - (transposeB ? 2 : 1)], kB = b.shape[rankB - (transposeB ? 1 : 2)];
  const outerA = a.shape.slice(0, -2), outerB = b.shape.slice(0, -2);
  const batchA = size(outerA), batchB = size(outerB);
  if (k !== kB || k === 0) return;
  if (!sameShape(outerA, outerB) && batchA !== 1 && batchB !== 1) return;
  const outer = backend_util.assertAndGetBroadcastShape(outerA, outerB);
  const { info, pointer } = output([...outer, m, n]);
  const batch = Math.max(batchA, batchB);
  if (m === 0 || n === 0 || batchA === 0 || batchB === 0) return info;
  const out = { pointer, batch: m * n, row: n, column: 1 };
  matmul(out, matrices(a, transposeA), matrices(b, transposeB), m, n, k, batch, epilogue);
  return info;
}

// ---- copies

/**
 * Copies x to out, `shape` elements, each side with strides of its own (in
 * elements). Returns false if it has too many dimensions.
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

function bytesOf(dtype: DataType): number {
  return dtype === "bool" ? 1 : 4;
}

function inMemory(...tensors: TensorInfo[]): boolean {
  return tensors.every(({ dtype }) => dtype === "float32" || dtype === "int32" || dtype === "bool");
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

function slice(x: TensorInfo, begin: number[], shape: number[]): TensorInfo {
  const strides = stridesOf(x.shape);
  const bytes = bytesOf(x.dtype);
  const { info, pointer } = output(shape, x.dtype as EngineType);
  const first = begin.reduce((sum, index, i) => sum + index * strides[i], 0);
  const from = at(x) + first * bytes;
  copyElements(pointer, stridesOf(shape), from, strides, shape, bytes);
  return info;
}

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

// ---- reductions

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

interface ReductionAttrs {
  axis?: number | number[];
  keepDims: boolean;
  reductionIndices?: number | number[];
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

// ---- filling

function fill(shape: number[], dtype: DataType, value: number): TensorInfo | undefined {
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") return;
  const { info, pointer } = output(shape, dtype);
  const count = size(shape);
  const { u8, f32, i32 } = heap();
  if (dtype === "bool") u8.fill(value, pointer, pointer + count);
  else if (count < 256) {
    if (dtype === "float32") f32.fill(value, pointer / 4, pointer / 4 + count);
    else i32.fill(value, pointer / 4, pointer / 4 + count);
  } else {
    const bits = dtype === "int32"
      ? value | 0
      : new Int32Array(new Float32Array([value]).buffer)[0];
    parallel("fillWords", [pointer, bits], count, 2 * ELEMENTS);
  }
  return info;
}

/** Registers all kernels; the backend must be registered already. */
export function registerEngineKernels(): void {
  copyRegisteredKernels("cpu", "engine");

  for (const name of [Neg, Abs, Square, Sqrt, Rsqrt, Reciprocal, Relu, Relu6, Step]) {
    registerUnary(name, ELEMENTS);
  }
  for (const name of [Exp, Log, Sigmoid, Tanh]) registerUnary(name, FUNCTIONS);
  registerBinary(Add, "Add");
  registerBinary(Sub, "Sub");
  registerBinary(Multiply, "Mul");
  registerBinary(RealDiv, "Div");
  registerBinary(Maximum, "Max");
  registerBinary(Minimum, "Min");
  registerBinary(SquaredDifference, "SquaredDifference");

  register(
    BatchMatMul,
    ({ a, b }: Inputs, { transposeA, transposeB }) => multiply(a, b, transposeA, transposeB),
  );
  register(_FusedMatMul, ({ a, b, bias }: Inputs, attrs) => {
    const { transposeA, transposeB, activation } = attrs;
    if (activation !== "linear" && activation !== "relu" && activation !== "sigmoid") return;
    const n = b.shape[b.shape.length - (transposeB ? 2 : 1)];
    if (bias !== undefined && (bias.dtype !== "float32" || size(bias.shape) !== n)) return;
    return multiply(a, b, transposeA, transposeB, {
      bias: bias === undefined ? undefined : at(bias),
      activation,
    });
  });

  register(Identity, ({ x }: Inputs, _, backend) => {
    if (inMemory(x)) return backend.alias(x, x.shape);
  });
  register(Reshape, ({ x }: Inputs, { shape }: { shape: number[] }, backend) => {
    if (!inMemory(x)) return;
    const count = size(x.shape);
    const target = util.inferFromImplicitShape(shape, count);
    if (size(target) !== count) {
      throw new TypeError(
        `Cannot reshape a tensor of shape [${x.shape}] to [${target}]: it has ${count} elements`,
      );
    }
    return backend.alias(x, target);
  });
  register(ExpandDims, ({ input }: Inputs, { dim }: { dim: number }, backend) => {
    if (!inMemory(input)) return;
    const shape = input.shape.slice();
    shape.splice(dim < 0 ? input.shape.length + dim + 1 : dim, 0, 1);
    return backend.alias(input, shape);
  });
  register(Cast, ({ x }: Inputs, { dtype }: { dtype: DataType }, backend) => {
    if (!inMemory(x)) return;
    if (dtype === x.dtype) return backend.alias(x, x.shape);
    if (x.dtype === "bool" && dtype === "int32") { // tfjs's own cast keeps the bytes
      const { info, pointer } = output(x.shape, "int32");
      const count = size(x.shape), from = at(x);
      heap().i32.set(heap().u8.subarray(from, from + count), pointer / 4);
      return info;
    }
    if (dtype !== "float32") return;
    const { info, pointer } = output(x.shape);
    const kernel = x.dtype === "int32" ? "intToFloat" : "boolToFloat";
    parallel(kernel, [pointer, at(x)], size(x.shape), ELEMENTS);
    return info;
  });

  register(Transpose, ({ x }: Inputs, { perm }: { perm: number[] }) => transpose(x, perm));
  register(Slice, ({ x }: Inputs, attrs) => {
    if (!inMemory(x) || x.shape.length > 5) return;
    const [begin, shape] = slice_util.parseSliceParams(
      { shape: x.shape } as Parameters<typeof slice_util.parseSliceParams>[0],
      attrs.begin,
      attrs.size,
    );
    slice_util.assertParamsValid(
      { shape: x.shape } as Parameters<typeof slice_util.assertParamsValid>[0],
      begin,
      shape,
    );
    return slice(x, begin, shape);
  });
  register(SplitV, ({ x }: Inputs, attrs) => {
    if (!inMemory(x) || x.shape.length > 5) return;
    const axis = util.parseAxisParam(attrs.axis, x.shape)[0];
    const sizes = backend_util.prepareSplitSize(
      { shape: x.shape } as Parameters<typeof backend_util.prepareSplitSize>[0],
      attrs.numOrSizeSplits,
      axis,
    );
    const begin = x.shape.map(() => 0);
    return sizes.map((count) => {
      const part = slice(x, begin, x.shape.map((n, i) => i === axis ? count : n));
      begin[axis] += count;
      return part;
    });
  });
  const concatenate: Implementation = (inputs: TensorInfo[], attrs) => {
    const [first] = inputs;
    if (!inMemory(first) || inputs.some((x) => x.dtype !== first.dtype)) return;
    const rank = first.shape.length;
    if (rank > 5) return;
    const axis = util.parseAxisParam(attrs.axis, first.shape)[0];
    backend_util.assertParamsConsistent(inputs.map(({ shape }) => shape), axis);
    return concat(inputs, axis);
  };
  register(Concat, concatenate);
  register(Pack, (inputs: TensorInfo[], { axis }: { axis: number }) => {
    const [first] = inputs;
    if (!inMemory(first) || first.shape.length > 4) return;
    if (inputs.some((x) => x.dtype !== first.dtype || !sameShape(x.shape, first.shape))) return;
    const position = axis < 0 ? first.shape.length + 1 + axis : axis;
    return concat(
      inputs.map((x) => ({ ...x, shape: x.shape.toSpliced(position, 0, 1) })),
      position,
    );
  });
  register(Tile, ({ x }: Inputs, { reps }: { reps: number[] }) => {
    if (!inMemory(x) || x.shape.length > 3) return;
    // (r0, n0, r1, n1, ...): the repetitions are dimensions of stride 0.
    const own = stridesOf(x.shape);
    const shape = x.shape.flatMap((n, i) => [reps[i], n]);
    const strides = x.shape.flatMap((_, i) => [0, own[i]]);
    const { info, pointer } = output(x.shape.map((n, i) => n * reps[i]), x.dtype as EngineType);
    const bytes = bytesOf(x.dtype);
    if (copyElements(pointer, stridesOf(shape), at(x), strides, shape, bytes)) return info;
  });

  register(Sum, ({ x }: Inputs, attrs) => sum(x, attrs, false));
  register(Mean, ({ x }: Inputs, attrs) => sum(x, attrs, true));
  register(Max, ({ x }: Inputs, attrs) => extreme(x, attrs, 1));
  register(Min, ({ x }: Inputs, attrs) => extreme(x, attrs, -1));

  register(Fill, (_, { shape, value, dtype }) => {
    if (typeof value === "number") return fill(shape, dtype ?? util.inferDtype(value), value);
  });
  register(ZerosLike, ({ x }: Inputs) => fill(x.shape, x.dtype, 0));
  register(OnesLike, ({ x }: Inputs) => fill(x.shape, x.dtype, 1));
  register(AddN, (inputs: TensorInfo[]) => {
    const [first, ...others] = inputs;
    if (inputs.some((x) => x.dtype !== "float32" || !sameShape(x.shape, first.shape))) return;
    const { info, pointer } = output(first.shape);
    const count = size(first.shape);
    if (others.length === 0) {
      parallel("unaryCopy", [pointer, at(first)], count, ELEMENTS);
      return info;
    }
    parallel("binaryAddFlat", [pointer, at(first), 4, at(others[0]), 4], count, ELEMENTS);
    for (const x of others.slice(1)) parallel("accumulate", [pointer, at(x)], count, ELEMENTS);
    return info;
  });
  register(Select, ({ condition, t, e }: Inputs) => {
    if (condition.dtype !== "bool" || t.dtype !== e.dtype || bytesOf(t.dtype) !== 4) return;
    if (!inMemory(t) || !sameShape(condition.shape, t.shape) || !sameShape(t.shape, e.shape)) {
      return;
    }
    const { info, pointer } = output(t.shape, t.dtype as EngineType);
    parallel("select", [pointer, at(condition), at(t), at(e)], size(t.shape), ELEMENTS);
    return info;
  });

  register(GatherV2, ({ x, indices }: Inputs, attrs) => {
    const { axis, batchDims = 0 } = attrs;
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
    const { info, pointer } = output(
      [...before, ...indices.shape, ...after],
      x.dtype as EngineType,
    );
    const args = [pointer, at(x), 4 * ids, count, rows, bytes];
    parallel("gatherRows", args, outer * count, Math.ceil(100_000 / (bytes + 32)));
    return info;
  });
  register(UnsortedSegmentSum, ({ x, segmentIds }: Inputs, { numSegments }) => {
    if (x.dtype !== "float32" || segmentIds.dtype !== "int32") return;
    if (segmentIds.shape.length !== 1) return;
    const row = x.shape.slice(1);
    const { info, pointer } = output([numSegments, ...row]);
    const width = size(row), count = segmentIds.shape[0];
    // Each chunk reads all ids: at most a few chunks a thread.
    const grain = Math.max(1, Math.ceil(numSegments / 16), ELEMENTS / (width + 1) | 0);
    parallel("segmentSum", [pointer, at(x), at(segmentIds), count, width], numSegments, grain);
    return info;
  });
}
