/** Python's random numbers: the `random` module of CPython 3. */

import { checkCachedNormal, checkCount, checkSeed, checkSpread } from "./checks.ts";
import { MersenneTwister, type TwisterState } from "./mersenne_twister.ts";

/** A PythonGenerator as JSON can hold it. */
export interface PythonState {
  mt: TwisterState;
  /** The second value of a pair of `gauss`, kept for its next call. */
  nextGauss: number | null;
}

/**
 * A generator that draws what Python's `random` does: after `seed(s)` each method returns the value of the function of
 * its name after `random.seed(s)`.
 */
export class PythonGenerator {
  /** The raw generator. */
  readonly mt = new MersenneTwister();
  #nextGauss: number | null = null;

  constructor(seed: number | bigint = 0) {
    this.seed(seed);
  }

  /**
   * Starts the sequence of an integer; its sign does not matter, as in Python.
   * @throws {RangeError} If the seed is no integer.
   */
  seed(seed: number | bigint): this {
    let rest = checkSeed(seed);
    if (rest < 0n) rest = -rest;
    const key: number[] = [];
    do {
      key.push(Number(rest & 0xffffffffn));
      rest >>= 32n;
    } while (rest > 0n);
    this.mt.seedByArray(key);
    this.#nextGauss = null;
    return this;
  }

  /** A float64, uniform in [0, 1). */
  random(): number {
    return this.mt.double();
  }

  /** A float64, uniform between a and b. */
  uniform(a: number, b: number): number {
    return a + (b - a) * this.random();
  }

  /** An integer of k random bits: words from the lowest up, the last one cut to its high bits. */
  getrandbits(k: number): bigint {
    checkCount(k, "k");
    let value = 0n;
    for (let shift = 0; shift < k; shift += 32) {
      const word = this.mt.word() >>> Math.max(0, 32 - (k - shift));
      value |= BigInt(word) << BigInt(shift);
    }
    return value;
  }

  /**
   * One of start, start + step, ... below stop; `randrange(stop)` starts at 0.
   * @throws {RangeError} If the range is empty, or start, stop or step is no integer.
   */
  randrange(start: number, stop?: number, step = 1): number {
    if (stop === undefined) [start, stop] = [0, start];
    const count = Math.ceil((stop - start) / step);
    if (![start, stop, step].every(Number.isSafeInteger) || !(count > 0 && count < Infinity)) {
      throw new RangeError(
        `Cannot draw from an empty range: start=${start}, stop=${stop}, step=${step} must be integers with at least one value`,
      );
    }
    return start + step * this.#below(count);
  }

  /** An integer in a..b, both included. */
  randint(a: number, b: number): number {
    return this.randrange(a, b + 1);
  }

  /** One element of an array or string. @throws {RangeError} If it is empty. */
  choice<T>(array: ArrayLike<T>): T {
    checkNotEmpty(array);
    return array[this.#below(array.length)];
  }

  /**
   * k elements, drawn with replacement: all equally likely, or in proportion to weights.
   * @throws {RangeError} If there is nothing to choose from, or the weights do not fit.
   */
  choices<T>(
    array: ArrayLike<T>,
    k: number,
    { weights }: { weights?: ArrayLike<number> } = {},
  ): T[] {
    checkCount(k, "k");
    checkNotEmpty(array);
    const n = array.length;
    if (!weights) return Array.from({ length: k }, () => array[Math.floor(this.random() * n)]);
    let total = 0;
    const sums = Array.from(weights, (w) => total += w);
    const valid = Array.from(weights).every((w) => w >= 0 && w < Infinity);
    if (!valid || sums.length !== n || !(total > 0)) {
      throw new RangeError(
        `Cannot choose as there must be ${n} weights, finite, not negative and not all 0: ${sums.length} weights, sum ${total}`,
      );
    }
    return Array.from({ length: k }, () => {
      const x = this.random() * total;
      const i = sums.findIndex((sum) => x < sum);
      return array[i < 0 ? n - 1 : i];
    });
  }

  /** Puts the elements of an array in random order, in place. */
  shuffle<T>(array: { length: number; [index: number]: T }): void {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.#below(i + 1);
      [array[i], array[j]] = [array[j], array[i]];
    }
  }

  /**
   * k different elements (different places, if values repeat), in random order.
   * @throws {RangeError} If k is above the number of elements.
   */
  sample<T>(array: ArrayLike<T>, k: number): T[] {
    checkCount(k, "k");
    const n = array.length;
    if (k > n) {
      throw new RangeError(
        `Cannot sample as k must not exceed the number of elements: k=${k}, ${n} elements`,
      );
    }
    // Python takes from a shrinking copy of a small population and remembers the places in a large one.
    let setsize = 21;
    if (k > 5) setsize += 4 ** Math.ceil(Math.log(3 * k) / Math.log(4));
    if (n <= setsize) {
      const pool = Array.from(array);
      return Array.from({ length: k }, (_, i) => {
        const j = this.#below(n - i);
        const value = pool[j];
        pool[j] = pool[n - i - 1];
        return value;
      });
    }
    const taken = new Set<number>();
    while (taken.size < k) taken.add(this.#below(n));
    return Array.from(taken, (i) => array[i]);
  }

  /** A value from N(mu, sigma^2), by Box-Muller; the second value of a pair is kept for the next call. */
  gauss(mu = 0, sigma = 1): number {
    checkSpread(sigma, "sigma");
    let z = this.#nextGauss;
    this.#nextGauss = null;
    if (z === null) {
      const angle = this.random() * 2 * Math.PI;
      const radius = Math.sqrt(-2 * Math.log(1 - this.random()));
      z = Math.cos(angle) * radius;
      this.#nextGauss = Math.sin(angle) * radius;
    }
    return mu + z * sigma;
  }

  /** A value from N(mu, sigma^2), by Kinderman and Monahan's ratio of uniforms. */
  normalvariate(mu = 0, sigma = 1): number {
    checkSpread(sigma, "sigma");
    while (true) {
      const u1 = this.random();
      const u2 = 1 - this.random();
      const z = 4 * Math.exp(-0.5) / Math.SQRT2 * (u1 - 0.5) / u2;
      if (z * z / 4 <= -Math.log(u2)) return mu + z * sigma;
    }
  }

  /** The whole state, for an exact resume; it survives JSON. */
  getState(): PythonState {
    return { mt: this.mt.getState(), nextGauss: this.#nextGauss };
  }

  /**
   * Goes on from a state that `getState` returned.
   * @throws {RangeError} If it is no such state.
   */
  setState(state: PythonState): this {
    const nextGauss = checkCachedNormal(state?.nextGauss);
    this.mt.setState(state.mt);
    this.#nextGauss = nextGauss;
    return this;
  }

  /** An integer in 0..n - 1: as many bits as n has, drawn until they are below it. */
  #below(n: number): number {
    const bits = n.toString(2).length;
    let value;
    do {
      value = bits <= 32 ? this.mt.word() >>> (32 - bits) : Number(this.getrandbits(bits));
    } while (value >= n);
    return value;
  }
}

function checkNotEmpty(array: ArrayLike<unknown>): void {
  if (array.length === 0) {
    throw new RangeError("Cannot choose as there is nothing to choose from");
  }
}
