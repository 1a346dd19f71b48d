/**
 * Attention that never holds a T x T matrix (Dao et al. 2022): each workgroup goes over the keys
 * tile by tile and keeps a running maximum and sum. Forward keeps the logarithm of each query's
 * sum; backward computes the weights again from it, in one kernel that owns queries (dq, and delta
 * = dy . y) and one that owns keys (dk, dv): no atomics, one order.
 *
 * A row (a query, or in the last kernel a key) belongs to 1, 2, 4 or 8 threads, which hold up to 32
 * of its dimensions each in registers; the other side's rows pass through workgroup memory. With
 * several threads a row, their shares of a dot product meet in workgroup memory too. Tiles fit the
 * 16 KiB and 256 threads that every adapter has.
 *
 * With P = softmax(scale q k^T), M the dropout mask and y = (P M) v:
 *
 *     dv = (P M)^T dy    dP = M (dy v^T)    dS = P (dP - delta)    dq = scale dS k    dk = scale dS^T q
 *
 * Under autocast the operands of these six products are rounded to float16; all else, the sums too,
 * is float32.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { fitAttention, maskStrides } from "../checks.ts";
import { dropoutFactor } from "../draws.ts";
import type { AttentionOptions } from "../operations.ts";
import { operands } from "../precision.ts";
import { differentiable } from "../tape.ts";
import { dropoutBits } from "./dropout.ts";
import { Operand } from "./operand.ts";
import { empty, f32, launch, maxBuffers, read, u32, unroll, write } from "./runtime.ts";
import { expFrom, lowest } from "./softmax.ts";

type Tensor = tf.Tensor;

/** softmax(scale q k^T) v: see lib/functional.ts. */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): Tensor | undefined {
  const { mask, causal = false, training = true } = options;
  const p = training ? options.dropout_p ?? 0 : 0;
  const scale = options.scale ?? 1 / Math.sqrt(q.shape.at(-1)!);
  const strides = mask && maskStrides(q, k, mask);
  const needed = 7 + (mask ? 1 : 0) + (p > 0 ? 1 : 0); // buffers of the largest kernel
  const fits = fitAttention(q, k, v) && (q.rank === 3 || q.rank === 4) &&
    Math.max(q.shape.at(-1)!, v.shape.at(-1)!) <= largestSize;
  if (!fits || (mask && !strides) || needed > maxBuffers()) return;
  const shape = new Shape(q, k, v, causal, p, scale, strides);
  return differentiable({ q, k, v }, (save) => {
    const bits = p > 0 ? [dropoutBits(shape.heads * shape.Tq * shape.Tk, p)] : [];
    const [y, stats] = forward(shape, q, k, v, mask, bits[0]);
    save([q, k, v, y, stats, ...mask ? [mask] : [], ...bits]);
    return y;
  }, (dy, [q, k, v, y, stats, ...rest]) => {
    const savedMask = mask && rest[0];
    const bits = p > 0 ? rest.at(-1) : undefined;
    // The queries come first: their kernel also fills stats.
    const dq = queryGradient(shape, q, k, v, y, dy, stats, savedMask, bits);
    const [dk, dv] = keyGradients(shape, q, k, v, dy, stats, savedMask, bits);
    return { q: () => dq, k: () => dk, v: () => dv };
  });
}

const threads = 64;
const largestSize = 256;

