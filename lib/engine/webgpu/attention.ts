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
 *     dv = (P M)^T dy    dP = M (dy v^T)    dS = P (dP - delta)
 *     dq = scale dS k    dk = scale dS^T q
 *
 * Under autocast the operands of these six products are rounded to float16; all else, the sums too,
 * is float32.
 */
import type * as tf from "@tensorflow/tfjs-core";
import { fitAttention, maskStrides } from "../checks.ts";
import type { AttentionOptions } from "../operations.ts";
import { differentiable } from "../tape.ts";
import { dropoutBits } from "./dropout.ts";
import { empty, launch, maxBuffers, read, unroll, write } from "./runtime.ts";
import { lowest } from "./softmax.ts";
import { largestSize, Shape, threads } from "./tiles.ts";

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
