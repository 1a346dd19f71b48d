/**
 * Matrix products through workgroup memory. A workgroup computes a tile of up to 128 x 128
 * elements: at each turn its threads bring 16 columns of a's rows and 16 rows of b's columns there,
 * and each of 16 x 16 threads adds what they give to its up to 8 x 8 elements. The operands are
 * float32 or rounded to float16, the sums float32.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { Operand } from "./operand.ts";
import { sumParts } from "./rows.ts";
import { empty, launch, read, u32, unroll, write } from "./runtime.ts";

type Tensor = tf.Tensor;

/** A product a b: a (M, K), b (K, N); what comes before the last axis counts as one. */
interface Product {
  /** The operation, for error messages. */
  name: string;
  a: Tensor;
  b: Tensor;
  sizes: [M: number, K: number, N: number];
  /** Whether a is stored as (K, M). */
  transposeA?: boolean;
  /** Whether b is stored as (N, K). */
  transposeB?: boolean;
  /** Whether the operands are rounded to float16. */
  half: boolean;
}

/** Rows of b that are in workgroup memory at once. */
const depth = 16;
/** As many workgroups keep a large card busy. */
const enoughGroups = 512;

/** a b + bias, with the bias (N) for each row; the result has the shape given. */
export function product(spec: Product, shape: number[], bias?: Tensor): Tensor {
  const y = empty(shape);
  run(spec, { y: write(y), ...bias && { bias: read(bias) } }, {
    shares: share(spec.sizes[0], spec.sizes[2]),
    parts: 1,
    turns: Math.ceil(spec.sizes[1] / depth),
    store: (at, column, sum) => `y[${at}] = ${sum}${bias ? ` + bias[${column}]` : ""};`,
  });
  return y;
}

/**
 * a b and the sums of a's rows, for a K that is much larger than M and N: workgroups each take a
 * part of K, and a second kernel adds the parts in order. -> (M, N), (M)
 */
export function productAndSums(spec: Product): { y: Tensor; sums: Tensor } {
  const [M, K, N] = spec.sizes;
  const shares = share(M, N, K / (4 * depth));
  const wanted = Math.ceil(enoughGroups / (shares[0].tiles * shares[1].tiles));
  const turns = Math.max(4, Math.ceil(K / depth / wanted)); // in each part
  const parts = Math.ceil(K / (depth * turns));
  const shape = (...sizes: number[]) => parts === 1 ? sizes : [parts, ...sizes];
  const y = empty(shape(M, N)), sums = empty(shape(M));
  run(spec, { y: write(y), sums: write(sums) }, {
    shares,
    parts,
    turns,
    store: (at, _, sum) => `y[part * u.M * u.N + ${at}] = ${sum};`,
    storeSum: (row, sum) => `sums[part * u.M + ${row}] = ${sum};`,
  });
  if (parts === 1) return { y, sums };
  const [allY, allSums] = sumParts([y, sums]);
  return { y: allY, sums: allSums };
}

/** Elements of a thread along an axis: `groups` of `width` neighbours. */
class Share {
  readonly width: 1 | 2 | 4;
  readonly groups: 1 | 2;
  /** Elements of a tile. */
  readonly tile: number;

  constructor(readonly size: number, large: boolean) {
    this.width = size <= 16 ? 1 : size <= 32 ? 2 : 4;
    this.groups = large ? 2 : 1;
    this.tile = 16 * this.width * this.groups;
  }

  get tiles(): number {
    return Math.ceil(this.size / this.tile);
  }
}

/**
 * How threads share the rows and columns of a product: many elements each, as long as there is work
 * for a large card.
 */
function share(M: number, N: number, parts = 1): [rows: Share, columns: Share] {
  const [rows, columns] = [M, N].map((size) => new Share(size, size >= 128));
  if (rows.tiles * columns.tiles * parts >= 128) return [rows, columns];
  return [new Share(M, false), new Share(N, false)];
}

