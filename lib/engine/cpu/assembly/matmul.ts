// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Matrix products: C = A B, with A (M, K), B (K, N) and C (M, N) of any strides.
//
// B is packed into panels of 8 or 16 columns (zero-filled at the edge); A is
// read where it is, by a row stride and a column stride. A tile of 6 rows and
// one panel is summed in registers. Blocks of KB columns of A keep what is
// used again in the caches; the sum over K is made block after block, in the
// same order for every element, tile shape and number of threads.
import { sigmoid } from "./math";
import { int, madd, pointer, scratch } from "./common";

const KB: i32 = 256; // block of K
const MB: i32 = 96; // block of rows, a multiple of 6
const NB: i32 = 512; // columns that a thread packs for itself
const PACK_ROWS: i32 = 32; // rows of B that are packed into all panels before the next ones

// The argument record. Strides are in bytes.
const C = 0, C_BATCH = 1, C_ROW = 2;
const A = 3, A_BATCH = 4, A_ROW = 5, A_K = 6;
const B = 7, B_BATCH = 8, B_K = 9, B_N = 10;
const M = 11, N = 12, K = 13;
const BIAS = 14; // pointer to N values, or 0
const ACTIVATION = 15; // NONE, RELU or SIGMOID
const ADD = 16; // 1: C += A B
const WIDTH = 17; // columns of a panel: 8 or 16
const ITEM_ROWS = 18; // rows of an item
const ROW_ITEMS = 19; // items to cover all rows
const ITEM_PANELS = 20; // panels of an item (multiplyPacked)
const PANEL_ITEMS = 21; // items to cover all panels
const PACKED = 22; // B, packed

const RELU: i32 = 1;
const SIGMOID: i32 = 2;

// @ts-ignore: decorator
@inline
function zero(): v128 {
  return f32x4.splat(0);
}

// @ts-ignore: decorator
@inline
function store8(c: usize, x0: v128, x1: v128, add: bool): void {
  if (add) {
    x0 = f32x4.add(v128.load(c), x0);
    x1 = f32x4.add(v128.load(c, 16), x1);
  }
  v128.store(c, x0);
  v128.store(c, x1, 16);
}

// Offsets are immediate: by them V8 sees neighbours, which turbo makes one store of 256 bits.
// @ts-ignore: decorator
@inline
function store16(c: usize, x0: v128, x1: v128, x2: v128, x3: v128, add: bool): void {
  if (add) {
    x0 = f32x4.add(v128.load(c), x0);
    x1 = f32x4.add(v128.load(c, 16), x1);
    x2 = f32x4.add(v128.load(c, 32), x2);
    x3 = f32x4.add(v128.load(c, 48), x3);
  }
  v128.store(c, x0);
  v128.store(c, x1, 16);
  v128.store(c, x2, 32);
  v128.store(c, x3, 48);
}

// 6 rows x 8 columns: 12 accumulators.
function tile8(
  a: usize, aRow: usize, aK: usize, b: usize, k: i32, c: usize, cRow: usize, add: bool,
): void {
  let c00 = zero(), c01 = zero();
  let c10 = zero(), c11 = zero();
  let c20 = zero(), c21 = zero();
  let c30 = zero(), c31 = zero();
  let c40 = zero(), c41 = zero();
  let c50 = zero(), c51 = zero();
  for (; k > 0; k--) {
    const b0 = v128.load(b, 0), b1 = v128.load(b, 16);
    let p = a;
    const x0 = v128.load_splat<f32>(p);
    c00 = madd(x0, b0, c00);
    c01 = madd(x0, b1, c01);
    p += aRow;
    const x1 = v128.load_splat<f32>(p);
    c10 = madd(x1, b0, c10);
    c11 = madd(x1, b1, c11);
    p += aRow;
    const x2 = v128.load_splat<f32>(p);
    c20 = madd(x2, b0, c20);
    c21 = madd(x2, b1, c21);
    p += aRow;
    const x3 = v128.load_splat<f32>(p);
    c30 = madd(x3, b0, c30);
    c31 = madd(x3, b1, c31);
    p += aRow;
    const x4 = v128.load_splat<f32>(p);
    c40 = madd(x4, b0, c40);
    c41 = madd(x4, b1, c41);
    p += aRow;
    const x5 = v128.load_splat<f32>(p);
    c50 = madd(x5, b0, c50);
    c51 = madd(x5, b1, c51);
    a += aK;
    b += 32;
  }
  store8(c, c00, c01, add);
  c += cRow;
  store8(c, c10, c11, add);
  c += cRow;
  store8(c, c20, c21, add);
  c += cRow;
  store8(c, c30, c31, add);
  c += cRow;
  store8(c, c40, c41, add);
  c += cRow;
  store8(c, c50, c51, add);
}

