/**
 * How attention is divided among threads, and the WGSL that its three kernels share: see
 * attention.ts.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { dropoutFactor } from "../draws.ts";
import { operands } from "../precision.ts";
import { Operand } from "./operand.ts";
import { f32, read, u32, unroll } from "./runtime.ts";
import { expFrom } from "./softmax.ts";

type Tensor = tf.Tensor;

/** Threads of a workgroup. */
export const threads = 64;
/** The most dimensions of a query, key or value. */
export const largestSize = 256;

/** The sizes of an attention, and how its kernels divide them. */
export class Shape {
  heads: number; // B * H
  H: number;
  Tq: number;
  Tk: number;
  D: number;
  Dv: number;
  /** Threads to a row. */
  perRow: number;
  /** Rows of a workgroup. */
  rows: number;
  /** Groups of 4 dimensions that a thread holds. */
  quads: number;
  /** Rows of the other side in workgroup memory at once. */
  tile: number;
  /** Four dimensions of a row in a product, and a weight in one. */
  quad = new Operand(operands.dtype === "float16", 4);
  weight = new Operand(this.quad.half, 1);

  constructor(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    readonly causal: boolean,
    readonly p: number,
    readonly scale: number,
    readonly strides?: number[],
  ) {
    [this.Tq, this.D] = q.shape.slice(-2);
    [this.Tk, this.Dv] = [k.shape.at(-2)!, v.shape.at(-1)!];
    this.heads = q.size / (this.Tq * this.D);
    this.H = q.rank === 4 ? q.shape[1]! : 1;
    const size = Math.max(this.D, this.Dv);
    this.perRow = size <= 32 ? 1 : size <= 64 ? 2 : size <= 128 ? 4 : 8;
    this.rows = threads / this.perRow;
    this.quads = Math.ceil(size / this.perRow / 4);
    this.tile = size <= 32 ? 32 : size <= 128 ? 8 : 4;
  }

  /** All that the WGSL depends on. */
  get variant(): string {
    return `${this.D} ${this.Dv} ${this.causal} ${this.strides !== undefined} ${
      this.p > 0
    } ${this.quad.half}`;
  }

  buffers(mask?: Tensor, bits?: Tensor) {
    return { ...mask && { mask: read(mask) }, ...bits && { bits: read(bits, "u32") } };
  }

  get uniforms() {
    const [batch, head, query, key] = this.strides ?? [];
    return {
      heads: u32(this.heads),
      Tq: u32(this.Tq),
      Tk: u32(this.Tk),
      scale: f32(this.scale),
      ...this.strides && {
        H: u32(this.H),
        mask_batch: u32(batch),
        mask_head: u32(head),
        mask_query: u32(query),
        mask_key: u32(key),
      },
      ...this.p > 0 && { kept: f32(dropoutFactor(this.p)) },
    };
  }

  /** WGSL that all three kernels share. */
  get globals(): string {
    const mask = this.strides
      ? `
  let at = (head / u.H) * u.mask_batch + (head % u.H) * u.mask_head +
    query * u.mask_query + key * u.mask_key;
  if (mask[at] == 0) { return false; }`
      : "";
    const kept = this.p > 0
      ? `
  let at = (head * u.Tq + query) * u.Tk + key;
  return select(0.0, u.kept, ((bits[at / 32u] >> (at % 32u)) & 1u) == 1u);`
      : "return 1.0;";
    return `
fn visible(head: u32, query: u32, key: u32) -> bool {
  if (query >= u.Tq || key >= u.Tk${this.causal ? " || key > query" : ""}) { return false; }${mask}
  return true;
}
fn kept(head: u32, query: u32, key: u32) -> f32 { ${kept} }
${expFrom}${this.quad.globals}${this.weight.globals}`;
  }

  /** WGSL for `load_NAME(row, quad)`: four dimensions of a row, zeros beyond its size. */
  loader(name: string, size: number): string {
    const guard = size < 4 * this.quads * this.perRow
      ? `if (4u * quad >= ${size}u) { return vec4f(); }`
      : "";
    const body = size % 4 === 0 ? `return ${name}[row * ${size / 4}u + quad];` : `
  let at = row * ${size}u + 4u * quad;
  var value = vec4f(${name}[at], 0.0, 0.0, 0.0);
  for (var d = 1u; d < min(4u, ${size}u - 4u * quad); d++) { value[d] = ${name}[at + d]; }
  return value;`;
    return `
fn load_${name}(row: u32, quad: u32) -> vec4f {
  ${guard}${body}
}`;
  }

  /** WGSL for `store_NAME(row, quad, value)`, its opposite. */
  storer(name: string, size: number): string {
    const guard = size < 4 * this.quads * this.perRow
      ? `if (4u * quad >= ${size}u) { return; }`
      : "";
    const body = size % 4 === 0 ? `${name}[row * ${size / 4}u + quad] = value;` : `
  var v = value;
  let at = row * ${size}u + 4u * quad;
  for (var d = 0u; d < min(4u, ${size}u - 4u * quad); d++) { ${name}[at + d] = v[d]; }`;
    return `
fn store_${name}(row: u32, quad: u32, value: vec4f) {
  ${guard}${body}
}`;
  }

