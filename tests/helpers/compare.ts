/** Reading the reference files, and comparing with them. */
import * as tf from "@tensorflow/tfjs";
import { AssertionError } from "@std/assert";

/** A tensor of the reference files; NaN and infinities are strings. */
export interface ReferenceTensor {
  shape: number[];
  data: (number | string)[];
  dtype?: "int" | "bool" | "float64";
}

/** Reads tests/reference/NAME. */
// deno-lint-ignore no-explicit-any
export async function readReference(name: string): Promise<any> {
  return JSON.parse(await Deno.readTextFile(new URL(`../reference/${name}`, import.meta.url)));
}

const special: Record<string, number> = { nan: NaN, inf: Infinity, "-inf": -Infinity };

/** The numbers of a reference tensor. */
export function numbers(data: (number | string)[]): number[] {
  return data.map((x) => typeof x === "string" ? special[x] : x);
}

/** A reference tensor as tfjs's. */
export function toTensor({ shape, data, dtype }: ReferenceTensor): tf.Tensor {
  return tf.tensor(
    numbers(data),
    shape,
    dtype === "int" ? "int32" : dtype === "bool" ? "bool" : "float32",
  );
}

/**
 * Fails unless each number is within `absolute + relative * |expected|` of the expected one, NaN equal to NaN; the
 * message names the first place that is not.
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  {
    absolute = 1e-6,
    relative = 1e-6,
    what = "values",
    ignored = (_index: number): boolean => false,
  } = {},
) {
  if (actual.length !== expected.length) {
    throw new AssertionError(
      `${what}: ${expected.length} numbers expected, ${actual.length} received`,
    );
  }
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i], expected[i]];
    const same = ignored(i) || Object.is(a, e) || a === e ||
      Math.abs(a - e) <= absolute + relative * Math.abs(e);
    if (!same) {
      throw new AssertionError(
        `${what}: expected ${e} at ${i} of ${expected.length}, received ${a}`,
      );
    }
  }
}
