/** Optimisers, as PyTorch's torch.optim has them; learning-rate schedules are in schedule.ts. */
import * as tf from "@tensorflow/tfjs";
import { fused } from "./engine/registry.ts";
import type { Parameter } from "./nn.ts";
import type { Tensor } from "./tensor.ts";

export * from "./schedule.ts";

/** Parameters that share settings; settings that are not given are the optimiser's. */
export type ParameterGroup<Settings> = { params: Parameter[] } & Settings;

/** The state of an optimiser, for a checkpoint: tensors by name, and the rest as JSON. */
export interface OptimizerState {
  tensors: Record<string, Tensor>;
  steps: number[];
  groups: Record<string, unknown>[];
}

/** What an optimiser keeps for one parameter: how often it was updated, and tensors of its shape. */
type ParameterState = { step: number; tensors: Record<string, tf.Variable> };

/**
 * The base of the optimisers. A training step is one call,
 *
 *     const loss = optimizer.step(() => crossEntropy(model.forward(x), y));
 *
 * or several, to clip the gradients or to add up those of several batches:
 *
 *     const loss = optimizer.backward(() => crossEntropy(model.forward(x), y));
 *     clipGradNorm(optimizer, 1.0);
 *     optimizer.step();
 *
 * The loss that they return lives until the next step; what else they make is freed.
 */
export abstract class Optimizer<Settings extends { lr: number }> {
  groups: ParameterGroup<Settings>[];
  /** The gradients so far since the last step; a parameter that the loss does not depend on has none. */
  gradients = new Map<Parameter, Tensor>();
  private state = new Map<Parameter, ParameterState>();
  private loss?: tf.Scalar;

  /**
   * @param params All parameters, or groups of them with settings of their own.
   * @param settings The settings of each group that has none.
   */
  constructor(
    params: Parameter[] | ({ params: Parameter[] } & Partial<Settings>)[],
    settings: Settings,
  ) {
    const groups = params.length && !("params" in params[0])
      ? [{ params: params as Parameter[] }]
      : params;
    this.groups = (groups as ({ params: Parameter[] } & Partial<Settings>)[])
      .map((group) => ({ ...settings, ...group }));
    const all = this.groups.flatMap((group) => group.params);
    if (all.length === 0) {
      throw new RangeError("Cannot optimise as there are no parameters");
    }
    if (new Set(all).size < all.length) {
      throw new RangeError(
        "Cannot optimise as a parameter is in more than one group",
      );
    }
    for (const { lr } of this.groups) {
      if (!(lr >= 0)) {
        throw new RangeError(
          `Cannot optimise with lr=${lr}: it must be 0 or more`,
        );
      }
    }
  }

  /** Updates the parameters of one group that have a gradient. */
  protected abstract update(
    group: ParameterGroup<Settings>,
    entries: UpdateEntry[],
  ): void;
  /** Names of the tensors that the state of a parameter has. */
  protected abstract slots(group: ParameterGroup<Settings>): string[];

  /** Computes a scalar loss and adds its gradients to `gradients`. Returns the loss. */
  backward(closure: () => Tensor): tf.Scalar {
    const params = this.groups.flatMap((group) => group.params);
    const { value, grads } = tf.variableGrads(
      closure as () => tf.Scalar,
      params,
    );
    for (const p of params) {
      const gradient = grads[p.name];
      if (!gradient) continue;
      const before = this.gradients.get(p);
      this.gradients.set(p, before ? tf.add(before, gradient) : gradient);
      if (before) tf.dispose([before, gradient]);
    }
    this.loss?.dispose();
    this.loss = value;
    return value;
  }

  /** Computes the loss and its gradients if a closure is given, then updates the parameters and clears the gradients. */
  step(closure: () => Tensor): tf.Scalar;
  step(): void;
  step(closure?: () => Tensor): tf.Scalar | void {
    const loss = closure && this.backward(closure);
    for (const group of this.groups) {
      const entries = group.params
        .filter((p) => this.gradients.has(p))
        .map((p) => this.entry(group, p, this.gradients.get(p)!));
      if (entries.length) this.update(group, entries);
    }
    this.zeroGrad();
    return loss;
  }