// 6 rows x 16 columns: 24 accumulators.
function tile16(
  a: usize, aRow: usize, aK: usize, b: usize, k: i32, c: usize, cRow: usize, add: bool,
): void {
  let c00 = zero(), c01 = zero(), c02 = zero(), c03 = zero();
  let c10 = zero(), c11 = zero(), c12 = zero(), c13 = zero();
  let c20 = zero(), c21 = zero(), c22 = zero(), c23 = zero();
  let c30 = zero(), c31 = zero(), c32 = zero(), c33 = zero();
  let c40 = zero(), c41 = zero(), c42 = zero(), c43 = zero();
  let c50 = zero(), c51 = zero(), c52 = zero(), c53 = zero();
  for (; k > 0; k--) {
    const b0 = v128.load(b, 0), b1 = v128.load(b, 16), b2 = v128.load(b, 32), b3 = v128.load(b, 48);
    let p = a;
    const x0 = v128.load_splat<f32>(p);
    c00 = madd(x0, b0, c00);
    c01 = madd(x0, b1, c01);
    c02 = madd(x0, b2, c02);
    c03 = madd(x0, b3, c03);
    p += aRow;
    const x1 = v128.load_splat<f32>(p);
    c10 = madd(x1, b0, c10);
    c11 = madd(x1, b1, c11);
    c12 = madd(x1, b2, c12);
    c13 = madd(x1, b3, c13);
    p += aRow;
    const x2 = v128.load_splat<f32>(p);
    c20 = madd(x2, b0, c20);
    c21 = madd(x2, b1, c21);
    c22 = madd(x2, b2, c22);
    c23 = madd(x2, b3, c23);
    p += aRow;
    const x3 = v128.load_splat<f32>(p);
    c30 = madd(x3, b0, c30);
    c31 = madd(x3, b1, c31);
    c32 = madd(x3, b2, c32);
    c33 = madd(x3, b3, c33);
    p += aRow;
    const x4 = v128.load_splat<f32>(p);
    c40 = madd(x4, b0, c40);
    c41 = madd(x4, b1, c41);
    c42 = madd(x4, b2, c42);
    c43 = madd(x4, b3, c43);
    p += aRow;
    const x5 = v128.load_splat<f32>(p);
    c50 = madd(x5, b0, c50);
    c51 = madd(x5, b1, c51);
    c52 = madd(x5, b2, c52);
    c53 = madd(x5, b3, c53);
    a += aK;
    b += 64;
  }
  store16(c, c00, c01, c02, c03, add);
  c += cRow;
  store16(c, c10, c11, c12, c13, add);
  c += cRow;
  store16(c, c20, c21, c22, c23, add);
  c += cRow;
  store16(c, c30, c31, c32, c33, add);
  c += cRow;
  store16(c, c40, c41, c42, c43, add);
  c += cRow;
  store16(c, c50, c51, c52, c53, add);
}

// @ts-ignore: decorator
@inline
export function tile(
  width: i32, a: usize, aRow: usize, aK: usize, b: usize, k: i32, c: usize, cRow: usize, add: bool,
): void {
  if (width == 8) tile8(a, aRow, aK, b, k, c, cRow, add);
  else tile16(a, aRow, aK, b, k, c, cRow, add);
}

