/**
 * The operations of PyTorch's torch.nn.functional, each written as its formula in tfjs operations.
 * `fused` runs a faster kernel of the same signature where the current device has one
 * (lib/engine/); the formula here is what that kernel is tested against.
 */
import * as tf from "@tensorflow/tfjs";
import type { AttentionOptions, ClassLossOptions, Reduction } from "./engine/operations.ts";
import { fused } from "./engine/registry.ts";
import { torch } from "./random.ts";
import { causalMask, type Tensor } from "./tensor.ts";

export type { AttentionOptions, ClassLossOptions, Reduction };

// ---- layers

/** x W^T + b: x (..., in), weight (out, in) as PyTorch stores it, bias (out) -> (..., out). */
export const linear = fused(
  "linear",
  (x: Tensor, weight: Tensor, bias?: Tensor): Tensor => {
    const [out, features] = weight.shape;
    if (x.shape.at(-1) !== features) {
      throw new TypeError(
        `Cannot apply a linear layer of ${features} inputs to shape (${
          x.shape.join(", ")
        }): the last size must be ${features}`,
      );
    }
    const y = tf.matMul(
      x.reshape([-1, features]),
      weight as tf.Tensor2D,
      false,
      true,
    ); // (N, out)
    return (bias ? y.add(bias) : y).reshape([...x.shape.slice(0, -1), out]);
  },
);

/**
 * Rows of a table: ids int32 (...), weight (V, C) -> (..., C). The ids' range is the caller's to
 * check.
 */
export const embedding = fused(
  "embedding",
  (ids: Tensor, weight: Tensor): Tensor => tf.gather(weight, ids as tf.Tensor1D),
);

/**
 * (x - mean) / sqrt(variance + eps) * weight + bias over the last axis, with the biased variance
 * (Ba et al. 2016, eq. 4): x (..., C), weight (C), bias (C) -> (..., C).
 */
export const layerNorm = fused(
  "layerNorm",
  (x: Tensor, weight?: Tensor, bias?: Tensor, eps = 1e-5): Tensor => {
    const centred = x.sub(x.mean(-1, true));
    const variance = centred.square().mean(-1, true); // (..., 1)
    const y = centred.div(variance.add(eps).sqrt());
    const scaled = weight ? y.mul(weight) : y;
    return bias ? scaled.add(bias) : scaled;
  },
);

/**
 * x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich 2019): x (..., C),
 * weight (C) -> (..., C).
 */
export const rmsNorm = fused(
  "rmsNorm",
  (x: Tensor, weight?: Tensor, eps = 1e-6): Tensor => {
    const y = x.div(x.square().mean(-1, true).add(eps).sqrt());
    return weight ? y.mul(weight) : y;
  },
);

/**
 * Sets each element to zero with probability p and multiplies the others by 1 / (1 - p), if
 * `training`. The mask comes from the torch generator, so it is PyTorch's for the same seed.
 */
export const dropout = fused(
  "dropout",
  (x: Tensor, p = 0.5, training = true): Tensor => {
    if (!training || p === 0) return x;
    return x.mul(tf.tensor(torch.dropoutMask(x.size, p), x.shape));
  },
);

// ---- activations

/** max(x, 0). */
export const relu = fused("relu", (x: Tensor): Tensor => tf.relu(x));

/**
 * x Phi(x) (Hendrycks and Gimpel 2016), Phi the normal distribution function: exact through erf
 * ("none"), or the approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) of GPT-2
 * ("tanh").
 */
export const gelu = fused(
  "gelu",
  (x: Tensor, approximate: "none" | "tanh" = "none"): Tensor => {
    const phi = approximate === "none" ? tf.erf(x.mul(Math.SQRT1_2)) : tf.tanh(
      x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI)),
    );
    return x.mul(0.5).mul(phi.add(1));
  },
);

/**
 * exp(x) / sum(exp(x)) along an axis; the maximum is subtracted first, so that exp does not
 * overflow.
 */
export const softmax = fused("softmax", (x: Tensor, axis = -1): Tensor => {
  const e = x.sub(stopGradient(x.max(axis, true))).exp();
  return e.div(e.sum(axis, true));
});

/** log(softmax(x)) = x - max - log(sum(exp(x - max))) along an axis. */
export const logSoftmax = fused(
  "logSoftmax",
  (x: Tensor, axis = -1): Tensor => {
    const shifted = x.sub(stopGradient(x.max(axis, true)));
    return shifted.sub(shifted.exp().sum(axis, true).log());
  },
);

/** x as a constant: no gradient flows back through it (PyTorch's `detach`). */
export const stopGradient = tf.customGrad((x) => ({
  value: tf.clone(x as Tensor),
  gradFunc: (dy: Tensor) => tf.zerosLike(dy),
})) as (x: Tensor) => Tensor;

