/**
 * Choosing from rows of scores or probabilities on the CPU engine, without sorting pairs of number
 * and index as the formulas do.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { torch } from "../../random.ts";
import { usable } from "../checks.ts";
import { at, computed, heap, output, tensor } from "./runtime.ts";

/** The k largest scores of a row: see lib/functional.ts. */
export function topK(scores: Tensor, k: number): Tensor | undefined {
  const V = scores.shape.at(-1)!;
  if (!usable(scores) || !(k >= 1 && k < V)) return;
  return rowByRow(scores, (x, y) => {
    const least = select(x.slice(), V - k);
    for (let i = 0; i < V; i++) y[i] = x[i] < least ? -Infinity : x[i];
  });
}

/** The fewest most probable tokens that have the probability `mass`: see lib/functional.ts. */
export function topP(probabilities: Tensor, mass: number): Tensor | undefined {
  if (!usable(probabilities)) return;
  return rowByRow(probabilities, (p, y) => {
    const sorted = p.slice().sort();
    let before = 0, least = Infinity, equal = 0; // how many of those that equal the least are kept
    for (let i = p.length - 1; i >= 0 && before < mass; i--) {
      equal = sorted[i] === least ? equal + 1 : 1;
      before += least = sorted[i];
    }
    for (let i = 0; i < p.length; i++) {
      y[i] = p[i] > least || (p[i] === least && equal-- > 0) ? p[i] : 0;
    }
  });
}

/** The place of the largest score of each row: see lib/functional.ts. */
export function greedy(scores: Tensor): Tensor | undefined {
  if (!usable(scores)) return;
  return placeByRow(scores, (x) => {
    let best = -1, highest = -Infinity;
    for (let i = 0; i < x.length; i++) {
      if (!(x[i] < Infinity)) return -1; // NaN too
      if (x[i] > highest) highest = x[best = i];
    }
    return best;
  });
}

/** A token for each row, drawn in proportion to its probabilities: see lib/functional.ts. */
export function multinomial(p: Tensor): Tensor | undefined {
  if (!usable(p)) return;
  const race = torch.exponential(p.size);
  return placeByRow(p, (p, row) => {
    const first = row * p.length;
    let best = -1, highest = 0;
    for (let i = 0; i < p.length; i++) {
      if (!(p[i] >= 0 && p[i] < Infinity)) return -1;
      const score = Math.fround(p[i] / race[first + i]);
      if (score > highest) [best, highest] = [i, score];
    }
    return best;
  });
}

/** The place that `find` chooses of each row. */
function placeByRow(x: Tensor, find: (x: Float32Array, row: number) => number): Tensor {
  const V = x.shape.at(-1)!;
  const { info, pointer } = output(x.shape.slice(0, -1), "int32");
  const { f32, i32 } = heap();
  for (let row = 0, first = at(x) / 4; row < x.size / V; row++, first += V) {
    i32[pointer / 4 + row] = find(f32.subarray(first, first + V), row);
  }
  return tensor(info);
}

/**
 * The number that would stand at `place` if x were sorted; x is partly sorted (Hoare 1961, "Find").
 */
function select(x: Float32Array, place: number): number {
  for (let low = 0, high = x.length - 1; low < high;) {
    const pivot = x[(low + high) >> 1];
    let i = low, j = high;
    while (i <= j) {
      while (x[i] < pivot) i++;
      while (x[j] > pivot) j--;
      if (i > j) break;
      [x[i], x[j]] = [x[j], x[i]];
      i++;
      j--;
    }
    if (place <= j) high = j;
    else if (place >= i) low = i;
    else break;
  }
  return x[place];
}

/** A tensor of x's shape, whose rows `f` computes from those of x. */
function rowByRow(x: Tensor, f: (x: Float32Array, y: Float32Array) => void): Tensor {
  const V = x.shape.at(-1)!;
  return computed(x.shape, (pointer) => {
    const row = (pointer: number, i: number) =>
      heap().f32.subarray(pointer / 4 + i * V, pointer / 4 + (i + 1) * V);
    for (let i = 0; i < x.size / V; i++) f(row(at(x), i), row(pointer, i));
  });
}