// Packs `columns` columns (at most `width`) and k rows of B into one panel.
export function packPanel(
  out: usize, b: usize, bK: usize, bN: usize, columns: i32, k: i32, width: i32,
): void {
  const outRow: usize = <usize> width << 2;
  if (columns == width && bN == 4) {
    for (let i = 0; i < k; i++) {
      for (let j: usize = 0; j < outRow; j += 32) {
        const x0 = v128.load(b + j), x1 = v128.load(b + j, 16);
        v128.store(out + j, x0);
        v128.store(out + j, x1, 16);
      }
      b += bK;
      out += outRow;
    }
    return;
  }
  if (columns == width && bK == 4) { // transpose in blocks of 4 x 4
    let i = 0;
    for (; i + 4 <= k; i += 4) {
      let p = b;
      for (let j: usize = 0; j < outRow; j += 16) {
        const r0 = v128.load(p), r1 = v128.load(p + bN);
        const r2 = v128.load(p + 2 * bN), r3 = v128.load(p + 3 * bN);
        const t0 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const t1 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const t2 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const t3 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        const o = out + j;
        v128.store(o, v128.shuffle<f64>(t0, t2, 0, 2));
        v128.store(o + outRow, v128.shuffle<f64>(t0, t2, 1, 3));
        v128.store(o + 2 * outRow, v128.shuffle<f64>(t1, t3, 0, 2));
        v128.store(o + 3 * outRow, v128.shuffle<f64>(t1, t3, 1, 3));
        p += 4 * bN;
      }
      b += 16;
      out += 4 * outRow;
    }
    k -= i;
  }
  for (let i = 0; i < k; i++) {
    let p = b;
    for (let j = 0; j < width; j++) {
      store<f32>(out + (<usize> j << 2), j < columns ? load<f32>(p) : 0);
      if (j < columns - 1) p += bN;
    }
    b += bK;
    out += outRow;
  }
}

// Where panel `panel` of the K block at k0 is, in B packed as a whole.
// @ts-ignore: decorator
@inline
function panelAt(packed: usize, panels: i32, width: i32, panel: i32, k0: i32, kc: i32): usize {
  return packed + ((<usize> panels * k0 + <usize> panel * kc) * width << 2);
}

/**
 * Packs B. Items: blocks of PACK_ROWS rows, where B's rows are contiguous (they are read from begin
 * to end); else panels.
 */
export function packMatrix(args: usize, begin: i32, end: i32): void {
  const bK = pointer(args, B_K), bN = pointer(args, B_N);
  const n = int(args, N), k = int(args, K), width = int(args, WIDTH);
  const panels = (n + width - 1) / width;
  const byRows = bN == 4;
  const kBegin = byRows ? begin * PACK_ROWS : 0, kEnd = byRows ? min(end * PACK_ROWS, k) : k;
  const first = byRows ? 0 : begin, last = byRows ? panels : end;
  const step = byRows ? PACK_ROWS : KB;
  for (let i = kBegin; i < kEnd; i += step) {
    const k0 = i / KB * KB, kc = min(KB, k - k0);
    const row = pointer(args, B) + <usize> i * bK;
    for (let panel = first; panel < last; panel++) {
      const n0 = panel * width;
      const out = panelAt(pointer(args, PACKED), panels, width, panel, k0, kc) +
        (<usize> ((i - k0) * width) << 2);
      packPanel(out, row + <usize> n0 * bN, bK, bN, min(width, n - n0), min(step, k - i), width);
    }
  }
}

// Where each thread's scratch goes: its own panels of B, a block of A, a tile.
const SCRATCH_A: usize = NB * KB * 4;
const SCRATCH_TILE: usize = SCRATCH_A + MB * KB * 4;

/**
 * Packs a block of A: groups of six rows (zero-filled at the end), in which the six numbers of a
 * column lie side by side. A few columns are packed into all groups before the next ones, as a
 * cache line of A has parts of several.
 */
