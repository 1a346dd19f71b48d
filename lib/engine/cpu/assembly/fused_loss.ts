// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Cross-entropy of logits and the negative log-likelihood of log-probabilities,
// forward and backward, with ignored targets, class weights, label smoothing.
import { float, int, pointer } from "./common";
import { exp, exp1, pairs, rowDot, rowExpSum, rowMax, rowSum } from "./fused_math";

/**
 * loss = (1 - s) * -w[t] log p[t] + s / V * sum_j -w[j] log p[j] by rows, 0 for
 * an ignored target. With log-probabilities lse is 0, else it is
 * log(sum(exp(x))): kept as the row's maximum and log(sum(exp(x - maximum))).
 * Items: rows. args: losses, x, targets, statistics (maximum, log, weight of
 * the row), class weights (or 0), columns, ignored target, smoothing s, whether
 * x are log-probabilities.
 */
export function classLossRows(args: usize, begin: i32, end: i32): void {
  const losses = pointer(args, 0), targets = pointer(args, 2);
  const statistics = pointer(args, 3), w = pointer(args, 4);
  const n = int(args, 5), ignored = int(args, 6), s = float(args, 7);
  const isLog = int(args, 8) != 0;
  const bytes = <usize> n << 2;
  let x = pointer(args, 1) + <usize> begin * bytes;
  const wSum = w == 0 ? <f32> n : rowSum(w, n);
  for (let row = begin; row < end; row++) {
    const target = load<i32>(targets + (<usize> row << 2));
    const stat = statistics + <usize> row * 12;
    let loss: f32 = 0, weight: f32 = 0, max: f32 = 0, log: f32 = 0;
    if (target != ignored) {
      if (!isLog) {
        max = rowMax(x, n);
        log = <f32> Math.log(rowExpSum(x, n, max));
      }
      const offset = <usize> target << 2;
      weight = w == 0 ? 1 : load<f32>(w + offset);
      loss = weight * (log - (load<f32>(x + offset) - max));
      if (s > 0) {
        const sum = w == 0 ? rowSum(x, n) : rowDot(w, x, n);
        loss = (<f32> 1 - s) * loss + s / <f32> n * (wSum * (max + log) - sum);
      }
    }
    store<f32>(losses + (<usize> row << 2), loss);
    store<f32>(stat, max);
    store<f32>(stat, log, 4);
    store<f32>(stat, weight, 8);
    x += bytes;
  }
}

/**
 * out = sum of the losses, divided by the sum of the rows' weights if `mean`.
 * denominator = that sum, or 1. One item.
 * args: out, losses, statistics, rows, mean, denominator.
 */
export function reduceLosses(args: usize, begin: i32, end: i32): void {
  const losses = pointer(args, 1), statistics = pointer(args, 2);
  const rows = int(args, 3);
  let sum: f64 = 0, weights: f64 = 0;
  for (let row = 0; row < rows; row++) {
    sum += <f64> load<f32>(losses + (<usize> row << 2));
    weights += <f64> load<f32>(statistics + <usize> row * 12, 8);
  }
  if (int(args, 4) == 0) weights = 1;
  store<f32>(pointer(args, 0), <f32> (sum / weights));
  store<f32>(pointer(args, 5), <f32> weights);
}

/**
 * dx[j] = g * ((1 - s) w[t] (p[j] - [j = t]) + s / V (W p[j] - w[j])), with
 * W = sum(w) and g = dy / denominator; without p for log-probabilities; 0 for
 * an ignored target. Items: rows. args: dx, x, targets, statistics, class
 * weights (or 0), columns, ignored target, s, log-probabilities, dy, whether
 * dy has an element for each row, denominator.
 */
export function classLossRowsGrad(args: usize, begin: i32, end: i32): void {
  const targets = pointer(args, 2), statistics = pointer(args, 3);
  const w = pointer(args, 4);
  const n = int(args, 5), ignored = int(args, 6), s = float(args, 7);
  const isLog = int(args, 8) != 0;
  const dy = pointer(args, 9), each = int(args, 10) != 0;
  const denominator = load<f32>(pointer(args, 11));
  const bytes = <usize> n << 2;
  const pairEnd = pairs(n);
  let dx = pointer(args, 0) + <usize> begin * bytes;
  let x = pointer(args, 1) + <usize> begin * bytes;
  const wSum = w == 0 ? <f32> n : rowSum(w, n);
  const spread = s / <f32> n;
  for (let row = begin; row < end; row++) {
    const target = load<i32>(targets + (<usize> row << 2));
    const stat = statistics + <usize> row * 12;
    if (target == ignored) {
      memory.fill(dx, 0, bytes);
    } else {
      const g = load<f32>(each ? dy + (<usize> row << 2) : dy) / denominator;
      const chosen = (<f32> 1 - s) * load<f32>(stat, 8);
      if (isLog) {
        memory.fill(dx, 0, bytes);
      } else {
        const max = load<f32>(stat), log = load<f32>(stat, 4);
        const factor = g * (chosen + spread * wSum);
        const m = f32x4.splat(max), l = f32x4.splat(log);
        const f = f32x4.splat(factor);
        let i: usize = 0;
        for (; i < pairEnd; i += 32) {
          const p0 = exp(f32x4.sub(f32x4.sub(v128.load(x + i), m), l));
          const p1 = exp(f32x4.sub(f32x4.sub(v128.load(x + i, 16), m), l));
          v128.store(dx + i, f32x4.mul(p0, f));
          v128.store(dx + i, f32x4.mul(p1, f), 16);
        }
        for (; i < bytes; i += 4) {
          store<f32>(dx + i, exp1((load<f32>(x + i) - max) - log) * factor);
        }
      }
      if (s > 0) {
        for (let i: usize = 0; i < bytes; i += 4) {
          const weight: f32 = w == 0 ? 1 : load<f32>(w + i);
          store<f32>(dx + i, load<f32>(dx + i) - g * spread * weight);
        }
      }
      const at = dx + (<usize> target << 2);
      store<f32>(at, load<f32>(at) - g * chosen);
    }
    dx += bytes;
    x += bytes;
  }
}
