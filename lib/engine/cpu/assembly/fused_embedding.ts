// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Rows of a table, and the gradient that adds rows up again.
import { int, pointer } from "./common";

/** out[i] = table[ids[i]]. Items: ids. args: out, ids, table, columns. */
export function embeddingRows(args: usize, begin: i32, end: i32): void {
  const ids = pointer(args, 1), table = pointer(args, 2);
  const bytes = <usize> int(args, 3) << 2;
  let out = pointer(args, 0) + <usize> begin * bytes;
  for (let i = begin; i < end; i++) {
    const id = <usize> load<i32>(ids + (<usize> i << 2));
    memory.copy(out, table + id * bytes, bytes);
    out += bytes;
  }
}

/**
 * dtable = 0, then dtable[ids[i]] += dy[i] in the order of i.
 * Items: groups of 16 columns, so that no two threads add to one element.
 * args: dtable, ids, dy, columns, number of ids, rows of the table.
 */
export function embeddingGrad(args: usize, begin: i32, end: i32): void {
  const ids = pointer(args, 1);
  const columns = int(args, 3), count = int(args, 4), rows = int(args, 5);
  const bytes = <usize> columns << 2;
  const first = <usize> begin << 6;
  const width = min(<usize> end << 6, bytes) - first;
  const table = pointer(args, 0) + first;
  if (width == bytes) {
    memory.fill(table, 0, bytes * <usize> rows);
  } else {
    for (let row = 0; row < rows; row++) {
      memory.fill(table + <usize> row * bytes, 0, width);
    }
  }
  let y = pointer(args, 2) + first;
  for (let i = 0; i < count; i++) {
    const t = table + <usize> load<i32>(ids + (<usize> i << 2)) * bytes;
    let j: usize = 0;
    for (; j + 32 <= width; j += 32) {
      const s0 = f32x4.add(v128.load(t + j), v128.load(y + j));
      const s1 = f32x4.add(v128.load(t + j, 16), v128.load(y + j, 16));
      v128.store(t + j, s0);
      v128.store(t + j, s1, 16);
    }
    for (; j < width; j += 4) {
      store<f32>(t + j, load<f32>(t + j) + load<f32>(y + j));
    }
    y += bytes;
  }
}