function packRows(out: usize, a: usize, aRow: usize, aK: usize, rows: i32, k: i32): void {
  const group = <usize> (6 * k) << 2;
  for (let k0 = 0; k0 < k; k0 += 8) {
    const last = min(k0 + 8, k);
    let from = out;
    for (let i = 0; i < rows; i += 6) {
      const have = min(6, rows - i);
      let o = from + <usize> k0 * 24;
      let p = a + <usize> i * aRow + <usize> k0 * aK;
      if (aRow == 4 && have == 6) {
        for (let j = k0; j < last; j++) {
          v128.store(o, v128.load(p));
          store<i64>(o, load<i64>(p, 16), 16);
          o += 24;
          p += aK;
        }
      } else {
        for (let j = k0; j < last; j++) {
          for (let r = 0; r < 6; r++) {
            const value: f32 = r < have ? load<f32>(p + <usize> r * aRow) : 0;
            store<f32>(o + (<usize> r << 2), value);
          }
          o += 24;
          p += aK;
        }
      }
      from += group;
    }
  }
}

// One panel times `rows` rows (any number) of A: C (rows, columns <= width).
// `group`: bytes from six packed rows of A to the next six, or 0 if A is not packed.
function rowsTimesPanel(
  width: i32, a: usize, aRow: usize, aK: usize, group: usize, b: usize, k: i32,
  c: usize, cRow: usize, rows: i32, columns: i32, add: bool,
): void {
  const step = group != 0 ? group : 6 * aRow;
  let i = 0;
  if (columns == width) {
    for (; i + 6 <= rows; i += 6) {
      tile(width, a, aRow, aK, b, k, c + <usize> i * cRow, cRow, add);
      a += step;
    }
  }
  // At the edges the tile is computed aside and the part that is wanted copied.
  const aside = scratch() + SCRATCH_TILE;
  const asideRow: usize = <usize> width << 2;
  for (; i < rows; i += 6) {
    const have = min(6, rows - i);
    // The tile reads 6 rows: where A has fewer, it starts higher up.
    const skip = group != 0 ? 0 : 6 - have;
    tile(width, a - <usize> skip * aRow, aRow, aK, b, k, aside, asideRow, false);
    for (let r = 0; r < have; r++) {
      copyRow(c + <usize> (i + r) * cRow, aside + <usize> (r + skip) * asideRow, columns, add);
    }
    a += step;
  }
}

function copyRow(out: usize, x: usize, columns: i32, add: bool): void {
  for (let j: usize = 0; j < <usize> columns << 2; j += 4) {
    const value = load<f32>(x + j);
    store<f32>(out + j, add ? load<f32>(out + j) + value : value);
  }
}

// One K block: rows of A times panels of B that are packed one after another.
function rowsTimesPanels(
  width: i32, a: usize, aRow: usize, aK: usize, b: usize, k: i32,
  c: usize, cRow: usize, rows: i32, columns: i32, add: bool,
): void {
  const packs = (aRow == 4 && aK != 4 && columns > width) || (aK >= 1024 && columns > 2 * width);
  for (let i = 0; i < rows; i += MB) {
    const count = min(MB, rows - i);
    let p = a + <usize> i * aRow, pRow = aRow, pK = aK, group: usize = 0;
    if (packs || count < 6) { // a tile reads six rows
      p = scratch() + SCRATCH_A;
      packRows(p, a + <usize> i * aRow, aRow, aK, count, k);
      pRow = 4;
      pK = 24;
      group = <usize> (6 * k) << 2;
    }
    let panel = b;
    for (let j = 0; j < columns; j += width) {
      rowsTimesPanel(
        width, p, pRow, pK, group, panel, k,
        c + <usize> i * cRow + (<usize> j << 2), cRow, count, min(width, columns - j), add,
      );
      panel += <usize> (k * width) << 2;
    }
  }
}

// Adds the bias and applies the activation to a block of C.
function finish(
  c: usize, cRow: usize, rows: i32, columns: i32, bias: usize, activation: i32,
): void {
  if (bias == 0 && activation == 0) return;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j += 4) {
      const at = <usize> j << 2;
      if (j + 4 <= columns) {
        let x = v128.load(c + at);
        if (bias != 0) x = f32x4.add(x, v128.load(bias + at));
        v128.store(c + at, activate(x, activation));
      } else {
        for (let l = at; l < <usize> columns << 2; l += 4) {
          let x = v128.load_splat<f32>(c + l);
          if (bias != 0) x = f32x4.add(x, v128.load_splat<f32>(bias + l));
          v128.store_lane<f32>(c + l, activate(x, activation), 0);
        }
      }
    }
    c += cRow;
  }
}

