/** Matrix products of the engine: which kernel, and how it is divided. */
import { alloc, free, parallel, threadCount } from "./runtime.ts";
import { turboActive } from "./turbo.ts";

/** A batch of matrices in the memory; strides in elements. */
export interface Matrices {
  pointer: number;
  /** From one matrix to the next; 0 if all are the same. */
  batch: number;
  row: number;
  column: number;
}

/** What else happens to the product. */
export interface Epilogue {
  /** Pointer to a bias of n values that is added to each row. */
  bias?: number;
  activation?: "linear" | "relu" | "sigmoid";
  /** True: the product is added to what `out` holds. */
  add?: boolean;
}

const ACTIVATIONS = { linear: 0, relu: 1, sigmoid: 2 };
const MAC_GRAIN = 200_000; // multiply-adds in about 10 microseconds
const PACKED_BYTES = 2 ** 19; // of B, packed at a time: what the caches hold until it is used
const MOST_PACKED_BYTES = 2 ** 23; // where B is so wide that one block of K has more
const K_BLOCK = 256; // KB in assembly/matmul.ts: sums are made block after block
const PACK_ROWS = 32; // in assembly/matmul.ts

/**
 * Columns of a tile: 16 fill the 256-bit registers that only turbo has. The results are the same to
 * the last bit.
 */
export const width = turboActive() ? 16 : 8;

/**
 * out = a b, for `batch` matrices a (m, k), b (k, n), out (m, n) of float32. Any strides, except
 * that out's column stride must be 1. `out` must not overlap the operands; k, m and n are at least
 * 1.
 */
export function matmul(
  out: Matrices,
  a: Matrices,
  b: Matrices,
  m: number,
  n: number,
  k: number,
  batch: number = 1,
  epilogue: Epilogue = {},
): void {
  // One b for all: the batch is more rows.
  if (
    batch > 1 && b.batch === 0 && a.batch === m * a.row &&
    out.batch === m * out.row
  ) {
    m *= batch;
    batch = 1;
  }
  // deno-fmt-ignore
  const args = [
    out.pointer, 4 * out.batch, 4 * out.row,
    a.pointer, 4 * a.batch, 4 * a.row, 4 * a.column,
    b.pointer, 4 * b.batch, 4 * b.row, 4 * b.column,
    m, n, k,
    epilogue.bias ?? 0, ACTIVATIONS[epilogue.activation ?? "linear"], epilogue.add ? 1 : 0,
    width, m, 1, 1, 1, 0,
  ];
  const grain = (items: number) => Math.ceil(MAC_GRAIN * items / (m * n * k * batch));

  if (batch === 1 && m <= 8 && b.column === 1) {
    const items = Math.ceil(n / 32);
    parallel("multiplyRows", args, items, grain(items));
  } else if (batch === 1 && m <= 8 && b.row === 1 && a.column === 1) {
    parallel("multiplyDots", args, n, grain(n));
  } else if (
    (batch === 1 && m * n * k < 2 * MAC_GRAIN) || (batch > 1 && (n * k < 65536 || m < 48))
  ) {
    // Fewer batches than threads like: the rows are divided, too.
    const wanted = Math.ceil(4 * threadCount() / batch);
    const rows = wanted === 1 ? m : Math.max(48, 6 * Math.ceil(m / (6 * wanted)));
    const rowItems = Math.ceil(m / rows);
    args[18] = rows;
    args[19] = rowItems;
    parallel("multiplyBatch", args, batch * rowItems, grain(batch * rowItems));
  } else {
    multiplyLarge(args, m, n, k, batch);
  }
}

// Packs a block of b on all threads, multiplies by it, and goes on with the next.
function multiplyLarge(args: number[], m: number, n: number, k: number, batch: number) {
  const [out, outBatch, , a, aBatch, , aColumn, b, bBatch, bRow, bColumn] = args;
  const [bias, activation, add] = args.slice(14);
  const blocksOf = (most: number, size: number) => size * Math.max(1, Math.floor(most / size));
  const depth = Math.min(k, blocksOf(PACKED_BYTES / (4 * n), K_BLOCK));
  const block = Math.min(n, blocksOf(MOST_PACKED_BYTES / (4 * depth), width));
  const packed = alloc(4 * Math.ceil(block / width) * width * depth, "a packed matrix");

  const rowBlocks = Math.ceil(m / 96);
  const rows = rowBlocks * 96 - m >= 48 ? 6 * Math.ceil(m / (6 * rowBlocks)) : 96;
  for (let i = 0; i < batch; i++) {
    for (let n0 = 0; n0 < n; n0 += block) {
      const columns = Math.min(block, n - n0);
      const panels = Math.ceil(columns / width);
      const wanted = Math.max(
        Math.ceil(columns / 512),
        Math.min(panels, Math.ceil(4 * threadCount() / rowBlocks)),
      );
      const itemPanels = Math.ceil(panels / wanted);
      const panelItems = Math.ceil(panels / itemPanels);
      const items = Math.ceil(m / rows) * panelItems;
      args[0] = out + i * outBatch + 4 * n0;
      args[12] = columns;
      args.splice(18, 5, rows, Math.ceil(m / rows), itemPanels, panelItems, packed);
      for (let k0 = 0; k0 < k; k0 += depth) {
        const count = Math.min(depth, k - k0);
        const last = k0 + count === k;
        args[3] = a + i * aBatch + k0 * aColumn;
        args[7] = b + i * bBatch + k0 * bRow + n0 * bColumn;
        args[13] = count;
        args[14] = last && bias !== 0 ? bias + 4 * n0 : 0;
        args[15] = last ? activation : 0;
        args[16] = k0 > 0 ? 1 : add;
        const packItems = bColumn === 4 ? Math.ceil(count / PACK_ROWS) : panels;
        parallel("packMatrix", args, packItems, Math.ceil(20_000 * packItems / (count * columns)));
        const grain = Math.ceil(MAC_GRAIN * items / (m * columns * count));
        parallel("multiplyPacked", args, items, grain);
      }
    }
  }
  free(packed);
}