// ---- attention

/**
 * softmax(scale q k^T) v (Vaswani et al. 2017, eq. 1): q (B, H, Tq, D), k (B, H, Tk, D), v (B, H,
 * Tk, Dv) -> (B, H, Tq, Dv). A query that may attend to nothing gets zeros.
 */
export const scaledDotProductAttention = fused(
  "scaledDotProductAttention",
  (q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor => {
    const { causal = false, dropout_p = 0, training = true } = options;
    const scale = options.scale ?? 1 / Math.sqrt(q.shape.at(-1)!);
    const weights = attentionWeights(
      q,
      k,
      scale,
      attentionMask(q, k, options.mask, causal),
    );
    return tf.matMul(dropout(weights, dropout_p, training), v); // (B, H, Tq, Dv)
  },
);

/**
 * The mask of an attention with the causal one, if asked for: undefined if every query sees every
 * key.
 */
function attentionMask(
  q: Tensor,
  k: Tensor,
  mask: Tensor | undefined,
  causal: boolean,
) {
  if (!causal) return mask;
  const [Tq, Tk] = [q.shape.at(-2)!, k.shape.at(-2)!];
  const size = Math.max(Tq, Tk);
  const lower = causalMask(size).slice([0, 0], [Tq, Tk]);
  return mask ? lower.logicalAnd(mask) : lower;
}

/** softmax(scale q k^T) with hidden positions at exactly 0: -> (B, H, Tq, Tk). */
function attentionWeights(
  q: Tensor,
  k: Tensor,
  scale: number,
  mask?: Tensor,
): Tensor {
  const scores = tf.matMul(q, k, false, true).mul(scale); // (B, H, Tq, Tk)
  if (!mask) return softmax(scores);
  const seen = tf.broadcastTo(mask, scores.shape);
  const masked = tf.where(seen, scores, tf.fill(scores.shape, -1e30));
  return softmax(masked).mul(tf.cast(seen, "float32"));
}

// ---- sampling: of rows of scores or probabilities (..., V), without gradients

/**
 * The k largest scores of a row, and those that equal the smallest of them; the others become
 * -Infinity.
 */
export const topK = fused("topK", (scores: Tensor, k: number): Tensor => {
  if (k >= scores.shape.at(-1)!) return scores;
  const least = tf.topk(scores, k).values.min(-1, true); // (..., 1)
  return tf.where(scores.less(least), tf.fill(scores.shape, -Infinity), scores);
});

/**
 * The fewest most probable tokens of a row that have the probability `mass` together (Holtzman et
 * al. 2020); the others become 0. Of equally probable ones the first are kept. What is kept is not
 * scaled to the sum 1 again.
 */
export const topP = fused("topP", (probabilities: Tensor, mass: number): Tensor => {
  const V = probabilities.shape.at(-1)!;
  const p = probabilities.reshape([-1, V]); // (N, V)
  const sorted = tf.topk(p, V); // from the most probable on
  const before = tf.cumsum(sorted.values, 1, true); // what those before it have together
  const rank = tf.topk(sorted.indices.neg(), V).indices; // of each token
  const kept = tf.gather(before, rank as tf.Tensor2D, 1, 1).less(mass);
  return tf.where(kept, p, tf.zerosLike(p)).reshape(probabilities.shape);
});

/**
 * The place of the largest score of each row, of equal ones the first: (..., V) -> int32 (...). A
 * row that has NaN or +Infinity, or nothing but -Infinity, gets -1.
 */
export const greedy = fused("greedy", (scores: Tensor): Tensor => {
  const sum = scores.sub(scores.max(-1, true)).exp().sum(-1); // (...), NaN: the row gets -1
  const best = scores.argMax(-1);
  return tf.where(sum.greater(0), best, tf.fill(best.shape, -1, "int32"));
});

/**
 * A token for each row, drawn in proportion to its probabilities, which need not have the sum 1:
 * (..., V) -> int32 (...). The draws are those of PyTorch's `multinomial(p, 1)`: an exponential
 * race, in which the largest p / q, with q from the exponential distribution, is at i with
 * probability p[i] / sum(p). A row that is no distribution, as it has a number that is negative,
 * infinite or NaN, or nothing but zeros, gets -1.
 */
export const multinomial = fused("multinomial", (p: Tensor): Tensor => {
  const q = tf.tensor(torch.exponential(p.size), p.shape);
  const sum = p.sum(-1); // (...), NaN if one is NaN
  const valid = p.min(-1).greaterEqual(0).logicalAnd(sum.greater(0)).logicalAnd(sum.less(Infinity));
  const first = p.div(q).argMax(-1);
  return tf.where(valid, first, tf.fill(first.shape, -1, "int32"));
});

// ---- losses

function reduce(losses: Tensor, reduction: Reduction): Tensor {
  return reduction === "none" ? losses : reduction === "sum" ? losses.sum() : losses.mean();
}

/**
 * -log softmax(logits)[target] for each row: logits (..., V), targets int32 (...) -> a scalar, or
 * (N) if the reduction is "none". The mean is over the targets that are not ignored, weighted by
 * `weight` if given; NaN if all are ignored.
 */
export const crossEntropy = fused(
  "crossEntropy",
  (logits: Tensor, targets: Tensor, options: ClassLossOptions = {}): Tensor =>
    nllLoss(logSoftmax(logits), targets, options),
);

/**
 * -logProbabilities[target] for each row: logProbabilities (..., V), targets int32 (...); otherwise
 * as {@linkcode crossEntropy}.
 */
export const nllLoss = fused(
  "nllLoss",
  (
    logProbabilities: Tensor,
    targets: Tensor,
    options: ClassLossOptions = {},
  ): Tensor => {
    const {
      ignore_index = -100,
      label_smoothing = 0,
      reduction = "mean",
      weight,
    } = options;
    const V = logProbabilities.shape.at(-1)!;
    const logp = logProbabilities.reshape([-1, V]) as tf.Tensor2D; // (N, V)
    const t = targets.reshape([-1]).toInt() as tf.Tensor1D; // (N)
    if (t.size !== logp.shape[0]) {
      throw new TypeError(
        `Cannot compare logits of shape (${
          logProbabilities.shape.join(", ")
        }) with targets of shape (${
          targets.shape.join(", ")
        }): there must be one target for each row of logits`,
      );
    }
    const kept = t.notEqual(ignore_index); // (N)
    const classWeight = weight ?? tf.ones([V]);
    const isTarget = t.expandDims(1).equal(tf.range(0, V, 1, "int32")); // (N, V)
    const rowWeight = isTarget.toFloat().mul(classWeight).sum(1).mul(kept.toFloat()); // (N)
    // A log probability may be -inf where it is not the target's: choose, as 0 * -inf is NaN.
    const chosen = tf.where(isTarget, logp, tf.zerosLike(logp)).sum(1); // (N)
    let losses = chosen.mul(rowWeight).neg();
    if (label_smoothing > 0) {
      const spread = logp.mul(classWeight).sum(1).neg().mul(kept.toFloat()); // (N)
      losses = losses.mul(1 - label_smoothing).add(
        spread.mul(label_smoothing / V),
      );
    }
    losses = tf.where(kept, losses, tf.zerosLike(losses));
    if (reduction !== "mean") return reduce(losses, reduction);
    const total = rowWeight.sum();
    const none = total.equal(0); // all ignored: the mean is NaN, its gradient 0
    return tf.where(none, tf.scalar(NaN), losses.sum().div(total.add(none.toFloat())));
  },
);

/**
 * -(y log p + (1 - y) log(1 - p)) for probabilities p and truths y of one shape. As in PyTorch the
 * logarithms do not fall below -100 and the derivative (p - y) / (p (1 - p)) is taken with a
 * denominator of 1e-12 at least, so that p = 0 and p = 1 give large numbers and no infinities. No
 * gradient flows to y.
 */
export const binaryCrossEntropy = fused(
  "binaryCrossEntropy",
  (p: Tensor, y: Tensor, reduction: Reduction = "mean"): Tensor => {
    const rest = (x: Tensor) => tf.sub(1, x);
    const clampedLog = (x: Tensor) => x.log().maximum(-100);
    const losses = tf.customGrad((p, save) => {
      (save as (tensors: Tensor[]) => void)([p as Tensor, y]);
      const value = y.mul(clampedLog(p as Tensor)).add(rest(y).mul(clampedLog(rest(p as Tensor))))
        .neg();
      const gradFunc = (dy: Tensor, [p, y]: Tensor[]) =>
        dy.mul(p.sub(y)).div(p.mul(rest(p)).maximum(1e-12));
      return { value, gradFunc };
    });
    return reduce(losses(p), reduction);
  },
);

/**
 * {@linkcode binaryCrossEntropy} of sigmoid(z), stable for any z: max(z, 0) - z y + log(1 +
 * exp(-|z|)).
 */
export const binaryCrossEntropyWithLogits = fused(
  "binaryCrossEntropyWithLogits",
  (z: Tensor, y: Tensor, reduction: Reduction = "mean"): Tensor =>
    reduce(z.relu().sub(z.mul(y)).add(z.abs().neg().exp().log1p()), reduction),
);

/** (x - y)^2. */
export const mseLoss = fused(
  "mseLoss",
  (x: Tensor, y: Tensor, reduction: Reduction = "mean"): Tensor =>
    reduce(x.sub(y).square(), reduction),
);