// @ts-ignore: decorator
@inline
function activate(x: v128, activation: i32): v128 {
  if (activation == RELU) return f32x4.pmax(x, zero()); // NaN stays
  if (activation == SIGMOID) return sigmoid(x);
  return x;
}

/**
 * C = A B with B packed by packMatrix. Items: blocks of ITEM_ROWS rows times
 * ITEM_PANELS panels, rows slowest.
 */
export function multiplyPacked(args: usize, begin: i32, end: i32): void {
  const aRow = pointer(args, A_ROW), aK = pointer(args, A_K), cRow = pointer(args, C_ROW);
  const m = int(args, M), n = int(args, N), k = int(args, K), width = int(args, WIDTH);
  const itemRows = int(args, ITEM_ROWS), itemPanels = int(args, ITEM_PANELS);
  const panelItems = int(args, PANEL_ITEMS);
  const panels = (n + width - 1) / width;
  for (let item = begin; item < end; item++) {
    const i = item / panelItems * itemRows;
    const panel = item % panelItems * itemPanels;
    const j = panel * width;
    const rows = min(itemRows, m - i), columns = min(itemPanels * width, n - j);
    const a = pointer(args, A) + <usize> i * aRow;
    const c = pointer(args, C) + <usize> i * cRow + (<usize> j << 2);
    for (let k0 = 0; k0 < k; k0 += KB) {
      const kc = min(KB, k - k0);
      rowsTimesPanels(
        width, a + <usize> k0 * aK, aRow, aK,
        panelAt(pointer(args, PACKED), panels, width, panel, k0, kc), kc,
        c, cRow, rows, columns, k0 > 0 || int(args, ADD) != 0,
      );
    }
    const bias = pointer(args, BIAS);
    finish(c, cRow, rows, columns, bias == 0 ? 0 : bias + (<usize> j << 2), int(args, ACTIVATION));
  }
}

/**
 * C = A B, where each thread packs the blocks of B that it needs: for batches
 * of small matrices. Items: blocks of ITEM_ROWS rows, batches slowest.
 */
export function multiplyBatch(args: usize, begin: i32, end: i32): void {
  const aRow = pointer(args, A_ROW), aK = pointer(args, A_K), cRow = pointer(args, C_ROW);
  const bK = pointer(args, B_K), bN = pointer(args, B_N);
  const m = int(args, M), n = int(args, N), k = int(args, K), width = int(args, WIDTH);
  const itemRows = int(args, ITEM_ROWS), rowItems = int(args, ROW_ITEMS);
  const packed = scratch();
  for (let item = begin; item < end; item++) {
    const batch = <usize> (item / rowItems);
    const i = item % rowItems * itemRows;
    const rows = min(itemRows, m - i);
    const a = pointer(args, A) + batch * pointer(args, A_BATCH) + <usize> i * aRow;
    const b = pointer(args, B) + batch * pointer(args, B_BATCH);
    const c = pointer(args, C) + batch * pointer(args, C_BATCH) + <usize> i * cRow;
    for (let n0 = 0; n0 < n; n0 += NB) {
      const columns = min(NB, n - n0);
      for (let k0 = 0; k0 < k; k0 += KB) {
        const kc = min(KB, k - k0);
        const from = b + <usize> n0 * bN + <usize> k0 * bK;
        for (let j = 0; j < columns; j += width) {
          packPanel(
            packed + (<usize> (j * kc) << 2), from + <usize> j * bN, bK, bN,
            min(width, columns - j), kc, width,
          );
        }
        rowsTimesPanels(
          width, a + <usize> k0 * aK, aRow, aK, packed, kc,
          c + (<usize> n0 << 2), cRow, rows, columns, k0 > 0 || int(args, ADD) != 0,
        );
      }
    }
    finish(c, cRow, rows, n, pointer(args, BIAS), int(args, ACTIVATION));
  }
}

/**
 * C = A B for few rows, B with contiguous rows. Items: blocks of 32 columns.
 * B is read once and not packed.
 */
