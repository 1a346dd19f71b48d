/**
 * Layer norm and RMS norm. Forward: one kernel, three passes over a row (mean, variance of the
 * centred values, result), as the naive formula E[x^2] - E[x]^2 cancels. It keeps 1 / sqrt(variance
 * + eps) and the mean of each row. Backward: one kernel for the input's gradient, in which each
 * workgroup also adds up its rows' share of the weight's and the bias's, and one that adds the
 * shares.
 *
 * With y = w * n + b, n = (x - mean) r and g = dy * w:
 *
 *     dx = r (g - mean(g) - n mean(g * n))
 *     dw = sum over rows of dy * n
 *     db = sum over rows of dy
 *
 * RMS norm is the same without mean and mean(g).
 */
import * as tf from "@tensorflow/tfjs-core";
import { fitRows } from "../checks.ts";
import { differentiable } from "../tape.ts";
import { rowLayout, rowReductions, sumParts } from "./rows.ts";
import { empty, f32, launch, read, u32, unroll, write } from "./runtime.ts";

type Tensor = tf.Tensor;

/** (x - mean) / sqrt(variance + eps) * weight + bias: see lib/functional.ts. */
export function layerNorm(
  x: Tensor,
  weight?: Tensor,
  bias?: Tensor,
  eps = 1e-5,
): Tensor | undefined {
  if (fitRows(x, weight, bias)) return norm("layerNorm", x, weight, bias, eps);
}

/** x / sqrt(mean(x^2) + eps) * weight: see lib/functional.ts. */
export function rmsNorm(x: Tensor, weight?: Tensor, eps = 1e-6): Tensor | undefined {
  if (fitRows(x, weight)) return norm("rmsNorm", x, weight, undefined, eps);
}

type Kind = "layerNorm" | "rmsNorm";

function norm(
  name: Kind,
  x: Tensor,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
  eps: number,
): Tensor {
  return differentiable(
    { x, ...weight && { weight }, ...bias && { bias } },
    (save) => {
      const [y, stats] = forward(name, x, weight, bias, eps);
      save([x, stats, ...weight ? [weight] : []]);
      return y;
    },
    (dy, [x, stats, weight]) => {
      const { dx, dw, db } = backward(name, x, stats, weight, bias !== undefined, dy);
      return { x: () => dx, weight: () => dw, bias: () => db };
    },
  );
}

function forward(
  name: Kind,
  x: Tensor,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
  eps: number,
): [Tensor, Tensor] {
  const C = x.shape.at(-1)!, N = x.size / C;
  const layout = rowLayout(C);
  const y = empty(x.shape), stats = empty([N, 2]);
  const mean = name === "layerNorm"
    ? `
  var total = 0.0;
  if (live) { for (var c = lane; c < u.columns; c += LANES) { total += x[row * u.columns + c]; } }
  let mean = row_sum(total, t) / f32(u.columns);`
    : "let mean = 0.0;";
  launch({
    name,
    variant: `forward ${layout.lanes}`,
    buffers: {
      x: read(x),
      ...weight && { weight: read(weight) },
      ...bias && { bias: read(bias) },
      y: write(y),
      stats: write(stats),
    },
    uniforms: { rows: u32(N), columns: u32(C), eps: f32(eps) },
    threads: layout.threads,
    groups: Math.ceil(N / layout.rows),
    globals: () =>
      `const LANES = ${layout.lanes}u;` +
      rowReductions(layout, "row_sum"),
    body: () => `
  let lane = t % LANES;
  let row = group * ${layout.rows}u + t / LANES;
  let live = row < u.rows;
${mean}
  var squares = 0.0;
  if (live) {
    for (var c = lane; c < u.columns; c += LANES) {
      let d = x[row * u.columns + c] - mean;
      squares += d * d;
    }
  }
  let r = 1.0 / sqrt(row_sum(squares, t) / f32(u.columns) + u.eps);
  if (live) {
    for (var c = lane; c < u.columns; c += LANES) {
      y[row * u.columns + c] = (x[row * u.columns + c] - mean) * r${weight ? " * weight[c]" : ""}${
      bias ? " + bias[c]" : ""
    };
    }
    if (lane == 0u) { stats[2u * row] = mean; stats[2u * row + 1u] = r; }
  }`,
  });
  return [y, stats];
}

