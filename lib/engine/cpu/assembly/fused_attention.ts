// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Scaled-dot-product attention, forward and backward, one block of queries of
// one head at a time: scores, softmax, dropout and the product with the values
// stay in this thread's part of the buffer, and the whole (T, T) matrix exists
// nowhere. Kept for the backward pass: two numbers a row (maximum and 1 / sum)
// and the bits of the dropout mask; the scores are computed again.
//
// With a causal mask the tiles above the diagonal are left out. A tile has six
// rows (queries, or keys in transposed products), as in matmul.ts; rows and
// columns in the buffer are padded, so that no edge needs a special case.
import { float, int, madd, pointer } from "./common";
import { exp, max4, sum4 } from "./fused_math";
import { packPanel, tile } from "./matmul";
import { bitMask, drawBits, passTurn, waitTurn } from "./twister";

// The argument record of both kernels.
const Q = 0, K = 1, V = 2;
const OUT = 3; // forward: the result; backward: its gradient
const STATS = 4; // (B, H, Tq, 2): maximum and 1 / sum of each row
const TQ = 5, TK = 6, D = 7, DV = 8;
const HEADS = 9; // heads of one batch
const CAUSAL = 10, SCALE = 11;
const MASK = 12; // bytes, 0: hidden; or 0
const MASK_B = 13, MASK_H = 14, MASK_I = 15, MASK_J = 16; // its strides
const BITS = 17; // dropout mask, each row in whole words; or 0
const FACTOR = 18; // 1 / (1 - p)
const WIDTH = 19; // columns of a panel: 8 or 16
const ROWS = 20; // queries of a block
const BUFFER = 21, BUFFER_BYTES = 22; // a part for each thread
const FREE = 23; // 64 bits: the parts that are free
const STATE = 24, HIGH = 25, LOW = 26, TURN = 27; // forward: dropout's draws
const DQ = 24, DK = 25, DVALUES = 26; // backward

/** Takes one of the parts of the buffer that are free. */
function takePart(free: usize): i32 {
  while (true) {
    const word = atomic.load<u64>(free);
    if (word != 0) {
      const left = word & (word - 1);
      if (atomic.cmpxchg<u64>(free, word, left) == word) return <i32> ctz(word);
    }
  }
}

function givePart(free: usize, part: i32): void {
  atomic.or<u64>(free, <u64> 1 << <u64> part);
}

// @ts-ignore: decorator
@inline
function roundUp(n: i32, multiple: i32): i32 {
  return (n + multiple - 1) / multiple * multiple;
}

/** Packs a matrix of k rows and n columns into panels, one after another. */
function pack(
  out: usize, b: usize, bK: usize, bN: usize, n: i32, k: i32, width: i32,
): void {
  for (let j = 0; j < n; j += width) {
    packPanel(out, b + <usize> j * bN, bK, bN, min(width, n - j), k, width);
    out += <usize> (k * width) << 2;
  }
}

/** Six rows of A times panels of B whose columns are `length` long. */
// @ts-ignore: decorator
@inline
function tiles(
  width: i32, a: usize, aRow: usize, aK: usize, b: usize, length: i32, k: i32,
  c: usize, cRow: usize, columns: i32, add: bool,
): void {
  for (let j = 0; j < columns; j += width) {
    tile(width, a, aRow, aK, b, k, c, cRow, add);
    b += <usize> (length * width) << 2;
    c += <usize> width << 2;
  }
}

/** out (rows, cRow bytes each) = x (rows, n) * factor. */
function copyRows(
  out: usize, outRow: usize, x: usize, xRow: usize, rows: i32, n: i32, f: f32,
): void {
  const factor = f32x4.splat(f);
  const bytes = <usize> n << 2;
  for (let i = 0; i < rows; i++) {
    let j: usize = 0;
    for (; j + 16 <= bytes; j += 16) {
      v128.store(out + j, f32x4.mul(v128.load(x + j), factor));
    }
    for (; j < bytes; j += 4) store<f32>(out + j, load<f32>(x + j) * f);
    out += outRow;
    x += xRow;
  }
}