  /** Forgets the gradients so far. */
  zeroGrad(): void {
    tf.dispose([...this.gradients.values()]);
    this.gradients.clear();
  }

  private entry(
    group: ParameterGroup<Settings>,
    p: Parameter,
    gradient: Tensor,
  ): UpdateEntry {
    const state = this.stateOf(group, p);
    state.step++;
    return { param: p, gradient, step: state.step, ...state.tensors };
  }

  private stateOf(
    group: ParameterGroup<Settings>,
    p: Parameter,
  ): ParameterState {
    if (!this.state.has(p)) {
      const zeros = () => tf.tidy(() => tf.variable(tf.zeros(p.shape), false));
      const tensors = Object.fromEntries(
        this.slots(group).map((name) => [name, zeros()]),
      );
      this.state.set(p, { step: 0, tensors });
    }
    return this.state.get(p)!;
  }

  /** The state for a checkpoint; tensors are named by the parameter's place: `3.exp_avg`. They are no copies. */
  stateDict(): OptimizerState {
    const all = this.groups.flatMap((group) => group.params.map((p) => this.stateOf(group, p)));
    const tensors = all.flatMap(({ tensors }, i) =>
      Object.entries(tensors).map(([name, t]) => [`${i}.${name}`, t] as const)
    );
    const groups = this.groups.map(({ params: _, ...settings }) => settings);
    return {
      tensors: Object.fromEntries(tensors),
      steps: all.map(({ step }) => step),
      groups,
    };
  }

  /**
   * Restores a state of an optimiser of the same parameters.
   *
   * @throws {TypeError} If a tensor is missing or has another shape.
   */
  loadStateDict(saved: OptimizerState): void {
    const own = this.stateDict();
    for (const [name, t] of Object.entries(own.tensors)) {
      const given = saved.tensors[name];
      if (String(given?.shape) !== String(t.shape)) {
        throw new TypeError(
          `Cannot restore the optimiser's ${name}: shape (${t.shape.join(", ")}) needed, ${
            given ? `(${given.shape.join(", ")})` : "nothing"
          } given`,
        );
      }
    }
    for (const [name, t] of Object.entries(own.tensors)) {
      tf.tidy(() => (t as tf.Variable).assign(tf.mul(saved.tensors[name], 1)));
    }
    this.groups.forEach((group, i) => Object.assign(group, saved.groups[i]));
    const all = this.groups.flatMap((group) => group.params);
    all.forEach((p, i) => this.state.get(p)!.step = saved.steps[i]);
  }

  /** Frees the state, the gradients and the last loss. */
  dispose(): void {
    this.zeroGrad();
    this.loss?.dispose();
    for (const { tensors } of this.state.values()) tf.dispose(tensors);
    this.state.clear();
  }
}

/** An optimiser of any kind. */
// deno-lint-ignore no-explicit-any
export type AnyOptimizer = Optimizer<any>;

/** One parameter in an update: its gradient, the number of this update from 1, and its state. */
export type UpdateEntry = {
  param: Parameter;
  gradient: Tensor;
  step: number;
  momentum_buffer?: tf.Variable;
  exp_avg?: tf.Variable;
  exp_avg_sq?: tf.Variable;
};

/** Settings of {@linkcode SGD}. */
export interface SGDSettings {
  lr: number;
  momentum: number;
  dampening: number;
  weight_decay: number;
  nesterov: boolean;
}

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
    for (const { nesterov, momentum, dampening } of this.groups) {
      if (nesterov && (momentum <= 0 || dampening !== 0)) {
        throw new RangeError(
          "Cannot use Nesterov's momentum without momentum or with dampening",
        );
      }
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

/** Settings of {@linkcode Adam} and {@linkcode AdamW}. */
export interface AdamSettings {
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
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
    for (const { betas } of this.groups) {
      if (!betas.every((beta) => beta >= 0 && beta < 1)) {
        throw new RangeError(`Cannot optimise with betas=${betas}: they must be from 0 to below 1`);
      }
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
