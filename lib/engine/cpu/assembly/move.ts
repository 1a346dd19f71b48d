// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Copies: transposes, slices, concatenations, gathering and scattering rows.
import { int, pointer } from "./common";

const DIMS: i32 = 5;

/**
 * Copies runs of bytes from and to strided places. Items: runs, counted over
 * five dimensions d0 ... d4 (the last one fastest).
 * args: out, x, bytes of a run, d0 ... d4, out's strides 0 ... 4, x's strides
 * 0 ... 4 (in bytes; 0 repeats).
 */
export function copyStrided(args: usize, begin: i32, end: i32): void {
  const bytes = pointer(args, 2);
  const d4 = int(args, 7);
  const outStep = pointer(args, 12), xStep = pointer(args, 17);
  let item = begin;
  while (item < end) {
    let rest = item / d4;
    let i = item % d4;
    let out = pointer(args, 0) + <usize> i * outStep, x = pointer(args, 1) + <usize> i * xStep;
    for (let d = DIMS - 2; d >= 0; d--) {
      const size = int(args, 3 + d);
      const index = <usize> (rest % size);
      rest = rest / size;
      out += index * pointer(args, 8 + d);
      x += index * pointer(args, 13 + d);
    }
    const many = min(d4 - i, end - item);
    item += many;
    if (bytes == 4) {
      for (let n = 0; n < many; n++) {
        store<i32>(out, load<i32>(x));
        out += outStep;
        x += xStep;
      }
    } else if ((bytes & 15) == 0 && bytes <= 1024) {
      for (let n = 0; n < many; n++) {
        for (let b: usize = 0; b < bytes; b += 16) v128.store(out + b, v128.load(x + b));
        out += outStep;
        x += xStep;
      }
    } else {
      for (let n = 0; n < many; n++) {
        memory.copy(out, x, bytes);
        out += outStep;
        x += xStep;
      }
    }
  }
}

/**
 * Transposes matrices of 32-bit words: out (batch, columns, rows) of
 * x (batch, rows, columns). Items: blocks of 32 rows of out.
 * args: out, x, rows, columns, blocks of a matrix.
 */
export function transposeMatrix(args: usize, begin: i32, end: i32): void {
  const rows = int(args, 2), columns = int(args, 3), blocks = int(args, 4);
  const xRow: usize = <usize> columns << 2, outRow: usize = <usize> rows << 2;
  for (let item = begin; item < end; item++) {
    const matrix = <usize> (item / blocks) * rows * columns << 2;
    const first = item % blocks * 32, last = min(first + 32, columns);
    for (let i0 = 0; i0 < rows; i0 += 32) {
      const i1 = min(i0 + 32, rows);
      let j = first;
      for (; j + 4 <= last; j += 4) {
        let i = i0;
        let x = pointer(args, 1) + matrix + <usize> i * xRow + (<usize> j << 2);
        let out = pointer(args, 0) + matrix + <usize> j * outRow + (<usize> i << 2);
        for (; i + 4 <= i1; i += 4) {
          const r0 = v128.load(x), r1 = v128.load(x + xRow);
          const r2 = v128.load(x + 2 * xRow), r3 = v128.load(x + 3 * xRow);
          const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
          const t1 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
          const t2 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
          const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
          v128.store(out, v128.shuffle<f64>(t0, t2, 0, 2));
          v128.store(out + outRow, v128.shuffle<f64>(t0, t2, 1, 3));
          v128.store(out + 2 * outRow, v128.shuffle<f64>(t1, t3, 0, 2));
          v128.store(out + 3 * outRow, v128.shuffle<f64>(t1, t3, 1, 3));
          x += 4 * xRow;
          out += 16;
        }
        for (; i < i1; i++) {
          store<i32>(out, load<i32>(x));
          store<i32>(out + outRow, load<i32>(x, 4));
          store<i32>(out + 2 * outRow, load<i32>(x, 8));
          store<i32>(out + 3 * outRow, load<i32>(x, 12));
          x += xRow;
          out += 4;
        }
      }
      for (; j < last; j++) {
        let x = pointer(args, 1) + matrix + <usize> i0 * xRow + (<usize> j << 2);
        let out = pointer(args, 0) + matrix + <usize> j * outRow + (<usize> i0 << 2);
        for (let i = i0; i < i1; i++) {
          store<i32>(out, load<i32>(x));
          x += xRow;
          out += 4;
        }
      }
    }
  }
}

/**
 * Gathers rows: out[outer, i] = x[outer, ids[i]]. Items: rows of out.
 * args: out, x, ids, number of ids, rows of x an outer index, bytes of a row.
 * The ids must be in range.
 */
export function gatherRows(args: usize, begin: i32, end: i32): void {
  const ids = int(args, 3), rows = int(args, 4), bytes = pointer(args, 5);
  for (let item = begin; item < end; item++) {
    const outer = item / ids;
    const id = load<i32>(pointer(args, 2) + (<usize> (item % ids) << 2));
    memory.copy(
      pointer(args, 0) + <usize> item * bytes,
      pointer(args, 1) + <usize> (outer * rows + id) * bytes,
      bytes,
    );
  }
}

/**
 * Sums rows by segment: out[id] = sum of x[i] over ids[i] == id, in the order of
 * i. Items: rows of out. args: out, x, ids, number of ids, elements of a row.
 */
export function segmentSum(args: usize, begin: i32, end: i32): void {
  const out = pointer(args, 0), ids = pointer(args, 2), count = int(args, 3);
  const bytes: usize = pointer(args, 4) << 2;
  memory.fill(out + <usize> begin * bytes, 0, <usize> (end - begin) * bytes);
  for (let i = 0; i < count; i++) {
    const id = load<i32>(ids + (<usize> i << 2));
    if (id < begin || id >= end) continue;
    const o = out + <usize> id * bytes, x = pointer(args, 1) + <usize> i * bytes;
    let j: usize = 0;
    for (; j + 16 <= bytes; j += 16) {
      v128.store(o + j, f32x4.add(v128.load(o + j), v128.load(x + j)));
    }
    for (; j < bytes; j += 4) store<f32>(o + j, load<f32>(o + j) + load<f32>(x + j));
  }
}