function run(
  { name, a, b, sizes: [M, K, N], transposeA = false, transposeB = false, half }: Product,
  outputs: Record<string, ReturnType<typeof read>>,
  { shares: [rows, columns], parts, turns, store, storeSum }: {
    shares: [rows: Share, columns: Share];
    parts: number;
    turns: number;
    store: (at: string, column: string, sum: string) => string;
    storeSum?: (row: string, sum: string) => string;
  },
): void {
  const left = new Operand(half, rows.width), right = new Operand(half, columns.width);
  const tiles = rows.tiles * columns.tiles;
  launch({
    name,
    variant: `product ${rows.tile} ${columns.tile} ${transposeA} ${transposeB} ${half}`,
    half,
    buffers: { a: read(a), b: read(b), ...outputs },
    uniforms: {
      M: u32(M),
      K: u32(K),
      N: u32(N),
      tiles_n: u32(columns.tiles),
      tiles: u32(tiles),
      turns: u32(turns),
      parts: u32(parts),
    },
    threads: 256,
    groups: tiles * parts,
    globals: () => `
// For each of ${depth} k, the groups of rows or columns of the tile.
var<workgroup> tile_a: array<${left.type}, ${depth * 16 * rows.groups}>;
var<workgroup> tile_b: array<${right.type}, ${depth * 16 * columns.groups}>;
${[...new Set([left.globals, right.globals])].join("\n")}`,
    body: () => {
      // A thread brings one or two groups of elements; neighbours bring what lies side by side.
      const load = (name: "a" | "b", operand: Operand, { groups }: Share, byColumns: boolean) => {
        const size = name === "a" ? "M" : "N";
        return unroll(groups, (g) => `
    {
      let k = start + ${byColumns ? `t % ${depth}u` : "t / 16u"};
      let place = ${byColumns ? `t / ${depth}u` : "t % 16u"} + ${16 * g}u;
      var values = ${operand.wideType}();
      ${
          unroll(operand.width, (i) => `
      {
        let own = first_${name} + place * ${operand.width}u + ${i}u;
        if (k < u.K && own < u.${size}) {
          ${operand.at("values", i)} = ${name}[${
            byColumns ? "own * u.K + k" : `k * u.${size} + own`
          }];
        }
      }`)
        }
      tile_${name}[(k - start) * ${16 * groups}u + place] = ${operand.narrow("values")};
    }`);
      };
      const sumRows = storeSum ? unroll(rows.groups, (g) => `row_sums${g} += row${g};`) : "";
      return `
  let part = group / u.tiles;
  if (part >= u.parts) { return; }
  let tile = group % u.tiles;
  let first_a = (tile / u.tiles_n) * ${rows.tile}u;
  let first_b = (tile % u.tiles_n) * ${columns.tile}u;
  let tm = t / 16u;
  let tn = t % 16u;
  ${
        unroll(rows.groups, (g) => `
  var row_sums${g} = ${left.wideType}();
  ${
          unroll(
            left.width,
            (i) => unroll(columns.groups, (h) => `var sum${g}${i}${h} = ${right.wideType}();`),
          )
        }`)
      }
  for (var turn = 0u; turn < u.turns; turn++) {
    let start = (part * u.turns + turn) * ${depth}u;
    ${load("a", left, rows, !transposeA)}
    ${load("b", right, columns, transposeB)}
    workgroupBarrier();
    for (var k = 0u; k < ${depth}u; k++) {
      ${
        unroll(
          rows.groups,
          (g) =>
            `let row${g} = ${left.wide(`tile_a[k * ${16 * rows.groups}u + ${16 * g}u + tm]`)};`,
        )
      }
      ${
        unroll(columns.groups, (h) => `
      {
        let column = ${right.wide(`tile_b[k * ${16 * columns.groups}u + ${16 * h}u + tn]`)};
        ${
          unroll(rows.groups, (g) =>
            unroll(left.width, (i) => `sum${g}${i}${h} += ${left.at(`row${g}`, i)} * column;`))
        }
      }`)
      }
      ${sumRows}
    }
    workgroupBarrier();
  }
  ${
        unroll(rows.groups, (g) =>
          unroll(left.width, (i) => `
  {
    let row = first_a + (tm + ${16 * g}u) * ${left.width}u + ${i}u;
    if (row < u.M) {
      ${
            unroll(columns.groups, (h) =>
              unroll(right.width, (j) => `
      {
        let column = first_b + (tn + ${16 * h}u) * ${right.width}u + ${j}u;
        if (column < u.N) {
          ${store("row * u.N + column", "column", right.at(`sum${g}${i}${h}`, j))}
        }
      }`))
          }
      ${
            storeSum
              ? `if (tn == 0u && first_b == 0u) { ${storeSum("row", left.at(`row_sums${g}`, i))} }`
              : ""
          }
    }
  }`))
      }`;
    },
  });
}
