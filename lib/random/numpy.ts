/** NumPy's random numbers: the legacy generator behind `numpy.random.seed` and the functions of `numpy.random`. */

import {
  checkCachedNormal,
  checkCount,
  checkInterval,
  checkRange,
  checkSeed,
  checkSpread,
} from "./checks.ts";
import { MersenneTwister, type TwisterState } from "./mersenne_twister.ts";
import { searchSorted } from "./search.ts";

/** A NumpyGenerator as JSON can hold it. */
export interface NumpyState {
  mt: TwisterState;
  /** The second value of a polar pair, kept for the next normal draw. */
  nextNormal: number | null;
}

/** An array or typed array whose elements can be exchanged. */
interface Exchangeable<T> {
  length: number;
  [index: number]: T;
}

/**
 * A generator that draws what `numpy.random` does: after `seed(s)` each method returns the values of the function of its
 * name after `numpy.random.seed(s)`. The number of values comes first; arrays are returned flat, in row-major order.
 */
export class NumpyGenerator {
  /** The raw generator. */
  readonly mt = new MersenneTwister();
  #nextNormal: number | null = null;

  constructor(seed: number | bigint = 0) {
    this.seed(seed);
  }

  /**
   * Starts the sequence of a seed.
   * @throws {RangeError} If the seed is no integer in 0..2^32 - 1, as in NumPy.
   */
  seed(seed: number | bigint): this {
    const word = Number(checkSeed(seed));
    if (word < 0 || word >= 2 ** 32) {
      throw new RangeError(
        `Cannot seed NumPy's generator as the seed must be between 0 and 2**32 - 1: seed=${seed}`,
      );
    }
    this.mt.seed(word);
    this.#nextNormal = null;
    return this;
  }

  /** Float64 values, uniform in [0, 1): also `rand` and `random`. */
  randomSample(n: number): Float64Array {
    return this.uniform(n, 0, 1);
  }

