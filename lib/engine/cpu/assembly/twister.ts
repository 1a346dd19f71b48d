// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// The Mersenne Twister, as PyTorch's dropout draws from it.
//
// PyTorch keeps an element if a float64 uniform, made of the low 53 bits of
// two words (the first is the high one), is below 1 - p. Compared as integers:
// bits < (1 - p) * 2^53. The high 21 bits decide alone unless they are equal,
// so only the first word of each pair is tempered; the second is needed once
// in two million draws.
//
// A block of 624 words has 312 pairs, whose bits are found while the block is
// made, four at a time. If an odd number of words was drawn before, pairs begin
// at the odd words, and the last one of a block ends in the next block.

// Where things are from the state's pointer on, in bytes.
const N: usize = 624 * 4; // 624 words, and sixteen of the next block's first words
const INDEX: usize = N + 64; // the next word
const READY: usize = N + 72; // 1: the bits are there
const BITS: usize = N + 80; // 312 bits: keep or not

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
function temper(y: u32): u32 {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return y ^ (y >> 18);
}

/** A new word: the top bit of a, the other bits of b, mixed with m. */
// @ts-ignore: decorator
@inline
function mix(a: u32, b: u32, m: u32): u32 {
  const y = (a & 0x80000000) | (b & 0x7fffffff);
  return m ^ (y >> 1) ^ (-(b & 1) & 0x9908b0df);
}

/** Four new words; b: the old ones from the next place on. */
// @ts-ignore: decorator
@inline
function mix4(a: v128, b: v128, m: v128): v128 {
  const y = v128.bitselect(a, b, i32x4.splat(0x80000000));
  const odd = i32x4.shr_s(i32x4.shl(b, 31), 31);
  return v128.xor(
    v128.xor(m, i32x4.shr_u(y, 1)),
    v128.and(odd, i32x4.splat(0x9908b0df)),
  );
}

/** The high 21 bits of the draws of the four pairs in eight words. */
// @ts-ignore: decorator
@inline
function draws(w0: v128, w1: v128, odd: bool): v128 {
  const first = odd
    ? v128.shuffle<i32>(w0, w1, 1, 3, 5, 7)
    : v128.shuffle<i32>(w0, w1, 0, 2, 4, 6);
  return v128.and(temper4(first), i32x4.splat(0x1fffff));
}

/** Makes the next block, and its bits. high, low: (1 - p) * 2^53. */
function twist(s: usize, odd: bool, high: u32, low: u32): void {
  const limit = i32x4.splat(high);
  let equal = i32x4.splat(0);
  let p = s;
  for (let i: usize = 0; i < 39; i++) {
    // From word 227 on, what is mixed in is new; the first new words also stand behind the block.
    const m = i < 15 ? p + 397 * 4 : p - 227 * 4;
    const w0 = mix4(v128.load(p), v128.load(p, 4), v128.load(m));
    const w1 = mix4(v128.load(p, 16), v128.load(p, 20), v128.load(m, 16));
    const w2 = mix4(v128.load(p, 32), v128.load(p, 36), v128.load(m, 32));
    const w3 = mix4(v128.load(p, 48), v128.load(p, 52), v128.load(m, 48));
    v128.store(p, w0);
    v128.store(p, w1, 16);
    v128.store(p, w2, 32);
    v128.store(p, w3, 48);
    if (i == 0) memory.copy(s + N, s, 64);
    const d0 = draws(w0, w1, odd), d1 = draws(w2, w3, odd);
    equal = v128.or(equal, v128.or(i32x4.eq(d0, limit), i32x4.eq(d1, limit)));
    const bits = i32x4.bitmask(i32x4.lt_s(d0, limit)) |
      (i32x4.bitmask(i32x4.lt_s(d1, limit)) << 4);
    store<u8>(s + i, <u8> bits, BITS);
    p += 64;
  }
  if (v128.any_true(equal)) exactBits(s, odd, high, low);
  store<i32>(s, 1, READY);
}

/** The bits of a block, by comparing all 53 bits. */
function exactBits(s: usize, odd: bool, high: u32, low: u32): void {
  const first = s + (odd ? 4 : 0);
  for (let i: usize = 0; i < 312; i += 8) {
    let byte: u32 = 0;
    for (let j: usize = 0; j < 8; j++) {
      const p = first + ((i + j) << 3);
      const h = temper(load<u32>(p)) & 0x1fffff;
      const second = odd && i + j == 311
        ? mix(load<u32>(s), load<u32>(s, 4), load<u32>(s, 397 * 4))
        : load<u32>(p, 4);
      const keep = h < high || (h == high && temper(second) < low);
      if (keep) byte |= <u32> 1 << <u32> j;
    }
    store<u8>(s + (i >> 3), <u8> byte, BITS);
  }
  store<i32>(s, 1, READY);
}

/**
 * Draws `count` bits (1: keep) into 32-bit words at `out`, the first in the
 * lowest bit; the last word is filled up with zeros. READY is 0 before the
 * first draw with this p.
 */
export function drawBits(
  out: usize,
  count: i32,
  s: usize,
  high: u32,
  low: u32,
): void {
  let index = load<i32>(s, INDEX);
  const odd = (index & 1) != 0;
  if (load<i32>(s, READY) == 0) exactBits(s, odd, high, low);
  let buffer: u64 = 0;
  let filled = 0; // bits in the buffer: fewer than 32
  while (count > 0) {
    let pair = index >> 1;
    if (pair == 312) {
      twist(s, odd, high, low);
      index = odd ? 1 : 0;
      pair = 0;
    }
    const take = min(min(count, 312 - pair), 32);
    // Bits pair .. pair + 31 lie within these eight bytes.
    const eight = load<u64>(s + (<usize> pair >> 3), BITS) >> <u64> (pair & 7);
    buffer |= (eight & (((<u64> 1) << <u64> take) - 1)) << <u64> filled;
    filled += take;
    index += take << 1;
    count -= take;
    if (filled >= 32) {
      store<u32>(out, <u32> buffer);
      out += 4;
      buffer >>= 32;
      filled -= 32;
    }
  }
  if (filled > 0) store<u32>(out, <u32> buffer);
  if (index == 625) { // the second word of the last pair is in the next block
    twist(s, odd, high, low);
    index = 1;
  }
  store<i32>(s, index, INDEX);
}

/** All ones where a bit of the low four of `bits` is set, else zeros. */
// @ts-ignore: decorator
@inline
export function bitMask(bits: u32): v128 {
  const select = i32x4(1, 2, 4, 8);
  return i32x4.eq(v128.and(i32x4.splat(bits), select), select);
}

/** Waits until the word at p is `turn`: the thread before is drawing. */
export function waitTurn(p: usize, turn: i32): void {
  for (let spins = 0; ; spins++) {
    const now = atomic.load<i32>(p);
    if (now == turn) return;
    // It may have lost its processor to another process: do not burn ours.
    if (spins >= 2000) atomic.wait<i32>(p, now, 1_000_000); // at most 1 ms
  }
}

/** Lets the thread that waits for the turn after `turn` go on. */
export function passTurn(p: usize, turn: i32): void {
  atomic.store<i32>(p, turn + 1);
  atomic.notify(p);
}
