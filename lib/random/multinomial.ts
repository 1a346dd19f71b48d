/** Indices drawn in proportion to weights, in the two ways of torch.multinomial. */

import { searchSorted } from "./search.ts";

const fround = Math.fround;

/**
 * @param p Weights, which need not add up to 1
 * @param k How many indices are to be drawn
 * @throws {RangeError} If a weight is negative, infinite or NaN, or if too few are positive.
 */
export function checkWeights(p: Float32Array, k: number, replacement: boolean): void {
  let positive = 0;
  let valid = Number.isSafeInteger(k) && k > 0;
  for (const x of p) {
    if (x > 0) positive++;
    valid &&= x >= 0 && x < Infinity;
  }
  const least = replacement ? 1 : k;
  if (valid && positive >= least) return;
  throw new RangeError(
    "Cannot sample k indices as k must be a positive integer and the weights finite and not " +
      `negative, at least ${least} of them positive: k=${k}, ${positive} of ${p.length} are positive`,
  );
}

/**
 * Different indices by an exponential race: the largest p / q, with q from the exponential
 * distribution, is at i with probability p[i] / sum(p).
 *
 * @param q As many values as weights; they are overwritten
 */
export function winners(p: Float32Array, q: Float32Array, k: number): Int32Array {
  for (let i = 0; i < p.length; i++) q[i] = p[i] / q[i];
  if (k > 1) {
    const order = Int32Array.from(q.keys());
    return order.sort((i, j) => q[j] - q[i]).slice(0, k);
  }
  let best = 0;
  for (let i = 1; i < p.length; i++) if (q[i] > q[best]) best = i;
  return Int32Array.of(best);
}

/** An index for each uniform value, with replacement: binary search in the cumulative sums, in float32 as there. */
export function searchSums(p: Float32Array, uniform: Float64Array): Int32Array {
  const sums = new Float32Array(p.length);
  let sum = 0;
  for (let i = 0; i < p.length; i++) sums[i] = sum = fround(sum + p[i]);
  for (let i = 0; i < p.length; i++) sums[i] /= sum;
  sums[p.length - 1] = 1;
  return Int32Array.from(uniform, (u) => searchSorted(sums, u));
}
