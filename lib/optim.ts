/** Optimisers, as PyTorch's torch.optim has them; learning-rate schedules are in schedule.ts. */
import * as tf from "@tensorflow/tfjs";
import type { AdamSettings, SGDSettings, UpdateEntry } from "./engine/operations.ts";
import { fused } from "./engine/registry.ts";
import type { Parameter } from "./nn.ts";
import { Optimizer, type ParameterGroup } from "./optim/optimizer.ts";
import type { Tensor } from "./tensor.ts";

export * from "./optim/optimizer.ts";
export * from "./schedule.ts";
export type { AdamSettings, SGDSettings, UpdateEntry };

/** The update of {@linkcode SGD}: changes each `param` and its `momentum_buffer`. */
export const sgdUpdate = fused(
  "sgdUpdate",
  (entries: UpdateEntry[], settings: SGDSettings): void => {
    const { lr, momentum, dampening, weight_decay, nesterov } = settings;
    for (const { param, gradient, step, momentum_buffer } of entries) {
      tf.tidy(() => {
        let d = weight_decay === 0 ? gradient : gradient.add(param.mul(weight_decay));
        if (momentum !== 0) {
          const buffer = step === 1 ? d : momentum_buffer!.mul(momentum).add(d.mul(1 - dampening));
          momentum_buffer!.assign(buffer.mul(1));
          d = nesterov ? d.add(buffer.mul(momentum)) : buffer;
        }
        param.assign(param.sub(d.mul(lr)));
      });
    }
  },
);

/** Stochastic gradient descent: p <- p - lr d, with momentum (Sutskever et al. 2013), Nesterov's too, and L2 decay. */
export class SGD extends Optimizer<SGDSettings> {
  constructor(
    params: Parameter[] | ({ params: Parameter[] } & Partial<SGDSettings>)[],
    settings: Partial<SGDSettings> = {},
  ) {
    super(params, {
      lr: 1e-3,
      momentum: 0,
      dampening: 0,
      weight_decay: 0,
      nesterov: false,
      ...settings,
    });
  }

  protected override check(settings: SGDSettings): void {
    super.check(settings);
    const { nesterov, momentum, dampening } = settings;
    if (!Number.isFinite(dampening)) {
      throw new RangeError(`Cannot optimise with dampening=${dampening}: it must be a number`);
    }
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new RangeError(
        "Cannot use Nesterov's momentum without momentum or with dampening",
      );
    }
  }

  protected override slots(group: SGDSettings): string[] {
    return group.momentum === 0 ? [] : ["momentum_buffer"];
  }

  protected override update(
    group: ParameterGroup<SGDSettings>,
    entries: UpdateEntry[],
  ): void {
    sgdUpdate(entries, group);
  }
}

/**
 * The update of {@linkcode Adam}, or of {@linkcode AdamW} if the decay is `decoupled`: changes each `param`, `exp_avg`
 * and `exp_avg_sq`.
 */
export const adamUpdate = fused(
  "adamUpdate",
  (
    entries: UpdateEntry[],
    settings: AdamSettings,
    decoupled: boolean,
  ): void => {
    const { lr, betas: [beta1, beta2], eps, weight_decay } = settings;
    for (const { param, gradient, step, exp_avg, exp_avg_sq } of entries) {
      tf.tidy(() => {
        const p = decoupled ? param.mul(1 - lr * weight_decay) : param;
        const g = decoupled || weight_decay === 0
          ? gradient
          : gradient.add(param.mul(weight_decay));
        const m = exp_avg!.add(g.sub(exp_avg!).mul(1 - beta1));
        const v = exp_avg_sq!.mul(beta2).add(g.mul(g).mul(1 - beta2));
        const stepSize = lr / (1 - beta1 ** step);
        const denominator = v.sqrt().div(Math.sqrt(1 - beta2 ** step)).add(eps);
        exp_avg!.assign(m);
        exp_avg_sq!.assign(v);
        param.assign(p.sub(m.mul(stepSize).div(denominator)));
      });
    }
  },
);

const adamDefaults: AdamSettings = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weight_decay: 0,
};

/** Adam (Kingma and Ba 2015, algorithm 1); `weight_decay` is added to the gradient. */
export class Adam extends Optimizer<AdamSettings> {
  protected decoupled = false;

  constructor(
    params: Parameter[] | ({ params: Parameter[] } & Partial<AdamSettings>)[],
    settings: Partial<AdamSettings> = {},
  ) {
    super(params, { ...adamDefaults, ...settings });
  }

  protected override check(settings: AdamSettings): void {
    super.check(settings);
    const { betas } = settings;
    if (betas.length !== 2 || !betas.every((beta) => beta >= 0 && beta < 1)) {
      throw new RangeError(`Cannot optimise with betas=${betas}: they must be from 0 to below 1`);
    }
  }

  protected override slots(): string[] {
    return ["exp_avg", "exp_avg_sq"];
  }

  protected override update(
    group: ParameterGroup<AdamSettings>,
    entries: UpdateEntry[],
  ): void {
    adamUpdate(entries, group, this.decoupled);
  }
}

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), 0.01 by default. */
export class AdamW extends Adam {
  protected override decoupled = true;

  constructor(
    params: Parameter[] | ({ params: Parameter[] } & Partial<AdamSettings>)[],
    settings: Partial<AdamSettings> = {},
  ) {
    super(params, { weight_decay: 0.01, ...settings });
  }
}

// ---- clipping

/**
 * Scales gradients so that the norm over all of them is at most `max`, as PyTorch does: by max / (norm + 1e-6) if that
 * is below 1. Returns the norm before and the gradients to use from now on; it takes over those that it is given.
 */
export const clipGradients = fused(
  "clipGradients",
  (
    gradients: Tensor[],
    max: number,
  ): { norm: tf.Scalar; gradients: Tensor[] } => {
    const result = tf.tidy(() => {
      const norms = tf.stack(gradients.map((g) => g.norm() as tf.Scalar));
      const norm = norms.norm() as tf.Scalar;
      const factor = tf.minimum(tf.div(max, norm.add(1e-6)), 1);
      return { norm, gradients: gradients.map((g) => g.mul(factor)) };
    });
    tf.dispose(gradients);
    return result;
  },
);

/**
 * Clips the gradients that `optimizer.backward` has computed to the norm `max` (Pascanu et al. 2013). Returns their norm
 * before; the caller frees it (`await item(norm)` reads it).
 */
export function clipGradNorm<S extends { lr: number }>(
  optimizer: Optimizer<S>,
  max: number,
): tf.Scalar {
  const params = [...optimizer.gradients.keys()];
  if (params.length === 0) {
    throw new RangeError(
      "Cannot clip as there are no gradients: call backward() first",
    );
  }
  const { norm, gradients } = clipGradients(
    [...optimizer.gradients.values()],
    max,
  );
  params.forEach((p, i) => optimizer.gradients.set(p, gradients[i]));
  return norm;
}
