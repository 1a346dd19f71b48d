// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// The Mersenne Twister, as PyTorch's dropout draws from it.
//
// PyTorch keeps an element if a float64 uniform, made of the low 53 bits of
// two words (the first is the high one), is below 1 - p. Compared as integers:
// bits < (1 - p) * 2^53. The high 21 bits decide alone unless they are equal,
// so only the first word of each pair is tempered; the second is needed once
// in two million draws.
const N: usize = 624 * 4; // bytes of state
const M: usize = 397 * 4; // distance of the word that is mixed in

/** The new word: the top bit of a, the other bits of b, mixed with m. */
// @ts-ignore: decorator
@inline
function next4(a: v128, b: v128, m: v128): v128 {
  const y = v128.bitselect(a, b, i32x4.splat(0x80000000));
  const odd = i32x4.shr_s(i32x4.shl(b, 31), 31);
  return v128.xor(
    v128.xor(m, i32x4.shr_u(y, 1)),
    v128.and(odd, i32x4.splat(0x9908b0df)),
  );
}

// @ts-ignore: decorator
@inline
function next1(s: usize, b: usize, m: usize): void {
  const low = load<u32>(b);
  const y = (load<u32>(s) & 0x80000000) | (low & 0x7fffffff);
  store<u32>(s, load<u32>(m) ^ (y >> 1) ^ (-(low & 1) & 0x9908b0df));
}

/** Replaces the 624 words at s by the next 624. */
function twist(s: usize): void {
  let i: usize = 0;
  for (; i < 224 * 4; i += 32) {
    const p = s + i;
    const w0 = next4(v128.load(p), v128.load(p, 4), v128.load(p, 1588));
    const w1 = next4(v128.load(p, 16), v128.load(p, 20), v128.load(p, 1604));
    v128.store(p, w0);
    v128.store(p, w1, 16);
  }
  for (; i < N - M; i += 4) next1(s + i, s + i + 4, s + i + M);
  for (; i < (227 + 392) * 4; i += 32) {
    const p = s + i;
    const q = p - (N - M);
    const w0 = next4(v128.load(p), v128.load(p, 4), v128.load(q));
    const w1 = next4(v128.load(p, 16), v128.load(p, 20), v128.load(q, 16));
    v128.store(p, w0);
    v128.store(p, w1, 16);
  }
  for (; i < N - 4; i += 4) next1(s + i, s + i + 4, s + i - (N - M));
  next1(s + i, s, s + i - (N - M));
}

// @ts-ignore: decorator
@inline
function temper4(y: v128): v128 {
  y = v128.xor(y, i32x4.shr_u(y, 11));
  y = v128.xor(y, v128.and(i32x4.shl(y, 7), i32x4.splat(0x9d2c5680)));
  y = v128.xor(y, v128.and(i32x4.shl(y, 15), i32x4.splat(0xefc60000)));
  return v128.xor(y, i32x4.shr_u(y, 18));
}

// @ts-ignore: decorator
@inline
function temper1(y: u32): u32 {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return y ^ (y >> 18);
}

/** Whether the draw of these two words is kept: 1 or 0. */
// @ts-ignore: decorator
@inline
function keep1(first: u32, second: u32, high: u32, low: u32): u32 {
  const h = temper1(first) & 0x1fffff;
  return h < high || (h == high && temper1(second) < low) ? 1 : 0;
}

/** The same for the four pairs of words at p: four bits. */
// @ts-ignore: decorator
@inline
function keep4(p: usize, high: u32, low: u32): u32 {
  const first = v128.shuffle<i32>(v128.load(p), v128.load(p, 16), 0, 2, 4, 6);
  const h = v128.and(temper4(first), i32x4.splat(0x1fffff));
  const limit = i32x4.splat(high);
  if (v128.any_true(i32x4.eq(h, limit))) {
    let bits: u32 = 0;
    for (let i: usize = 0; i < 4; i++) {
      const q = p + (i << 3);
      bits |= keep1(load<u32>(q), load<u32>(q, 4), high, low) << <u32> i;
    }
    return bits;
  }
  return i32x4.bitmask(i32x4.lt_s(h, limit));
}

/**
 * Draws `count` bits (1: keep) into 32-bit words at `bits`, the first in the
 * lowest bit; the last word is filled up with zeros. `state`: 624 words, then
 * the index of the next one. high, low: (1 - p) * 2^53, rounded up.
 */
export function drawBits(
  bits: usize,
  count: i32,
  state: usize,
  high: u32,
  low: u32,
): void {
  let index = load<i32>(state + N);
  let buffer: u64 = 0;
  let filled: u32 = 0;
  while (count > 0) {
    if (index >= 623) {
      if (index == 623) {
        // A pair that begins in this block and ends in the next one.
        const first = load<u32>(state + N - 4);
        twist(state);
        buffer |= <u64> keep1(first, load<u32>(state), high, low) << filled;
        index = 1;
        count--;
        if (++filled == 32) {
          store<u32>(bits, <u32> buffer);
          bits += 4;
          buffer = 0;
          filled = 0;
        }
        continue;
      }
      twist(state);
      index = 0;
    }
    const take = min(count, (624 - index) >> 1);
    let p = state + (<usize> index << 2);
    let i = 0;
    for (; i + 4 <= take; i += 4) {
      buffer |= <u64> keep4(p, high, low) << filled;
      p += 32;
      filled += 4;
      if (filled >= 32) {
        store<u32>(bits, <u32> buffer);
        bits += 4;
        buffer >>= 32;
        filled -= 32;
      }
    }
    for (; i < take; i++) {
      buffer |= <u64> keep1(load<u32>(p), load<u32>(p, 4), high, low) <<
        filled;
      p += 8;
      if (++filled == 32) {
        store<u32>(bits, <u32> buffer);
        bits += 4;
        buffer = 0;
        filled = 0;
      }
    }
    index += take << 1;
    count -= take;
  }
  if (filled > 0) store<u32>(bits, <u32> buffer);
  store<i32>(state + N, index);
}

/** All ones where a bit of the low four of `bits` is set, else zeros. */
// @ts-ignore: decorator
@inline
export function bitMask(bits: u32): v128 {
  const select = i32x4(1, 2, 4, 8);
  return i32x4.eq(v128.and(i32x4.splat(bits), select), select);
}

/** Waits until the word at p is `turn`. */
// @ts-ignore: decorator
@inline
export function waitTurn(p: usize, turn: i32): void {
  while (atomic.load<i32>(p) != turn) { /* the thread before is drawing */ }
}

/** Lets the thread that waits for the turn after `turn` go on. */
// @ts-ignore: decorator
@inline
export function passTurn(p: usize, turn: i32): void {
  atomic.store<i32>(p, turn + 1);
}

