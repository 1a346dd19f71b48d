/**
 * Matrix products through workgroup memory. A workgroup computes a tile of up to 64 x 64 elements: at each turn its
 * threads bring 16 columns of a's rows and 16 rows of b's columns there, and each of 16 x 16 threads adds what they give
 * to its up to 4 x 4 elements. The operands are float32 or rounded to float16, the sums float32.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { empty, launch, read, u32, unroll, write } from "./launch.ts";
import { Operand } from "./operand.ts";
import { sumParts } from "./rows.ts";

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
    parts: 1,
    turns: Math.ceil(spec.sizes[1] / depth),
    store: (at, column, sum) => `y[${at}] = ${sum}${bias ? ` + bias[${column}]` : ""};`,
  });
  return y;
}

/**
 * a b and the sums of a's rows, for a K that is much larger than M and N: workgroups each take a part of K, and a second
 * kernel adds the parts in order. -> (M, N), (M)
 */
export function productAndSums(spec: Product): { y: Tensor; sums: Tensor } {
  const [M, K, N] = spec.sizes;
  const wanted = Math.ceil(enoughGroups / tiles(M, N));
  const turns = Math.max(4, Math.ceil(K / depth / wanted)); // in each part
  const parts = Math.ceil(K / (depth * turns));
  const shape = (...sizes: number[]) => parts === 1 ? sizes : [parts, ...sizes];
  const y = empty(shape(M, N)), sums = empty(shape(M));
  run(spec, { y: write(y), sums: write(sums) }, {
    parts,
    turns,
    store: (at, _, sum) => `y[part * u.M * u.N + ${at}] = ${sum};`,
    storeSum: (row, sum) => `sums[part * u.M + ${row}] = ${sum};`,
  });
  if (parts === 1) return { y, sums };
  const [allY, allSums] = sumParts([y, sums]);
  return { y: allY, sums: allSums };
}

/** Elements of a thread along an axis. */
const perThread = (size: number) => size <= 16 ? 1 : size <= 32 ? 2 : 4;

const tiles = (M: number, N: number) =>
  Math.ceil(M / (16 * perThread(M))) * Math.ceil(N / (16 * perThread(N)));

function run(
  { name, a, b, sizes: [M, K, N], transposeA = false, transposeB = false, half }: Product,
  outputs: Record<string, ReturnType<typeof read>>,
  { parts, turns, store, storeSum }: {
    parts: number;
    turns: number;
    store: (at: string, column: string, sum: string) => string;
    storeSum?: (row: string, sum: string) => string;
  },
): void {
  const left = new Operand(half, perThread(M)), right = new Operand(half, perThread(N));
  const m = left.width, n = right.width;
  launch({
    name,
    variant: `product ${m} ${n} ${transposeA} ${transposeB} ${half}`,
    half,
    buffers: { a: read(a), b: read(b), ...outputs },
    uniforms: {
      M: u32(M),
      K: u32(K),
      N: u32(N),
      tiles_n: u32(Math.ceil(N / (16 * n))),
      tiles: u32(tiles(M, N)),
      turns: u32(turns),
      parts: u32(parts),
    },
    threads: 256,
    groups: tiles(M, N) * parts,
    globals: () => `
var<workgroup> tile_a: array<${left.type}, ${depth * 16}>; // (depth, 16) groups of rows
var<workgroup> tile_b: array<${right.type}, ${depth * 16}>; // (depth, 16) groups of columns
${[...new Set([left.globals, right.globals])].join("\n")}`,
    body: () => {
      // A thread brings one group of elements; neighbours in memory are brought by neighbours.
      const load = (name: "a" | "b", operand: Operand, size: string, byColumns: boolean) => `
    {
      let k = start + ${byColumns ? `t % ${depth}u` : "t / 16u"};
      let place = ${byColumns ? `t / ${depth}u` : "t % 16u"};
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
      tile_${name}[(k - start) * 16u + place] = ${operand.narrow("values")};
    }`;
      return `
  let part = group / u.tiles;
  if (part >= u.parts) { return; }
  let tile = group % u.tiles;
  let first_a = (tile / u.tiles_n) * ${16 * m}u;
  let first_b = (tile % u.tiles_n) * ${16 * n}u;
  let tm = t / 16u;
  let tn = t % 16u;
  ${unroll(m, (i) => `var sum${i} = ${right.wideType}();`)}
  ${storeSum ? `var row_sums = ${left.wideType}();` : ""}
  for (var turn = 0u; turn < u.turns; turn++) {
    let start = (part * u.turns + turn) * ${depth}u;
    ${load("a", left, "M", !transposeA)}
    ${load("b", right, "N", transposeB)}
    workgroupBarrier();
    for (var k = 0u; k < ${depth}u; k++) {
      let row = ${left.wide("tile_a[k * 16u + tm]")};
      let column = ${right.wide("tile_b[k * 16u + tn]")};
      ${unroll(m, (i) => `sum${i} += ${left.at("row", i)} * column;`)}
      ${storeSum ? "row_sums += row;" : ""}
    }
    workgroupBarrier();
  }
  ${
        unroll(m, (i) => `
  {
    let row = first_a + tm * ${m}u + ${i}u;
    if (row < u.M) {
      ${
          unroll(n, (j) => `
      {
        let column = first_b + tn * ${n}u + ${j}u;
        if (column < u.N) { ${store("row * u.N + column", "column", right.at(`sum${i}`, j))} }
      }`)
        }
      ${
          storeSum
            ? `if (tn == 0u && first_b == 0u) { ${storeSum("row", left.at("row_sums", i))} }`
            : ""
        }
    }
  }`)
      }`;
    },
  });
}
