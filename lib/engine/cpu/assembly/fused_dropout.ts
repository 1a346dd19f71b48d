// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Dropout with PyTorch's masks, forward and backward.
import { float, int, pointer } from "./common";
import { bitMask, drawBits, passTurn, waitTurn } from "./twister";

/** out = x * factor where a bit is set, else 0 (NaN if x is, as 0 * NaN). */
// @ts-ignore: decorator
@inline
function applyBits(out: usize, x: usize, bits: usize, n: i32, f: f32): void {
  const factor = f32x4.splat(f);
  let i: i32 = 0;
  for (; i + 8 <= n; i += 8) {
    const b = <u32> load<u8>(bits + (<usize> i >> 3));
    const m0 = v128.and(bitMask(b), factor);
    const m1 = v128.and(bitMask(b >> 4), factor);
    const y0 = f32x4.mul(v128.load(x), m0);
    const y1 = f32x4.mul(v128.load(x, 16), m1);
    v128.store(out, y0);
    v128.store(out, y1, 16);
    x += 32;
    out += 32;
  }
  for (; i < n; i++) {
    const b = <u32> load<u8>(bits + (<usize> i >> 3)) >> (i & 7);
    store<f32>(out, load<f32>(x) * ((b & 1) != 0 ? f : 0));
    x += 4;
    out += 4;
  }
}

/** Elements that one item of dropout has. */
const BLOCK = 4096;

/**
 * out = x * mask. One thread draws while another applies: items are handed out
 * by the counter at `turn`, and the draws of an item wait for those of the item
 * before. Items: blocks of 4096 elements.
 * args: out, x, bits, size, state, high, low, factor, turn (two words, 0).
 */
export function dropout(args: usize, begin: i32, end: i32): void {
  const size = int(args, 3), state = pointer(args, 4);
  const high = <u32> load<f64>(args, 40), low = <u32> load<f64>(args, 48);
  const factor = float(args, 7), turn = pointer(args, 8);
  for (let i = begin; i < end; i++) {
    const block = atomic.add<i32>(turn, 1);
    const first = block * BLOCK;
    const count = min(BLOCK, size - first);
    const bits = pointer(args, 2) + (<usize> first >> 3);
    waitTurn(turn + 4, block);
    drawBits(bits, count, state, high, low);
    passTurn(turn + 4, block);
    const offset = <usize> first << 2;
    applyBits(
      pointer(args, 0) + offset,
      pointer(args, 1) + offset,
      bits,
      count,
      factor,
    );
  }
}

/**
 * dx = dy * mask. Items: blocks of 4096 elements.
 * args: dx, dy, bits, size, factor.
 */
export function dropoutGrad(args: usize, begin: i32, end: i32): void {
  const first = begin * BLOCK;
  const count = min(end * BLOCK, int(args, 3)) - first;
  const offset = <usize> first << 2;
  applyBits(
    pointer(args, 0) + offset,
    pointer(args, 1) + offset,
    pointer(args, 2) + (<usize> first >> 3),
    count,
    float(args, 4),
  );
}
