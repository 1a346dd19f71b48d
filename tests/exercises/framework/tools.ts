/** Small tools that the checks of several exercises need. */
import * as tf from "@tensorflow/tfjs";

/** The derivative of `f` at each number of x, by central differences. */
export async function numericGradient(
  f: (x: number[]) => number | Promise<number>,
  x: number[],
  h = 1e-2,
): Promise<number[]> {
  const gradient: number[] = [];
  for (let i = 0; i < x.length; i++) {
    const moved = (by: number) => x.map((value, j) => j === i ? value + by : value);
    gradient.push((await f(moved(h)) - await f(moved(-h))) / (2 * h));
  }
  return gradient;
}

/** Numbers from -1 to 1 that depend on the seed alone, in nested arrays of a shape. */
// deno-lint-ignore no-explicit-any
export function random(seed: number, ...shape: number[]): any {
  let state = seed * 7919 + 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  for (let i = 0; i < 10; i++) next();
  const make = ([n, ...rest]: number[]): unknown =>
    n === undefined ? next() : Array.from({ length: n }, () => make(rest));
  return make(shape);
}

/** A tensor of numbers in nested arrays. */
export function tensor(x: tf.TensorLike, dtype?: "int32"): tf.Tensor {
  return tf.tensor(x, undefined, dtype);
}

/** exp(x) / sum(exp(x)) of a list. */
export function slowSoftmax(x: number[]): number[] {
  const e = x.map((value) => Math.exp(value - Math.max(...x)));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((value) => value / sum);
}
