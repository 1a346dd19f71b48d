/** Sizes and strides of tensors. Strides are in elements, row by row, as tfjs stores tensors. */
import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";

/** Items that read and write one element each and take about 10 microseconds together. */
export const ELEMENTS = 16384;

/** The inputs of a tfjs kernel by its names for them. */
export type Inputs = Record<string, TensorInfo>;

/** Whether the memory can hold all tensors: whether they are float32, int32 or bool. */
export function inMemory(...tensors: TensorInfo[]): boolean {
  return tensors.every(({ dtype }) => dtype === "float32" || dtype === "int32" || dtype === "bool");
}

/** Bytes of an element of a type that the memory can hold. */
export function bytesOf(dtype: DataType): number {
  return dtype === "bool" ? 1 : 4;
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Number of elements. */
export function size(shape: readonly number[]): number {
  let product = 1;
  for (let i = 0; i < shape.length; i++) product *= shape[i];
  return product;
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let i = shape.length - 1, stride = 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/** The strides of an operand that is broadcast to `shape`. */
export function broadcastStrides(own: readonly number[], shape: readonly number[]): number[] {
  const strides = stridesOf(own);
  const missing = shape.length - own.length;
  return shape.map((_, i) => i < missing || own[i - missing] === 1 ? 0 : strides[i - missing]);
}

/**
 * Merges the dimensions of a broadcast until each step from one to the next is a real one. Strides
 * are 0 where an operand is repeated.
 */
export function collapse(
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