  /** The type under which a kernel sees a tensor with rows of this size. */
  type(size: number): "vec4f" | "f32" {
    return size % 4 === 0 ? "vec4f" : "f32";
  }

  /**
   * WGSL that stores this thread's share of its row from the registers REGISTER0, REGISTER1, ...
   */
  store(name: string, register: string, count: string): string {
    return this.each((j) =>
      `store_${name}(head * ${count} + own, part * ${this.quads}u + ${j}u, ${register}${j});`
    );
  }

  /** WGSL that fills the tiles with rows `start`, ... of two tensors of `count` rows a head. */
  loadTiles(a: string, b: string, count: string): string {
    const quads = this.quads * this.perRow; // of a whole row
    return `
    workgroupBarrier();
    for (var at = t; at < ${this.tile * quads}u; at += ${threads}u) {
      let row = start + at / ${quads}u;
      var a = vec4f();
      var b = vec4f();
      if (row < ${count}) {
        a = load_${a}(head * ${count} + row, at % ${quads}u);
        b = load_${b}(head * ${count} + row, at % ${quads}u);
      }
      tile_a[at / ${this.quads}u][at % ${this.quads}u] = ${this.quad.narrow("a")};
      tile_b[at / ${this.quads}u][at % ${this.quads}u] = ${this.quad.narrow("b")};
    }
    let count = min(${this.tile}u, ${count} - start); // rows that there are
    workgroupBarrier();`;
  }

  /** A quad of row j of a tile, for this thread's dimensions. */
  tileAt(tile: "a" | "b", quad: number): string {
    return this.quad.wide(`tile_${tile}[j * ${this.perRow}u + part][${quad}]`);
  }

  get tileMemory(): string {
    const type = `array<array<${this.quad.type}, ${this.quads}>, ${this.tile * this.perRow}>`;
    return `
var<workgroup> tile_a: ${type};
var<workgroup> tile_b: ${type};`;
  }

  /** The dot product of a tile's row j with registers, over this thread's dimensions. */
  dot(tile: "a" | "b", register: string): string {
    return Array.from(
      { length: this.quads },
      (_, i) => `dot(${this.tileAt(tile, i)}, ${register}${i})`,
    ).join(" + ");
  }

  /** WGSL memory for dot products by `dots`. */
  dotMemory(names: string[]): string {
    if (this.perRow === 1) return "";
    return names.map((name) => `var<workgroup> shares_${name}: array<f32, ${threads * this.tile}>;`)
      .join("\n");
  }

  /**
   * WGSL that computes the dot products by name for each of the tile's rows j and runs `body` with
   * them.
   */
  dots(products: Record<string, [tile: "a" | "b", register: string]>, body: string): string {
    const entries = Object.entries(products);
    const loop = (inside: string) => `
    for (var j = 0u; j < count; j++) {${inside}
    }`;
    if (this.perRow === 1) {
      return loop(
        entries.map(([name, [tile, r]]) => `
      let ${name} = ${this.dot(tile, r)};`).join("") + body,
      );
    }
    return loop(
      entries.map(([name, [tile, r]]) => `
      shares_${name}[j * ${threads}u + t] = ${this.dot(tile, r)};`).join(""),
    ) + `
    workgroupBarrier();` + loop(
      entries.map(([name]) => `
      let ${name} = ${
        Array.from(
          { length: this.perRow },
          (_, r) => `shares_${name}[j * ${threads}u + t - part + ${r}u]`,
        )
          .join(" + ")
      };`).join("") + body,
    );
  }

  /**
   * WGSL that finds this thread's row among `count` rows a head; false `live` if it is beyond them.
   */
  place(count: string): string {
    return `
  let blocks = (${count} + ${this.rows - 1}u) / ${this.rows}u;
  let head = group / blocks;
  if (head >= u.heads) { return; }
  let first = (group % blocks) * ${this.rows}u;
  let own = first + t / ${this.perRow}u;
  let part = t % ${this.perRow}u;
  let live = own < ${count};`;
  }

  /** WGSL that loads this thread's share of its row into registers, as it is in a product. */
  registers(register: string, name: string, count: string): string {
    return unroll(this.quads, (j) => `
  var ${register}${j} = vec4f();
  if (live) {
    let value = load_${name}(head * ${count} + own, part * ${this.quads}u + ${j}u);
    ${register}${j} = ${this.quad.round("value")};
  }`);
  }

  zeros(register: string): string {
    return unroll(this.quads, (j) => `  var ${register}${j} = vec4f();`);
  }

  each(line: (j: number) => string): string {
    return unroll(this.quads, (j) => `        ${line(j)}`);
  }

  groups(count: number): number {
    return this.heads * Math.ceil(count / this.rows);
  }
}