  /**
   * Float64 values, uniform in [low, high).
   * @throws {RangeError} If high is below low, or one of them is not finite.
   */
  uniform(n: number, low = 0, high = 1): Float64Array {
    checkCount(n);
    checkInterval(low, high);
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) out[i] = low + (high - low) * this.mt.double();
    return out;
  }

  /** Float64 values from N(0, 1). */
  randn(n: number): Float64Array {
    return this.normal(n);
  }

  /**
   * Float64 values from N(loc, scale^2), by Marsaglia's polar method.
   * @throws {RangeError} If scale is negative.
   */
  normal(n: number, loc = 0, scale = 1): Float64Array {
    checkCount(n);
    checkSpread(scale, "scale");
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) out[i] = loc + scale * this.#gauss();
    return out;
  }

  /**
   * Integers in low..high - 1: `randint(low, high, n)`.
   * @throws {RangeError} If the range is empty or beyond int32; randint64 has no such limit.
   */
  randint(n: number, low: number, high: number): Int32Array {
    checkCount(n);
    checkRange(low, high);
    const out = new Int32Array(n);
    for (let i = 0; i < n; i++) out[i] = low + this.#interval(high - 1 - low);
    return out;
  }

  /** Integers in low..high - 1, of 64 bits. */
  randint64(n: number, low: number | bigint, high: number | bigint): BigInt64Array {
    checkCount(n);
    checkRange(low, high, -(2n ** 63n), 2n ** 63n);
    const most = BigInt(high) - 1n - BigInt(low);
    return BigInt64Array.from({ length: n }, () => BigInt(low) + this.#interval64(most));
  }

  /** Puts the elements of an array (the rows, if its elements are arrays) in random order, in place. */
  shuffle<T>(array: Exchangeable<T>): void {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.#interval(i);
      const element = array[i];
      array[i] = array[j];
      array[j] = element;
    }
  }

  /** The integers 0..n - 1 in random order, or a shuffled copy of an array. */
  permutation(n: number): Int32Array;
  permutation<T>(array: ArrayLike<T>): T[];
  permutation<T>(what: number | ArrayLike<T>): Int32Array | T[] {
    if (typeof what === "number") {
      checkCount(what);
      const order = new Int32Array(what);
      for (let i = 0; i < what; i++) order[i] = i; // ten times as fast as Int32Array.from
      this.shuffle(order);
      return order;
    }
    const copy = Array.from(what);
    this.shuffle(copy);
    return copy;
  }

  /**
   * `size` elements of an array, or integers of 0..n - 1: all equally likely, or with probabilities p.
   * @throws {RangeError} If there is nothing to choose from, too little for `replace: false`, or p is no distribution.
   */
  choice(
    n: number,
    size: number,
    options?: { replace?: boolean; p?: ArrayLike<number> },
  ): Int32Array;
  choice<T>(
    array: ArrayLike<T>,
    size: number,
    options?: { replace?: boolean; p?: ArrayLike<number> },
  ): T[];
  choice<T>(
    from: number | ArrayLike<T>,
    size: number,
    { replace = true, p }: { replace?: boolean; p?: ArrayLike<number> } = {},
  ): Int32Array | T[] {
    checkCount(size, "size");
    const n = typeof from === "number" ? from : from.length;
    checkCount(n);
    if (size > 0 && n === 0) {
      throw new RangeError("Cannot choose as there is nothing to choose from");
    }
    const most = p ? checkDistribution(p, n) : n;
    if (!replace && size > most) {
      throw new RangeError(
        `Cannot choose without replacement as size must not exceed what can be chosen: size=${size}, ${most} elements`,
      );
    }
    const indices = p
      ? replace ? this.#search(Float64Array.from(p), size) : this.#searchDistinct(p, size)
      : replace
      ? this.randint(size, 0, Math.max(n, 1))
      : this.permutation(n).slice(0, size);
    if (typeof from === "number") return indices;
    const chosen = new Array<T>(size);
    for (let i = 0; i < size; i++) chosen[i] = from[indices[i]]; // Array.from is much slower
    return chosen;
  }

  /** The whole state, for an exact resume; it survives JSON. */
  getState(): NumpyState {
    return { mt: this.mt.getState(), nextNormal: this.#nextNormal };
  }

  /**
   * Goes on from a state that `getState` returned.
   * @throws {RangeError} If it is no such state.
   */
  setState(state: NumpyState): this {
    const nextNormal = checkCachedNormal(state?.nextNormal);
    this.mt.setState(state.mt);
    this.#nextNormal = nextNormal;
    return this;
  }

  /** One value from N(0, 1); the second of each pair is kept for the next call. */
  #gauss(): number {
    if (this.#nextNormal !== null) {
      const x = this.#nextNormal;
      this.#nextNormal = null;
      return x;
    }
    let x1, x2, r2;
    do {
      x1 = 2 * this.mt.double() - 1;
      x2 = 2 * this.mt.double() - 1;
      r2 = x1 * x1 + x2 * x2;
    } while (r2 >= 1 || r2 === 0);
    const f = Math.sqrt(-2 * Math.log(r2) / r2);
    this.#nextNormal = f * x1;
    return f * x2;
  }

  /** An integer in 0..most, below 2^32: words cut to the bits of `most` until one is not above it. */
  #interval(most: number): number {
    if (most === 0) return 0;
    const mask = 0xffffffff >>> Math.clz32(most);
    let value;
    do value = (this.mt.word() & mask) >>> 0; while (value > most);
    return value;
  }

  /** An integer in 0..most of 64 bits: two words a try, the high one first, if `most` needs more than 32 bits. */
  #interval64(most: bigint): bigint {
    if (most < 2n ** 32n) return BigInt(this.#interval(Number(most)));
    const bits = most.toString(2).length;
    let value;
    do {
      const high = BigInt(this.mt.word()) << 32n;
      value = BigInt.asUintN(bits, high | BigInt(this.mt.word()));
    } while (value > most);
    return value;
  }

  /** Indices with probabilities p, by search in the cumulative sums. */
  #search(p: Float64Array, size: number): Int32Array {
    const sums = new Float64Array(p.length);
    let sum = 0;
    for (let i = 0; i < p.length; i++) sums[i] = sum += p[i];
    for (let i = 0; i < p.length; i++) sums[i] /= sum;
    return Int32Array.from(this.randomSample(size), (u) => searchSorted(sums, u, true));
  }

  /** Distinct indices: draws all that are missing, keeps the new ones, and leaves these out of the next round. */
  #searchDistinct(p: ArrayLike<number>, size: number): Int32Array {
    const left = Float64Array.from(p);
    const found = new Set<number>();
    while (found.size < size) {
      for (const i of this.#search(left, size - found.size)) found.add(i);
      for (const i of found) left[i] = 0;
    }
    return Int32Array.from(found);
  }
}

/** Checks that p gives a probability to each of n elements, and returns how many can be chosen. */
function checkDistribution(p: ArrayLike<number>, n: number): number {
  const values = Array.from(p);
  const sum = values.reduce((a, b) => a + b, 0);
  if (values.length !== n || !values.every((x) => x >= 0) || !(Math.abs(sum - 1) < 1.5e-8)) {
    throw new RangeError(
      `Cannot choose as p must have ${n} probabilities that add up to 1: it has ${values.length} values with sum ${sum}`,
    );
  }
  return values.filter((x) => x > 0).length;
}
