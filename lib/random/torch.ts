/** PyTorch's random numbers: the CPU generator and the draws of torch 2.13 on it. */

import { boxMuller32, boxMuller64 } from "./box_muller.ts";
import {
  checkCachedNormal,
  checkCount,
  checkCut,
  checkInterval,
  checkProbability,
  checkRange,
  checkRate,
  checkSeed,
  checkSeedDigits,
  checkSpread,
} from "./checks.ts";
import { MersenneTwister, type TwisterState } from "./mersenne_twister.ts";
import { checkWeights, searchSums, winners } from "./multinomial.ts";

/** A TorchGenerator as JSON can hold it. */
export interface TorchState {
  seed: string;
  mt: TwisterState;
  /** The second value of a Box-Muller pair, kept for the next normal draw. */
  nextNormal: number | null;
}

const CHUNK = 4096; // pairs of words that are made at a time
const pairs = new Uint32Array(2 * CHUNK), fround = Math.fround;

/**
 * A generator that draws what PyTorch's does: after `manualSeed(s)` each method returns the values of the torch function
 * of its name after `torch.manual_seed(s)`, and leaves the generator in the same state. Tensors come as typed arrays in
 * row-major order: `tf.tensor(torch.rand(6), [2, 3])`.
 */
export class TorchGenerator {
  /** The raw generator. */
  readonly mt = new MersenneTwister();
  #seed = 0n;
  #nextNormal: number | null = null;

  /** @param seed Any 64-bit integer; the default is that of `torch.Generator()`. */
  constructor(seed: number | bigint = 67280421310721n) {
    this.manualSeed(seed);
  }