/** Hides the scores of one row where the mask is 0. */
function hide(s: usize, mask: usize, step: usize, n: i32): void {
  for (let j = 0; j < n; j++) {
    if (load<u8>(mask) == 0) store<f32>(s, -Infinity);
    s += 4;
    mask += step;
  }
}

/** Scores from n to the next multiple of 8 become -inf. */
// @ts-ignore: decorator
@inline
function closeRow(s: usize, n: i32, n8: i32): void {
  for (let j = n; j < n8; j++) store<f32>(s + (<usize> j << 2), -Infinity);
}

/** Eight zeros. */
// @ts-ignore: decorator
@inline
function zero8(p: usize): void {
  v128.store(p, f32x4.splat(0));
  v128.store(p, f32x4.splat(0), 16);
}

/**
 * Items: blocks of queries, heads slowest. Takes the blocks in turn, whatever
 * the items: a block's draws wait for those of the block before.
 */
export function attention(args: usize, begin: i32, end: i32): void {
  const tq = int(args, TQ), tk = int(args, TK), d = int(args, D);
  const dv = int(args, DV), heads = int(args, HEADS);
  const causal = int(args, CAUSAL) != 0, scale = float(args, SCALE);
  const mask = pointer(args, MASK), bits = pointer(args, BITS);
  const width = int(args, WIDTH), rows = int(args, ROWS);
  const high = <u32> pointer(args, HIGH), low = <u32> pointer(args, LOW);
  const stats = pointer(args, STATS), turn = pointer(args, TURN);
  const blocks = (tq + rows - 1) / rows;
  const keys = roundUp(tk, width), values = roundUp(dv, width);
  const words = (tk + 31) >> 5;
  const dBytes = <usize> d << 2, dvBytes = <usize> dv << 2;

  const part = takePart(pointer(args, FREE));
  const rows6 = roundUp(rows, 6);
  const sRow = <usize> (keys + 16) << 2, oRow = <usize> values << 2;
  const packedK = pointer(args, BUFFER) +
    <usize> part * pointer(args, BUFFER_BYTES);
  const packedV = packedK + (<usize> (d * keys) << 2);
  const q = packedV + (<usize> (tk * values) << 2);
  const s = q + (<usize> (rows6 * d + 16) << 2);
  const o = s + <usize> rows6 * sRow;
  let packedHead = -1;

  for (let i = begin; i < end; i++) {
    const item = atomic.add<i32>(turn, 1);
    const head = item / blocks;
    const first = item % blocks * rows;
    const count = min(rows, tq - first);
    if (head != packedHead) {
      const kv = <usize> head * <usize> tk;
      pack(packedK, pointer(args, K) + kv * dBytes, 4, dBytes, tk, d, width);
      pack(packedV, pointer(args, V) + kv * dvBytes, dvBytes, 4, dv, tk, width);
      packedHead = head;
    }
    const row0 = <usize> head * tq + first;
    copyRows(q, dBytes, pointer(args, Q) + row0 * dBytes, dBytes, count, d, scale);
    for (let r = 0; r < count; r += 6) {
      const limit = causal ? min(tk, first + r + 6) : tk;
      tiles(
        width, q + <usize> r * dBytes, dBytes, 4, packedK, d, d,
        s + <usize> r * sRow, sRow, limit, false,
      );
    }
    if (bits != 0) {
      waitTurn(turn + 4, item);
      for (let r: usize = 0; r < <usize> count; r++) {
        const to = bits + ((row0 + r) * words << 2);
        drawBits(to, tk, pointer(args, STATE), high, low);
      }
      passTurn(turn + 4, item);
    }
    const batchMask = mask + <usize> (head / heads) * pointer(args, MASK_B) +
      <usize> (head % heads) * pointer(args, MASK_H);
    for (let r = 0; r < count; r++) {
      const row = s + <usize> r * sRow;
      const n = causal ? min(tk, first + r + 1) : tk;
      const n8 = (n + 7) & ~7;
      if (mask != 0) {
        const m = batchMask + <usize> (first + r) * pointer(args, MASK_I);
        hide(row, m, pointer(args, MASK_J), n);
      }
      closeRow(row, n, n8);
      const last = <usize> n8 << 2;
      let m0 = f32x4.splat(-Infinity), m1 = m0;
      for (let j: usize = 0; j < last; j += 32) {
        m0 = f32x4.pmax(m0, v128.load(row + j));
        m1 = f32x4.pmax(m1, v128.load(row + j, 16));
      }
      let max = max4(f32x4.pmax(m0, m1));
      if (max == -Infinity) max = 0; // nothing to attend to: all exp are 0
      const vmax = f32x4.splat(max);
      let sum0 = f32x4.splat(0), sum1 = sum0;
      if (bits == 0) {
        for (let j: usize = 0; j < last; j += 32) {
          const e0 = exp(f32x4.sub(v128.load(row + j), vmax));
          const e1 = exp(f32x4.sub(v128.load(row + j, 16), vmax));
          v128.store(row + j, e0);
          v128.store(row + j, e1, 16);
          sum0 = f32x4.add(sum0, e0);
          sum1 = f32x4.add(sum1, e1);
        }
      } else {
        let b = bits + ((row0 + r) * words << 2);
        for (let j: usize = 0; j < last; j += 32) {
          const e0 = exp(f32x4.sub(v128.load(row + j), vmax));
          const e1 = exp(f32x4.sub(v128.load(row + j, 16), vmax));
          const byte = <u32> load<u8>(b);
          v128.store(row + j, v128.and(e0, bitMask(byte)));
          v128.store(row + j, v128.and(e1, bitMask(byte >> 4)), 16);
          sum0 = f32x4.add(sum0, e0);
          sum1 = f32x4.add(sum1, e1);
          b++;
        }
      }
      zero8(row + last);
      const sum = sum4(f32x4.add(sum0, sum1));
      const stat = stats + ((row0 + r) << 3);
      store<f32>(stat, max);
      store<f32>(stat, sum == 0 ? 0 : <f32> 1 / sum, 4);
    }
    for (let r = 0; r < count; r += 6) {
      const limit = causal ? min(tk, first + r + 6) : tk;
      tiles(
        width, s + <usize> r * sRow, sRow, 4, packedV, tk, limit,
        o + <usize> r * oRow, oRow, dv, false,
      );
    }
    const factor = bits == 0 ? <f32> 1 : float(args, FACTOR);
    for (let r = 0; r < count; r++) {
      const f = load<f32>(stats + ((row0 + r) << 3), 4) * factor;
      const to = pointer(args, OUT) + (row0 + r) * dvBytes;
      copyRows(to, dvBytes, o + <usize> r * oRow, oRow, 1, dv, f);
    }
  }
  givePart(pointer(args, FREE), part);
}

