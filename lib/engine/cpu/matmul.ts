/** Matrix products of the engine: which kernel, and how it is divided. */
import { alloc, free, parallel, threadCount } from "./index.ts";
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
const PACKED_BYTES = 16 * 2 ** 20; // the most of B that is packed at a time

/** Columns of a tile: 16 fill the 256-bit registers that only turbo has. The results are the same to the last bit. */
export const width = turboActive() ? 16 : 8;

/**
 * out = a b, for `batch` matrices a (m, k), b (k, n), out (m, n) of float32.
 * Any strides, except that out's column stride must be 1. `out` must not
 * overlap the operands; k, m and n are at least 1.
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

// Packs b as a whole, on all threads, before it is used.
function multiplyLarge(args: number[], m: number, n: number, k: number, batch: number) {
  const [out, outBatch, , a, aBatch, , , b, bBatch, , bColumn] = args;
  const bias = args[14];
  const block = Math.min(n, width * Math.max(1, Math.floor(PACKED_BYTES / (4 * k * width))));
  const blockPanels = Math.ceil(block / width);
  const packed = alloc(4 * blockPanels * width * k, "a packed matrix");
  args[22] = packed;
  for (let i = 0; i < batch; i++) {
    for (let n0 = 0; n0 < n; n0 += block) {
      const columns = Math.min(block, n - n0);
      const panels = Math.ceil(columns / width);
      args[0] = out + i * outBatch + 4 * n0;
      args[3] = a + i * aBatch;
      args[7] = b + i * bBatch + n0 * bColumn;
      args[12] = columns;
      args[14] = bias === 0 ? 0 : bias + 4 * n0;
      parallel("packMatrix", args, panels, Math.ceil(20_000 / (k * width)));

      const rowItems = Math.ceil(m / 96);
      const rows = rowItems * 96 - m >= 48 ? 6 * Math.ceil(m / (6 * rowItems)) : 96;
      const wanted = Math.max(
        Math.ceil(columns / 512),
        Math.min(panels, Math.ceil(4 * threadCount() / rowItems)),
      );
      const itemPanels = Math.ceil(panels / wanted);
      const panelItems = Math.ceil(panels / itemPanels);
      args[18] = rows;
      args[19] = Math.ceil(m / rows);
      args[20] = itemPanels;
      args[21] = panelItems;
      const items = args[19] * panelItems;
      parallel("multiplyPacked", args, items, Math.ceil(MAC_GRAIN * items / (m * columns * k)));
    }
  }
  free(packed);
}
