/**
 * MT19937, the generator under PyTorch's, NumPy's and Python's random numbers: 624 words of state, a period of 2^19937 - 1.
 *
 * The three libraries seed it differently and turn its words into numbers differently: torch.ts, numpy.ts, python.ts.
 * Paper: Matsumoto and Nishimura 1998, "Mersenne Twister: A 623-Dimensionally Equidistributed Uniform Pseudo-Random
 * Number Generator".
 */

const N = 624; // words of state
const M = 397; // distance of the word that is mixed in
const UPPER = 0x80000000; // the top bit of one word ...
const LOWER = 0x7fffffff; // ... is joined to the other 31 of the next
const TWIST = 0x9908b0df;

/** A Mersenne Twister as JSON can hold it. */
export interface TwisterState {
  /** The 624 words of state. */
  words: ArrayLike<number>;
  /** How many of them are already used: 624 means that the next draw makes a new block. */
  index: number;
}

/** The raw generator of 32-bit words. Words are made in blocks of 624, and `fill` is the fast way to many of them. */
export class MersenneTwister {
  /** The current block, before tempering. With `index` it is the whole state: code that advances both draws on. */
  readonly state = new Uint32Array(N);
  /** The next word of the block. */
  index = N;

  /** Starts the sequence of a 32-bit seed (the paper's `init_genrand` of 2002). */
  seed(seed: number): void {
    const s = this.state;
    s[0] = seed;
    for (let i = 1; i < N; i++) {
      s[i] = Math.imul(1812433253, s[i - 1] ^ (s[i - 1] >>> 30)) + i;
    }
    this.index = N;
  }

  /** Starts the sequence of a key of any length (the paper's `init_by_array`). */
  seedByArray(key: ArrayLike<number>): void {
    this.seed(19650218);
    const s = this.state;
    let i = 1;
    const next = () => {
      if (++i === N) {
        s[0] = s[N - 1];
        i = 1;
      }
    };
    const mixed = () => s[i - 1] ^ (s[i - 1] >>> 30);
    for (let k = 0, j = 0; k < Math.max(N, key.length); k++) {
      s[i] = (s[i] ^ Math.imul(mixed(), 1664525)) + key[j] + j;
      j = (j + 1) % key.length;
      next();
    }
    for (let k = 1; k < N; k++) {
      s[i] = (s[i] ^ Math.imul(mixed(), 1566083941)) - i;
      next();
    }
    s[0] = 0x80000000;
  }

  /** Replaces the block by the next one. */
  twist(): void {
    const s = this.state;
    let i = 0;
    for (; i < N - M; i++) {
      const y = (s[i] & UPPER) | (s[i + 1] & LOWER);
      s[i] = s[i + M] ^ (y >>> 1) ^ (-(y & 1) & TWIST);
    }
    for (; i < N - 1; i++) {
      const y = (s[i] & UPPER) | (s[i + 1] & LOWER);
      s[i] = s[i + M - N] ^ (y >>> 1) ^ (-(y & 1) & TWIST);
    }
    const y = (s[N - 1] & UPPER) | (s[0] & LOWER);
    s[N - 1] = s[M - 1] ^ (y >>> 1) ^ (-(y & 1) & TWIST);
    this.index = 0;
  }

  /** The next word: an integer in [0, 2^32). */
  word(): number {
    if (this.index === N) this.twist();
    return temper(this.state[this.index++]) >>> 0;
  }

  /** Fills `out` with the next words: several times faster than `word()` for each. */
  fill(out: Uint32Array): void {
    const s = this.state;
    for (let i = 0; i < out.length;) {
      if (this.index === N) this.twist();
      const end = Math.min(out.length, i + N - this.index);
      let k = this.index;
      while (i < end) out[i++] = temper(s[k++]);
      this.index = k;
    }
  }

  /** A float64 in [0, 1) with 53 random bits out of two words (`genrand_res53`): NumPy's and Python's `random()`. */
  double(): number {
    const high = this.word() >>> 5; // 27 bits
    const low = this.word() >>> 6; // 26 bits
    return (high * 2 ** 26 + low) * 2 ** -53;
  }

  /** The state, for an exact resume; it survives JSON. */
  getState(): TwisterState {
    return { words: [...this.state], index: this.index };
  }

  /**
   * Goes on from a state that `getState` returned.
   * @throws {RangeError} If it is no such state.
   */
  setState(state: TwisterState): void {
    const { words, index } = state ?? {};
    const isWord = (x: number) => Number.isInteger(x) && x >= 0 && x < 2 ** 32;
    if (
      words?.length !== N || !Array.from(words).every(isWord) ||
      !Number.isInteger(index) || index < 0 || index > N
    ) {
      throw new RangeError(
        "Cannot set the generator's state as it must have 624 words of 32 bits and an index in 0..624: pass what getState() returned",
      );
    }
    this.state.set(words);
    this.index = index;
  }
}

/** Spreads the bits of a word of the state over the word that is given out. */
function temper(y: number): number {
  y ^= y >>> 11;
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return y ^ (y >>> 18);
}