/**
 * With P the softmax, M the dropout mask (0 or factor) and dO the gradient of
 * the result: dV = (P M)^T dO, dP = (dO V^T) M, delta = sum_j P dP,
 * dS = P (dP - delta), dQ = scale dS K, dK = scale dS^T Q. Items: heads.
 */
export function attentionGrad(args: usize, begin: i32, end: i32): void {
  const tq = int(args, TQ), tk = int(args, TK), d = int(args, D);
  const dv = int(args, DV), heads = int(args, HEADS);
  const causal = int(args, CAUSAL) != 0, scale = float(args, SCALE);
  const mask = pointer(args, MASK), bits = pointer(args, BITS);
  const width = int(args, WIDTH), rows = int(args, ROWS);
  const stats = pointer(args, STATS);
  const factor = f32x4.splat(float(args, FACTOR));
  const keys = roundUp(tk, width), keys6 = roundUp(tk, 6);
  const values = roundUp(dv, width), dims = roundUp(d, width);
  const words = (tk + 31) >> 5;
  const dBytes = <usize> d << 2, dvBytes = <usize> dv << 2;

  const part = takePart(pointer(args, FREE));
  const rows6 = roundUp(rows, 6);
  const sRow = <usize> (keys + 16) << 2;
  const gRow = <usize> dims << 2, vRow = <usize> values << 2;
  const packedKT = pointer(args, BUFFER) +
    <usize> part * pointer(args, BUFFER_BYTES);
  const packedVT = packedKT + (<usize> (d * keys) << 2);
  const packedK = packedVT + (<usize> (dv * keys) << 2);
  const dk = packedK + <usize> tk * gRow;
  const dvalues = dk + <usize> keys6 * gRow;
  const q = dvalues + <usize> keys6 * vRow; // scaled
  const dy = q + (<usize> (rows6 * d + 16) << 2);
  const packedQ = dy + (<usize> (rows6 * dv + 16) << 2);
  const packedDy = packedQ + <usize> rows6 * gRow;
  const dq = packedDy + <usize> rows6 * vRow;
  const s = dq + <usize> rows6 * gRow;
  const dp = s + <usize> rows6 * sRow;

  for (let head = begin; head < end; head++) {
    const kv = <usize> head * <usize> tk;
    const k = pointer(args, K) + kv * dBytes;
    const v = pointer(args, V) + kv * dvBytes;
    pack(packedKT, k, 4, dBytes, tk, d, width);
    pack(packedVT, v, 4, dvBytes, tk, dv, width);
    pack(packedK, k, dBytes, 4, d, tk, width);
    memory.fill(dk, 0, <usize> keys6 * (gRow + vRow));
    const batchMask = mask + <usize> (head / heads) * pointer(args, MASK_B) +
      <usize> (head % heads) * pointer(args, MASK_H);
    for (let first = 0; first < tq; first += rows) {
      const count = min(rows, tq - first);
      const row0 = <usize> head * tq + first;
      copyRows(q, dBytes, pointer(args, Q) + row0 * dBytes, dBytes, count, d, scale);
      memory.copy(dy, pointer(args, OUT) + row0 * dvBytes, <usize> count * dvBytes);
      pack(packedQ, q, dBytes, 4, d, count, width);
      pack(packedDy, dy, dvBytes, 4, dv, count, width);
      for (let r = 0; r < count; r += 6) {
        const limit = causal ? min(tk, first + r + 6) : tk;
        tiles(
          width, q + <usize> r * dBytes, dBytes, 4, packedKT, d, d,
          s + <usize> r * sRow, sRow, limit, false,
        );
        tiles(
          width, dy + <usize> r * dvBytes, dvBytes, 4, packedVT, dv, dv,
          dp + <usize> r * sRow, sRow, limit, false,
        );
      }
      for (let r = 0; r < count; r++) {
        const row = s + <usize> r * sRow, grad = dp + <usize> r * sRow;
        const n = causal ? min(tk, first + r + 1) : tk;
        const n8 = (n + 7) & ~7;
        if (mask != 0) {
          const m = batchMask + <usize> (first + r) * pointer(args, MASK_I);
          hide(row, m, pointer(args, MASK_J), n);
        }
        closeRow(row, n, n8);
        for (let j = n; j < n8; j++) store<f32>(grad + (<usize> j << 2), 0);
        const last = <usize> n8 << 2;
        const stat = stats + ((row0 + r) << 3);
        const max = v128.load32_splat(stat), inv = v128.load32_splat(stat + 4);
        const b = bits + ((row0 + r) * words << 2);
        let sum0 = f32x4.splat(0), sum1 = sum0;
        if (bits == 0) {
          for (let j: usize = 0; j < last; j += 32) {
            const p0 = f32x4.mul(exp(f32x4.sub(v128.load(row + j), max)), inv);
            const p1 = f32x4.mul(
              exp(f32x4.sub(v128.load(row + j, 16), max)),
              inv,
            );
            v128.store(row + j, p0);
            v128.store(row + j, p1, 16);
            sum0 = madd(p0, v128.load(grad + j), sum0);
            sum1 = madd(p1, v128.load(grad + j, 16), sum1);
          }
          const delta = f32x4.splat(sum4(f32x4.add(sum0, sum1)));
          for (let j: usize = 0; j < last; j += 32) {
            const g0 = f32x4.sub(v128.load(grad + j), delta);
            const g1 = f32x4.sub(v128.load(grad + j, 16), delta);
            v128.store(grad + j, f32x4.mul(v128.load(row + j), g0));
            v128.store(grad + j, f32x4.mul(v128.load(row + j, 16), g1), 16);
          }
        } else {
          for (let j: usize = 0; j < last; j += 32) {
            const p0 = f32x4.mul(exp(f32x4.sub(v128.load(row + j), max)), inv);
            const p1 = f32x4.mul(
              exp(f32x4.sub(v128.load(row + j, 16), max)),
              inv,
            );
            v128.store(row + j, p0);
            v128.store(row + j, p1, 16);
            const byte = <u32> load<u8>(b + (j >> 5));
            const g0 = f32x4.mul(
              v128.load(grad + j),
              v128.and(factor, bitMask(byte)),
            );
            const g1 = f32x4.mul(
              v128.load(grad + j, 16),
              v128.and(factor, bitMask(byte >> 4)),
            );
            v128.store(grad + j, g0);
            v128.store(grad + j, g1, 16);
            sum0 = madd(p0, g0, sum0);
            sum1 = madd(p1, g1, sum1);
          }
          const delta = f32x4.splat(sum4(f32x4.add(sum0, sum1)));
          for (let j: usize = 0; j < last; j += 32) {
            const p0 = v128.load(row + j), p1 = v128.load(row + j, 16);
            const g0 = f32x4.sub(v128.load(grad + j), delta);
            const g1 = f32x4.sub(v128.load(grad + j, 16), delta);
            v128.store(grad + j, f32x4.mul(p0, g0));
            v128.store(grad + j, f32x4.mul(p1, g1), 16);
            const byte = <u32> load<u8>(b + (j >> 5));
            const d0 = f32x4.mul(p0, v128.and(factor, bitMask(byte)));
            const d1 = f32x4.mul(p1, v128.and(factor, bitMask(byte >> 4)));
            v128.store(row + j, d0);
            v128.store(row + j, d1, 16);
          }
        }
        zero8(row + last);
        zero8(grad + last);
      }
      for (let r = 0; r < count; r += 6) {
        const limit = causal ? min(tk, first + r + 6) : tk;
        tiles(
          width, dp + <usize> r * sRow, sRow, 4, packedK, tk, limit,
          dq + <usize> r * gRow, gRow, d, false,
        );
      }
      const to = pointer(args, DQ) + row0 * dBytes;
      copyRows(to, dBytes, dq, gRow, count, d, scale);
      // Rows before `from` do not see the keys of the tile.
      const seen = causal ? min(tk, first + count) : tk;
      for (let j = 0; j < seen; j += 6) {
        const from = causal ? max(0, j - first) : 0;
        const at = <usize> from * sRow + (<usize> j << 2);
        tilesFrom(
          width, s + at, sRow, packedDy, count, from,
          dvalues + <usize> j * vRow, vRow, dv,
        );
        tilesFrom(
          width, dp + at, sRow, packedQ, count, from,
          dk + <usize> j * gRow, gRow, d,
        );
      }
    }
    copyRows(pointer(args, DK) + kv * dBytes, dBytes, dk, gRow, tk, d, 1);
    copyRows(
      pointer(args, DVALUES) + kv * dvBytes, dvBytes, dvalues, vRow, tk, dv, 1,
    );
  }
  givePart(pointer(args, FREE), part);
}

/** C += A^T B for six columns of A, from row `from` on. */
// @ts-ignore: decorator
@inline
function tilesFrom(
  width: i32, a: usize, aK: usize, b: usize, length: i32, from: i32,
  c: usize, cRow: usize, columns: i32,
): void {
  const skip = <usize> (from * width) << 2;
  for (let j = 0; j < columns; j += width) {
    tile(width, a, 4, aK, b + skip, length - from, c, cRow, true);
    b += <usize> (length * width) << 2;
    c += <usize> width << 2;
  }
}