  /**
   * Starts the sequence of a seed. Only its low 32 bits decide, as in PyTorch; a cached normal value is forgotten.
   * @throws {RangeError} If the seed is no integer.
   */
  manualSeed(seed: number | bigint): this {
    this.#seed = BigInt.asUintN(64, checkSeed(seed));
    this.mt.seed(Number(this.#seed & 0xffffffffn));
    this.#nextNormal = null;
    return this;
  }

  /** The seed that `manualSeed` was given, as an unsigned 64-bit integer. */
  initialSeed(): bigint {
    return this.#seed;
  }

  /** Float32 values, uniform in [0, 1): the low 24 bits of one word each. */
  rand(n: number): Float32Array {
    return this.uniform(n, 0, 1);
  }

  /** Float64 values, uniform in [0, 1): the low 53 bits of two words each. */
  rand64(n: number): Float64Array {
    checkCount(n);
    const out = new Float64Array(n);
    for (let start = 0; start < n; start += CHUNK) {
      const count = this.#fillPairs(n - start);
      for (let i = 0; i < count; i++) out[start + i] = uniform64(i);
    }
    return out;
  }

  /**
   * Float32 values, uniform in [low, high): `tensor.uniform_(low, high)`.
   * @throws {RangeError} If high is below low, or one of them is not finite.
   */
  uniform(n: number, low = 0, high = 1): Float32Array {
    checkCount(n);
    checkInterval(low, high);
    const out = new Float32Array(n);
    const words = new Uint32Array(out.buffer); // each word becomes a value in its own place
    this.mt.fill(words);
    const base = fround(low);
    // PyTorch multiplies and adds with one rounding; so does this, as float64 holds the product exactly.
    const scale = fround(fround(high) - base) * 2 ** -24;
    for (let i = 0; i < n; i++) out[i] = (words[i] & 0xffffff) * scale + base;
    return out;
  }

  /** Float32 values from N(0, 1). */
  randn(n: number): Float32Array {
    return this.normal(n);
  }

  /** Float64 values from N(0, 1). */
  randn64(n: number): Float64Array {
    if (n < 16) return this.#normalPairs(n, 0, 1);
    const out = this.rand64(n);
    for (let i = 0; i + 16 <= n; i += 16) boxMuller64(out, i);
    if (n % 16 !== 0) {
      out.set(this.rand64(16), n - 16);
      boxMuller64(out, n - 16);
    }
    return out;
  }

  /**
   * Float32 values from N(mean, std^2): `tensor.normal_(mean, std)`, equal to the last bit.
   *
   * From 16 values on, float32 uniforms are transformed in blocks of 16, and a last block that is not full is drawn anew
   * together with the values before it. Fewer values are made in float64, two at a time.
   * @throws {RangeError} If std is negative.
   */
  normal(n: number, mean = 0, std = 1): Float32Array {
    checkCount(n);
    checkSpread(std, "std");
    if (n < 16) return Float32Array.from(this.#normalPairs(n, mean, std));
    const out = this.rand(n);
    boxMuller32(out, 0, n - n % 16, mean, std);
    if (n % 16 !== 0) {
      out.set(this.rand(16), n - 16);
      boxMuller32(out, n - 16, n, mean, std);
    }
    return out;
  }

  /**
   * Float32 values from N(mean, std^2) inside [a, b]: `nn.init.trunc_normal_`. Values outside are drawn again, with a
   * whole new set of n values each time.
   * @throws {RangeError} If std is negative, or if [a, b] is empty or more than 4 deviations from the mean.
   */
  truncNormal(n: number, mean = 0, std = 1, a = -2, b = 2): Float32Array {
    checkCut(mean, std, a, b);
    const outside = (x: number) => x < a || x > b;
    const out = this.normal(n, mean, std);
    while (out.some(outside)) {
      const fresh = this.normal(n, mean, std);
      for (let i = 0; i < n; i++) if (outside(out[i])) out[i] = fresh[i];
    }
    return out;
  }

  /**
   * Integers in low..high - 1: `torch.randint(low, high, (n,))`.
   * @throws {RangeError} If the range is empty or beyond int32; randint64 has no such limit.
   */
  randint(n: number, low: number, high: number): Int32Array {
    checkRange(low, high);
    const range = high - low;
    if (range >= 2 ** 28) return Int32Array.from(this.randint64(n, low, high), Number);
    checkCount(n);
    const out = new Int32Array(n);
    this.mt.fill(new Uint32Array(out.buffer));
    for (let i = 0; i < n; i++) out[i] = ((out[i] >>> 0) % (range >>> 0) >>> 0) + low;
    return out;
  }

  /** Integers in low..high - 1, of 64 bits: a word each below a range of 2^28, else two. */
  randint64(n: number, low: number | bigint, high: number | bigint): BigInt64Array {
    checkCount(n);
    checkRange(low, high, -(2n ** 63n), 2n ** 63n);
    const range = BigInt(high) - BigInt(low);
    const draw = range < 2 ** 28 ? () => BigInt(this.mt.word()) : () => this.#word64();
    return BigInt64Array.from({ length: n }, () => draw() % range + BigInt(low));
  }

  /** A 63-bit integer: `torch.empty((), dtype=torch.int64).random_()`, which a DataLoader seeds itself with. */
  random64(): bigint {
    return BigInt.asUintN(63, this.#word64());
  }

  /** A permutation of 0..n - 1. */
  randperm(n: number): Int32Array {
    checkCount(n);
    const out = new Int32Array(n);
    for (let i = 0; i < n; i++) out[i] = i;
    const words = new Uint32Array(Math.max(0, n - 1));
    this.mt.fill(words);
    for (let i = 0; i < n - 1; i++) {
      const j = i + (words[i] % ((n - i) >>> 0) >>> 0), value = out[i];
      out[i] = out[j];
      out[j] = value;
    }
    return out;
  }

  /** 1 with probability p, else 0: `tensor.bernoulli_(p)`, which takes two words a value. */
  bernoulli(n: number, p: number): Float32Array {
    checkCount(n);
    checkProbability(p);
    return this.#fillBernoulli(new Float32Array(n), p, 1);
  }

  /** 1 with the probability that stands in `ps`, else 0: `torch.bernoulli(ps)`, which takes one word a value. */
  bernoulliEach(ps: ArrayLike<number>): Float32Array {
    Array.prototype.forEach.call(ps, checkProbability);
    const out = this.rand(ps.length);
    for (let i = 0; i < out.length; i++) out[i] = out[i] < fround(ps[i]) ? 1 : 0;
    return out;
  }

  /**
   * What dropout with probability p multiplies n values by: 0, or 1 / (1 - p) rounded to float32. Two words a value;
   * p = 0 and p = 1 draw nothing, as in PyTorch.
   */
  dropoutMask(n: number, p: number): Float32Array {
    checkCount(n);
    checkProbability(p);
    const out = new Float32Array(n);
    if (p === 0 || p === 1) return out.fill(1 - p);
    return this.#fillBernoulli(out, 1 - p, 1 / fround(1 - p));
  }

  /** Float32 values from the exponential distribution of rate lambda: `tensor.exponential_(lambda)`. */
  exponential(n: number, lambda = 1): Float32Array {
    checkRate(lambda);
    const uniform = this.rand64(n);
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = -Math.log1p(-uniform[i]) / lambda;
    return out;
  }

  /**
   * k indices of a row of weights, drawn in proportion to them: `torch.multinomial(weights, k, replacement)`. The weights
   * need not add up to 1. For the rows of a matrix call it once a row.
   * @throws {RangeError} If a weight is negative, infinite or NaN, or if too few are positive.
   */
  multinomial(weights: ArrayLike<number>, k: number, replacement = false): Int32Array {
    const p = Float32Array.from(weights);
    checkWeights(p, k, replacement);
    if (replacement && k > 1) return searchSums(p, this.rand64(k));
    return winners(p, this.exponential(p.length), k);
  }

  /** The whole state, for an exact resume; it survives JSON. */
  getState(): TorchState {
    return { seed: `${this.#seed}`, mt: this.mt.getState(), nextNormal: this.#nextNormal };
  }

  /**
   * Goes on from a state that `getState` returned.
   * @throws {RangeError} If it is no such state.
   */
  setState(state: TorchState): this {
    const nextNormal = checkCachedNormal(state?.nextNormal);
    checkSeedDigits(state.seed);
    this.mt.setState(state.mt);
    this.#seed = BigInt(state.seed);
    this.#nextNormal = nextNormal;
    return this;
  }

  #word64(): bigint {
    return BigInt(this.mt.word()) << 32n | BigInt(this.mt.word());
  }

  /** Takes up to CHUNK pairs of words and returns how many. */
  #fillPairs(n: number): number {
    const count = Math.min(n, CHUNK);
    this.mt.fill(pairs.subarray(0, 2 * count));
    return count;
  }

  #fillBernoulli(out: Float32Array, p: number, value: number): Float32Array {
    for (let start = 0; start < out.length; start += CHUNK) {
      const count = this.#fillPairs(out.length - start);
      for (let i = 0; i < count; i++) out[start + i] = uniform64(i) < p ? value : 0;
    }
    return out;
  }

  /** Box-Muller in float64; the second value of a pair is kept for the next call, whatever is drawn in between. */
  #normalPairs(n: number, mean: number, std: number): Float64Array {
    checkCount(n);
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let x = this.#nextNormal;
      if (x !== null) {
        this.#nextNormal = null;
      } else {
        const [u1, u2] = this.rand64(2);
        const r = Math.sqrt(-2 * Math.log1p(-u2));
        x = r * Math.cos(2 * Math.PI * u1);
        this.#nextNormal = r * Math.sin(2 * Math.PI * u1);
      }
      out[i] = x * std + mean;
    }
    return out;
  }
}

/** Pair i of the words as a float64 in [0, 1): the low 53 bits of the 64, the first word being the high one. */
function uniform64(i: number): number {
  return ((pairs[2 * i] & 0x1fffff) * 2 ** 32 + pairs[2 * i + 1]) * 2 ** -53;
}