/** The most workgroups of the backward kernel: each takes as many rows in turn as that needs. */
const maxParts = 256;

function backward(
  name: Kind,
  x: Tensor,
  stats: Tensor,
  weight: Tensor | undefined,
  hasBias: boolean,
  dy: Tensor,
): Record<"dx" | "dw" | "db", Tensor> {
  const C = x.shape.at(-1)!, N = x.size / C;
  const layout = rowLayout(C);
  const { lanes, threads, rows } = layout;
  const turns = Math.ceil(N / rows / maxParts);
  const groups = Math.ceil(N / rows / turns);
  const perLane = Math.ceil(C / lanes);
  const dx = empty(x.shape);
  const shares = {
    ...weight && { dw: empty([groups, C]) },
    ...hasBias && { db: empty([groups, C]) },
  };
  const times = weight ? " * weight[c]" : "";
  /** The line for each column c = lane + j * LANES of this thread. */
  const columns = (line: (j: number) => string) =>
    unroll(perLane, (j) => `{ let c = lane + ${j * lanes}u; if (c < u.columns) { ${line(j)} } }`);
  launch({
    name,
    variant: `backward ${name} ${lanes} ${perLane}`,
    buffers: {
      x: read(x),
      stats: read(stats),
      ...weight && { weight: read(weight) },
      dy: read(dy),
      dx: write(dx),
      ...Object.fromEntries(Object.entries(shares).map(([name, t]) => [name, write(t)])),
    },
    uniforms: { rows: u32(N), columns: u32(C), turns: u32(turns), groups: u32(groups) },
    threads,
    groups,
    globals: () => `
const LANES = ${lanes}u;
${rows > 1 ? `var<workgroup> shares: array<vec2f, ${threads * perLane}>;` : ""}
${rowReductions(layout, "row_sums")}`,
    body: () => `
  if (group >= u.groups) { return; }
  let lane = t % LANES;
  let slot = t / LANES;
  ${unroll(perLane, (j) => `var dw${j} = 0.0; var db${j} = 0.0;`)}
  for (var turn = 0u; turn < u.turns; turn++) {
    let row = (group * u.turns + turn) * ${rows}u + slot;
    let live = row < u.rows;
    var g_sum = 0.0;
    var gn_sum = 0.0;
    var mean = 0.0;
    var r = 0.0;
    if (live) {
      mean = stats[2u * row];
      r = stats[2u * row + 1u];
      ${
      columns((j) => `
        let d = dy[row * u.columns + c];
        let n = (x[row * u.columns + c] - mean) * r;
        dw${j} += d * n;
        db${j} += d;
        let g = d${times};
        g_sum += g;
        gn_sum += g * n;`)
    }
    }
    let means = row_sums(vec2f(g_sum, gn_sum), t) / f32(u.columns);
    if (live) {
      ${
      columns(() => `
        let n = (x[row * u.columns + c] - mean) * r;
        dx[row * u.columns + c] = r * (dy[row * u.columns + c]${times} ${
        name === "layerNorm" ? " - means.x" : ""
      } - n * means.y);`)
    }
    }
  }
  ${
      rows === 1 ? "" : `
  // The first row slot adds up the shares of all.
  ${unroll(perLane, (j) => `shares[t + ${j * threads}u] = vec2f(dw${j}, db${j});`)}
  workgroupBarrier();
  if (slot > 0u) { return; }
  for (var s = 1u; s < ${rows}u; s++) {
    ${
        unroll(perLane, (j) => `
    let share${j} = shares[t + s * LANES + ${j * threads}u];
    dw${j} += share${j}.x;
    db${j} += share${j}.y;`)
      }
  }`
    }
  ${
      Object.keys(shares).map((name) =>
        columns((j) => `${name}[group * u.columns + c] = ${name}${j};`)
      )
        .join("\n")
    }`,
  });
  const names = Object.keys(shares);
  const parts = Object.values(shares);
  const sums = groups === 1 || parts.length === 0
    ? parts.map((p) => tf.reshape(p, [C]))
    : sumParts(parts);
  return { dx, ...Object.fromEntries(names.map((name, i) => [name, sums[i]])) } as ReturnType<
    typeof backward
  >;
}