export function multiplyRows(args: usize, begin: i32, end: i32): void {
  const aRow = pointer(args, A_ROW), aK = pointer(args, A_K), cRow = pointer(args, C_ROW);
  const bK = pointer(args, B_K);
  const m = int(args, M), n = int(args, N), k = int(args, K);
  const add = int(args, ADD) != 0, bias = pointer(args, BIAS);
  for (let item = begin; item < end; item++) {
    const j = item * 32, columns = min(32, n - j);
    const at = <usize> j << 2;
    for (let i = 0; i < m; i++) {
      let a = pointer(args, A) + <usize> i * aRow;
      let b = pointer(args, B) + at;
      const c = pointer(args, C) + <usize> i * cRow + at;
      if (columns == 32) {
        let c0 = zero(), c1 = zero(), c2 = zero(), c3 = zero();
        let c4 = zero(), c5 = zero(), c6 = zero(), c7 = zero();
        for (let l = 0; l < k; l++) {
          const x = v128.load_splat<f32>(a);
          c0 = madd(x, v128.load(b), c0);
          c1 = madd(x, v128.load(b, 16), c1);
          c2 = madd(x, v128.load(b, 32), c2);
          c3 = madd(x, v128.load(b, 48), c3);
          c4 = madd(x, v128.load(b, 64), c4);
          c5 = madd(x, v128.load(b, 80), c5);
          c6 = madd(x, v128.load(b, 96), c6);
          c7 = madd(x, v128.load(b, 112), c7);
          a += aK;
          b += bK;
        }
        store16(c, c0, c1, c2, c3, add);
        store16(c + 64, c4, c5, c6, c7, add);
      } else {
        for (let l: usize = 0; l < <usize> columns << 2;) {
          let p = a, q = b + l, sum = zero();
          const four = l + 16 <= <usize> columns << 2;
          for (let r = 0; r < k; r++) {
            const y = four ? v128.load(q) : v128.load_splat<f32>(q);
            sum = madd(v128.load_splat<f32>(p), y, sum);
            p += aK;
            q += bK;
          }
          if (four) {
            if (add) sum = f32x4.add(v128.load(c + l), sum);
            v128.store(c + l, sum);
            l += 16;
          } else {
            if (add) sum = f32x4.add(v128.load_splat<f32>(c + l), sum);
            v128.store_lane<f32>(c + l, sum, 0);
            l += 4;
          }
        }
      }
      finish(c, cRow, 1, columns, bias == 0 ? 0 : bias + at, int(args, ACTIVATION));
    }
  }
}

// @ts-ignore: decorator
@inline
function sumLanes(x: v128): f32 {
  return (f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1)) +
    (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/**
 * C = A B for few rows of A, B with contiguous columns (B transposed): dot
 * products. Items: columns of C. A's rows must be contiguous too.
 */
export function multiplyDots(args: usize, begin: i32, end: i32): void {
  const aRow = pointer(args, A_ROW), cRow = pointer(args, C_ROW);
  const bN = pointer(args, B_N);
  const m = int(args, M), k = int(args, K);
  const add = int(args, ADD) != 0, bias = pointer(args, BIAS);
  const whole = <usize> (k & ~15) << 2, all = <usize> k << 2;
  for (let j = begin; j < end; j++) {
    const b = pointer(args, B) + <usize> j * bN;
    for (let i = 0; i < m; i++) {
      const a = pointer(args, A) + <usize> i * aRow;
      let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
      let l: usize = 0;
      for (; l < whole; l += 64) {
        const p = a + l, q = b + l;
        s0 = madd(v128.load(p), v128.load(q), s0);
        s1 = madd(v128.load(p, 16), v128.load(q, 16), s1);
        s2 = madd(v128.load(p, 32), v128.load(q, 32), s2);
        s3 = madd(v128.load(p, 48), v128.load(q, 48), s3);
      }
      let sum = sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
      for (; l < all; l += 4) sum += load<f32>(a + l) * load<f32>(b + l);
      const c = pointer(args, C) + <usize> i * cRow + (<usize> j << 2);
      if (add) sum += load<f32>(c);
      store<f32>(c, sum);
      finish(c, cRow, 1, 1, bias == 0 ? 0 : bias + (<usize> j << 2), int(args, ACTIVATION));
    }
  }
}
