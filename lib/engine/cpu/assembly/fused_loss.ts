// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Cross-entropy of logits and the negative log-likelihood of log-probabilities,
// forward and backward, with ignored targets, class weights, label smoothing;
// and the cross-entropy of probabilities of two classes.
import { float, int, pointer } from "./common";
import { exp, exp1, pairs, rowDot, rowExpSum, rowMax, rowSum } from "./fused_math";
import { log } from "./math";

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

// ---- binary cross-entropy

/** -(y log p + (1 - y) log(1 - p)), the logarithms at least -100. */
// @ts-ignore: decorator
@inline
function binaryLoss(p: v128, y: v128): v128 {
  const one = f32x4.splat(1), least = f32x4.splat(-100);
  // pmax gives its first argument if that is NaN.
  const a = f32x4.mul(y, f32x4.pmax(log(p), least));
  const b = f32x4.mul(f32x4.sub(one, y), f32x4.pmax(log(f32x4.sub(one, p)), least));
  return f32x4.neg(f32x4.add(a, b));
}

/** The loss of each probability. Items: elements. args: losses, p, y. */
export function binaryLosses(args: usize, begin: i32, end: i32): void {
  const losses = pointer(args, 0), p = pointer(args, 1), y = pointer(args, 2);
  let i: usize = <usize> begin << 2;
  const last: usize = <usize> end << 2;
  for (; i + 32 <= last; i += 32) {
    const l0 = binaryLoss(v128.load(p + i), v128.load(y + i));
    const l1 = binaryLoss(v128.load(p + i, 16), v128.load(y + i, 16));
    v128.store(losses + i, l0);
    v128.store(losses + i, l1, 16);
  }
  for (; i < last; i += 4) {
    const loss = binaryLoss(v128.load_splat<f32>(p + i), v128.load_splat<f32>(y + i));
    v128.store_lane<f32>(losses + i, loss, 0);
  }
}

/**
 * out = the sum of the losses / denominator. One item. args: out, losses, number of losses,
 * denominator.
 */
export function sumLosses(args: usize, begin: i32, end: i32): void {
  const losses = pointer(args, 1);
  const n = int(args, 2);
  let sum: f64 = 0;
  for (let i = 0; i < n; i++) sum += <f64> load<f32>(losses + (<usize> i << 2));
  store<f32>(pointer(args, 0), <f32> (sum / <f64> int(args, 3)));
}

// @ts-ignore: decorator
@inline
function binaryGrad(p: v128, y: v128, g: v128): v128 {
  const product = f32x4.mul(p, f32x4.sub(f32x4.splat(1), p));
  const denominator = f32x4.pmax(product, f32x4.splat(1e-12));
  return f32x4.div(f32x4.mul(g, f32x4.sub(p, y)), denominator);
}

/**
 * dp = g (p - y) / max(p (1 - p), 1e-12), with g = dy / denominator. Items:
 * elements. args: dp, p, y, dy, whether dy has an element for each, denominator.
 */
export function binaryLossesGrad(args: usize, begin: i32, end: i32): void {
  const dp = pointer(args, 0), p = pointer(args, 1), y = pointer(args, 2);
  const dy = pointer(args, 3), each = int(args, 4) != 0;
  const same = f32x4.div(v128.load_splat<f32>(dy), f32x4.splat(<f32> int(args, 5)));
  let i: usize = <usize> begin << 2;
  const last: usize = <usize> end << 2;
  for (; i + 32 <= last; i += 32) {
    const g0 = each ? v128.load(dy + i) : same, g1 = each ? v128.load(dy + i, 16) : same;
    const d0 = binaryGrad(v128.load(p + i), v128.load(y + i), g0);
    const d1 = binaryGrad(v128.load(p + i, 16), v128.load(y + i, 16), g1);
    v128.store(dp + i, d0);
    v128.store(dp + i, d1, 16);
  }
  for (; i < last; i += 4) {
    const g = each ? v128.load_splat<f32>(dy + i) : same;
    const d = binaryGrad(v128.load_splat<f32>(p + i), v128.load_splat<f32>(y + i), g);
    v128.store_lane<f32>(dp + i, d, 0);
  }
}