/** The sizes of an attention, and how its kernels divide them. */
class Shape {
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

/**
 * The result and, for each query, the logarithm of its sum; the second number of a query is for the
 * backward kernels.
 */
function forward(
  shape: Shape,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask?: Tensor,
  bits?: Tensor,
): [Tensor, Tensor] {
  const { D, Dv, Tq } = shape;
  const y = empty([...q.shape.slice(0, -1), Dv]);
  const stats = empty([shape.heads, Tq, 2]);
  launch({
    name: "scaledDotProductAttention",
    variant: `forward ${shape.variant}`,
    half: shape.quad.half,
    buffers: {
      q: read(q, shape.type(D)),
      k: read(k, shape.type(D)),
      v: read(v, shape.type(Dv)),
      y: write(y, shape.type(Dv)),
      stats: write(stats),
      ...shape.buffers(mask, bits),
    },
    uniforms: shape.uniforms,
    threads,
    groups: shape.groups(Tq),
    globals: () =>
      shape.globals + shape.loader("q", D) + shape.loader("k", D) + shape.loader("v", Dv) +
      shape.storer("y", Dv) + shape.tileMemory + shape.dotMemory(["s"]),
    body: () =>
      `${shape.place("u.Tq")}
${shape.registers("q", "q", "u.Tq")}
${shape.zeros("y")}
  var top = ${lowest};
  var sum = 0.0;
  let end = ${shape.causal ? `min(u.Tk, first + ${shape.rows}u)` : "u.Tk"};
  for (var start = 0u; start < end; start += ${shape.tile}u) {
${shape.loadTiles("k", "v", "u.Tk")}
${
        shape.dots(
          { s: ["a", "q"] },
          `
      let key = start + j;
      if (visible(head, own, key)) {
        let score = s * u.scale;
        if (score > top) {
          let shrink = exp_from(top, score);
          sum *= shrink;
${shape.each((j) => `  y${j} *= shrink;`)}
          top = score;
        }
        let weight = exp(score - top);
        sum += weight;
        let w = ${shape.weight.round("weight * kept(head, own, key)")};
${shape.each((j) => `y${j} += w * ${shape.tileAt("b", j)};`)}
      }`,
        )
      }
  }
  if (live) {
    var divisor = 1.0;
    var log_sum = 3.0e38; // a query that sees nothing: all its weights come out as 0
    if (sum != 0.0) { divisor = sum; log_sum = top + log(sum); }
${shape.each((j) => `y${j} /= divisor;`)}
${shape.store("y", "y", "u.Tq")}
    if (part == 0u) { stats[2u * (head * u.Tq + own)] = log_sum; }
  }`,
  });
  return [y, stats];
}

/** dq; puts delta = dy . y into the second number of each query in `stats`. */
function queryGradient(
  shape: Shape,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  y: Tensor,
  dy: Tensor,
  stats: Tensor,
  mask?: Tensor,
  bits?: Tensor,
): Tensor {
  const { D, Dv } = shape;
  const dq = empty(q.shape);
  launch({
    name: "scaledDotProductAttention",
    variant: `dq ${shape.variant}`,
    half: shape.quad.half,
    buffers: {
      q: read(q, shape.type(D)),
      k: read(k, shape.type(D)),
      v: read(v, shape.type(Dv)),
      y: read(y, shape.type(Dv)),
      dy: read(dy, shape.type(Dv)),
      stats: write(stats),
      dq: write(dq, shape.type(D)),
      ...shape.buffers(mask, bits),
    },
    uniforms: shape.uniforms,
    threads,
    groups: shape.groups(shape.Tq),
    globals: () =>
      shape.globals + shape.loader("q", D) + shape.loader("k", D) + shape.loader("v", Dv) +
      shape.loader("y", Dv) + shape.loader("dy", Dv) + shape.storer("dq", D) +
      shape.tileMemory + shape.dotMemory(["s", "dp"]) +
      `\nvar<workgroup> delta_shares: array<f32, ${threads}>;`,
    body: () =>
      `${shape.place("u.Tq")}
${shape.registers("q", "q", "u.Tq")}
${shape.registers("dy", "dy", "u.Tq")}
${shape.zeros("dq")}
  var share = 0.0;
  if (live) {
${
        shape.each((j) =>
          `share += dot(dy${j}, load_y(head * u.Tq + own, part * ${shape.quads}u + ${j}u));`
        )
      }
  }
  delta_shares[t] = share;
  workgroupBarrier();
  var delta = 0.0;
  ${unroll(shape.perRow, (r) => `delta += delta_shares[t - part + ${r}u];`)}
  var log_sum = 0.0;
  if (live) {
    log_sum = stats[2u * (head * u.Tq + own)];
    if (part == 0u) { stats[2u * (head * u.Tq + own) + 1u] = delta; }
  }
  let end = ${shape.causal ? `min(u.Tk, first + ${shape.rows}u)` : "u.Tk"};
  for (var start = 0u; start < end; start += ${shape.tile}u) {
${shape.loadTiles("k", "v", "u.Tk")}
${
        shape.dots(
          { s: ["a", "q"], dp: ["b", "dy"] },
          `
      let key = start + j;
      if (visible(head, own, key)) {
        let weight = exp(s * u.scale - log_sum);
        let gradient = u.scale * weight * (dp * kept(head, own, key) - delta);
        let ds = ${shape.weight.round("gradient")};
${shape.each((j) => `dq${j} += ds * ${shape.tileAt("a", j)};`)}
      }`,
        )
      }
  }
  if (live) {
${shape.store("dq", "dq", "u.Tq")}
  }`,
  });
  return dq;
}

function keyGradients(
  shape: Shape,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  dy: Tensor,
  stats: Tensor,
  mask?: Tensor,
  bits?: Tensor,
): [Tensor, Tensor] {
  const { D, Dv } = shape;
  const dk = empty(k.shape), dv = empty(v.shape);
  launch({
    name: "scaledDotProductAttention",
    variant: `dk dv ${shape.variant}`,
    half: shape.quad.half,
    buffers: {
      q: read(q, shape.type(D)),
      k: read(k, shape.type(D)),
      v: read(v, shape.type(Dv)),
      dy: read(dy, shape.type(Dv)),
      stats: read(stats),
      dk: write(dk, shape.type(D)),
      dv: write(dv, shape.type(Dv)),
      ...shape.buffers(mask, bits),
    },
    uniforms: shape.uniforms,
    threads,
    groups: shape.groups(shape.Tk),
    globals: () =>
      shape.globals + shape.loader("q", D) + shape.loader("k", D) + shape.loader("v", Dv) +
      shape.loader("dy", Dv) + shape.storer("dk", D) + shape.storer("dv", Dv) + shape.tileMemory +
      shape.dotMemory(["s", "dp"]) +
      `\nvar<workgroup> tile_stats: array<vec2f, ${shape.tile}>;`,
    body: () =>
      `${shape.place("u.Tk")}
${shape.registers("k", "k", "u.Tk")}
${shape.registers("v", "v", "u.Tk")}
${shape.zeros("dk")}
${shape.zeros("dv")}
  ${
        shape.causal
          ? `let begin = first - first % ${shape.tile}u; // earlier queries do not see these keys`
          : "let begin = 0u;"
      }
  for (var start = begin; start < u.Tq; start += ${shape.tile}u) {
${shape.loadTiles("q", "dy", "u.Tq")}
    if (t < ${shape.tile}u && start + t < u.Tq) {
      let at = 2u * (head * u.Tq + start + t);
      tile_stats[t] = vec2f(stats[at], stats[at + 1u]);
    }
    workgroupBarrier();
${
        shape.dots(
          { s: ["a", "k"], dp: ["b", "v"] },
          `
      let query = start + j;
      if (live && visible(head, query, own)) {
        let weight = exp(s * u.scale - tile_stats[j].x);
        let m = kept(head, query, own);
        let gradient = u.scale * weight * (dp * m - tile_stats[j].y);
        let ds = ${shape.weight.round("gradient")};
        let w = ${shape.weight.round("weight * m")};
${
            shape.each((j) =>
              `dk${j} += ds * ${shape.tileAt("a", j)}; dv${j} += w * ${shape.tileAt("b", j)};`
            )
          }
      }`,
        )
      }
  }
  if (live) {
${shape.store("dk", "dk", "u.Tk")}
${shape.store("dv", "dv", "u.Tk")}
  }`,
  });
  return [dk, dv];
}
