/** Values of any form, taken apart to be compared and shown. */
import * as tf from "@tensorflow/tfjs";
import type { texts } from "./texts.ts";

/** Numbers, texts and truth values, alone, in arrays of any depth, in tensors, or in objects. */
// deno-lint-ignore no-explicit-any
export type Values = any;

/** A single value in what a student's code gives. */
export type Leaf = number | string | boolean | null | undefined;

/** All single values with the paths to them, and the shape if there is one. */
export interface Flat {
  shape?: number[];
  leaves: { path: string; value: Leaf }[];
}

const deepest = 100; // levels of arrays and objects in a result

/**
 * Values of any form as a list.
 *
 * @param inside The arrays and objects that x is in
 * @throws {TypeError} If an array or object contains itself, or is nested too deep
 */
export async function flatten(x: Values, inside: readonly unknown[] = []): Promise<Flat> {
  if (inside.includes(x)) throw new TypeError("the result contains itself");
  if (inside.length > deepest) {
    throw new TypeError(`the result is nested more than ${deepest} levels deep`);
  }
  if (x instanceof tf.Tensor) {
    const data = await x.data();
    const leaves = Array.from(data, (value, i) => ({ path: indexPath(i, x.shape), value }));
    return { shape: x.shape, leaves };
  }
  const original = x;
  const flattenInner = (inner: Values) => flatten(inner, [...inside, original]);
  if (ArrayBuffer.isView(x)) x = Array.from(x as Float32Array);
  if (x instanceof Map) x = Object.fromEntries(x);
  if (x instanceof Set) x = [...x];
  if (Array.isArray(x)) {
    const parts = await Promise.all(x.map(flattenInner));
    const inner = parts[0]?.shape;
    const regular = parts.every(({ shape }) => shape && String(shape) === String(inner));
    return {
      shape: regular ? [x.length, ...(inner ?? [])] : undefined,
      leaves: parts.flatMap(({ leaves }, i) =>
        leaves.map(({ path, value }) => ({ path: joinPaths(i, path), value }))
      ),
    };
  }
  if (typeof x === "object" && x !== null) {
    const keys = Object.keys(x).sort();
    const parts = await Promise.all(keys.map((key) => flattenInner(x[key])));
    return {
      leaves: parts.flatMap(({ leaves }, i) =>
        leaves.map(({ path, value }) => ({ path: keys[i] + path, value }))
      ),
    };
  }
  return { shape: x === undefined ? undefined : [], leaves: [{ path: "", value: x as Leaf }] };
}

function joinPaths(i: number, path: string): string {
  return path.startsWith("[") ? `[${i}, ${path.slice(1)}` : `[${i}]${path}`;
}

function indexPath(i: number, shape: number[]): string {
  const index: number[] = [];
  for (const size of [...shape].reverse()) {
    index.unshift(i % size);
    i = Math.floor(i / size);
  }
  return index.length ? `[${index.join(", ")}]` : "";
}

type Texts = typeof texts.en;

/** Both shapes in words, if they are not the same; what has no shape is compared by its paths. */
export function differentShape(received: Flat, expected: Flat, t: Texts) {
  const paths = ({ leaves }: Flat) => leaves.map(({ path }) => path).join();
  const same = expected.shape && received.shape
    ? String(expected.shape) === String(received.shape)
    : paths(expected) === paths(received);
  return same ? undefined : { expected: showShape(expected, t), received: showShape(received, t) };
}

/** A shape in words. */
export function showShape({ shape, leaves }: Flat, t: Texts): string {
  if (shape) return `(${shape.join(", ")})`;
  return leaves.length === 1 && leaves[0].value === undefined
    ? t.nothing
    : t.elements(leaves.length);
}

/** A value in a report. */
export function show(x: unknown): string {
  if (typeof x !== "number") {
    return typeof x === "string"
      ? `"${x}"`
      : Array.isArray(x)
      ? `[${x.map(show).join(", ")}]`
      : `${x}`;
  }
  if (Number.isInteger(x) || !Number.isFinite(x)) return String(x);
  const size = Math.abs(x);
  return size >= 1e-3 && size < 1e5 ? x.toFixed(4) : x.toExponential(3);
}

/** Whether two single values are the same: numbers within `tolerance`, absolute and relative to b. */
export function isClose(a: Leaf, b: Leaf, tolerance: number): boolean {
  if (typeof a === "boolean" || typeof b === "boolean") return Number(a) === Number(b);
  if (typeof a !== "number" || typeof b !== "number") return a === b;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return Object.is(a, b);
  return Math.abs(a - b) <= tolerance * (1 + Math.abs(b));
}
