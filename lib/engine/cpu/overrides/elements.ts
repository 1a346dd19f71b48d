/** Operations on one or two operands element by element, and constants. */
import {
  Abs,
  Add,
  AddN,
  backend_util,
  Cast,
  type DataType,
  Exp,
  Fill,
  Log,
  Maximum,
  Minimum,
  Multiply,
  Neg,
  OnesLike,
  RealDiv,
  Reciprocal,
  Relu,
  Relu6,
  Rsqrt,
  Select,
  Sigmoid,
  Sqrt,
  Square,
  SquaredDifference,
  Step,
  Sub,
  Tanh,
  type TensorInfo,
  util,
  ZerosLike,
} from "@tensorflow/tfjs-core";
import type { Override } from "../../overrides.ts";
import { alias, at, type EngineType, heap, output, parallel } from "../runtime.ts";
import {
  broadcastStrides,
  bytesOf,
  collapse,
  ELEMENTS,
  inMemory,
  type Inputs,
  sameShape,
  size,
} from "./shapes.ts";

const FUNCTIONS = 4096; // exp, log, ... of so many elements take about 10 microseconds

const simple = [Neg, Abs, Square, Sqrt, Rsqrt, Reciprocal, Relu, Relu6];
const step = unary(Step, ELEMENTS);

/** The kernels, by tfjs's names. */
export const elements: Record<string, Override> = {
  ...Object.fromEntries(simple.map((name) => [name, unary(name, ELEMENTS)])),
  ...Object.fromEntries([Exp, Log, Sigmoid, Tanh].map((name) => [name, unary(name, FUNCTIONS)])),
  [Step]: (inputs, attrs, inherited) => {
    if (attrs.alpha === 0) return step(inputs, attrs, inherited);
  },
  [Add]: binary("Add"),
  [Sub]: binary("Sub"),
  [Multiply]: binary("Mul"),
  [RealDiv]: binary("Div"),
  [Maximum]: binary("Max"),
  [Minimum]: binary("Min"),
  [SquaredDifference]: binary("SquaredDifference"),
  [AddN]: addN,
  [Select]: select,
  [Cast]: cast,
  [Fill]: (_, { shape, value, dtype }) => {
    if (typeof value === "number") return fill(shape, dtype ?? util.inferDtype(value), value);
  },
  [ZerosLike]: ({ x }: Inputs) => fill(x.shape, x.dtype, 0),
  [OnesLike]: ({ x }: Inputs) => fill(x.shape, x.dtype, 1),
};

/** A kernel of one operand: its name in assembly/unary.ts is that of tfjs's kernel. */
function unary(name: string, grain: number): Override {
  const kernel = `unary${name}`;
  return ({ x }: Inputs) => {
    if (x.dtype !== "float32") return;
    const { info, pointer } = output(x.shape);
    parallel(kernel, [pointer, at(x)], size(x.shape), grain);
    return info;
  };
}

/**
 * A kernel of two operands of any shapes that broadcast: `operation` is its name in
 * assembly/binary.ts.
 */
function binary(operation: string): Override {
  const flat = `binary${operation}Flat`, rows = `binary${operation}Rows`;
  return ({ a, b }: Inputs) => {
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
  };
}

function addN(inputs: TensorInfo[]): TensorInfo | undefined {
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
}

function select({ condition, t, e }: Inputs): TensorInfo | undefined {
  if (condition.dtype !== "bool" || t.dtype !== e.dtype || bytesOf(t.dtype) !== 4) return;
  if (!inMemory(t) || !sameShape(condition.shape, t.shape) || !sameShape(t.shape, e.shape)) return;
  const { info, pointer } = output(t.shape, t.dtype as EngineType);
  parallel("select", [pointer, at(condition), at(t), at(e)], size(t.shape), ELEMENTS);
  return info;
}

function cast({ x }: Inputs, { dtype }: { dtype: DataType }): TensorInfo | undefined {
  if (!inMemory(x)) return;
  if (dtype === x.dtype) return alias(x, x.shape);
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
}

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
