/** The base of the optimisers: parameter groups, gradients, state. */
import * as tf from "@tensorflow/tfjs";
import type { UpdateEntry } from "../engine/operations.ts";
import type { Parameter } from "../nn.ts";
import type { Tensor } from "../tensor.ts";

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
  private defaults: Settings;
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
    this.defaults = settings;
    if (this.params().length === 0) {
      throw new RangeError("Cannot optimise as there are no parameters");
    }
    this.checkGroups(this.groups);
  }

  /** All parameters, group by group. */
  private params(): Parameter[] {
    return this.groups.flatMap((group) => group.params);
  }

  private checkGroups(groups: ParameterGroup<Settings>[]): void {
    const all = groups.flatMap((group) => group.params);
    if (new Set(all).size < all.length) {
      throw new RangeError(
        "Cannot optimise as a parameter is in more than one group",
      );
    }
    for (const group of groups) this.check(group);
  }

  /** Throws a RangeError if a setting is out of its range. */
  protected check(settings: Settings): void {
    for (const name of ["lr", "weight_decay", "eps", "momentum"] as const) {
      const value = (settings as Record<string, unknown>)[name];
      if (value === undefined && name !== "lr") continue;
      if (!(Number.isFinite(value) && value as number >= 0)) {
        throw new RangeError(`Cannot optimise with ${name}=${value}: it must be 0 or more`);
      }
    }
  }

  /**
   * Adds parameters with settings of their own; those that are not given are the optimiser's.
   *
   * @throws {RangeError} If a setting is out of its range, or a parameter is in a group already
   */
  addParamGroup(group: { params: Parameter[] } & Partial<Settings>): void {
    const added = { ...this.defaults, ...group };
    this.checkGroups([...this.groups, added]);
    this.groups.push(added);
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
    const params = this.params();
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
    const slots = this.slots(group);
    let state = this.state.get(p);
    // Settings that ask for tensors can come later, as momentum that is switched on: its first step is one.
    if (!state || slots.some((name) => !state!.tensors[name])) {
      const zeros = () => tf.tidy(() => tf.variable(tf.zeros(p.shape), false));
      const tensors = Object.fromEntries(slots.map((name) => [name, zeros()]));
      state = { step: 0, tensors: { ...tensors, ...state?.tensors } };
      this.state.set(p, state);
    }
    return state;
  }

  /**
   * The state for a checkpoint; tensors are named by the parameter's place: `3.exp_avg`. They are no copies. A group's
   * `params` are the places of its parameters, as in PyTorch's state.
   */
  stateDict(): OptimizerState {
    const all = this.groups.flatMap((group) => group.params.map((p) => this.stateOf(group, p)));
    const tensors = all.flatMap(({ tensors }, i) =>
      Object.entries(tensors).map(([name, t]) => [`${i}.${name}`, t] as const)
    );
    let place = 0;
    const groups = this.groups.map((group) => ({
      ...group,
      params: group.params.map(() => place++),
    }));
    return {
      tensors: Object.fromEntries(tensors),
      steps: all.map(({ step }) => step),
      groups,
    };
  }

  /**
   * Restores a state of an optimiser of the same parameters in the same groups. If it does not fit, all stays as it was.
   *
   * @throws {TypeError} If it has other groups, a setting of another type or out of its range, or if a tensor is missing
   * or has another shape
   */
  loadStateDict(saved: OptimizerState): void {
    const cannot = (what: string) => new TypeError(`Cannot restore the optimiser's ${what}`);
    const { tensors, steps, groups } = saved;
    // A state that another program wrote may lack the groups' settings or one of them, which then stay.
    const bare = Array.isArray(groups) && groups.length === 0;
    if (!Array.isArray(groups) || (!bare && groups.length !== this.groups.length)) {
      throw cannot(`groups: ${this.groups.length} needed, ${groups?.length ?? "none"} given`);
    }
    const restored = this.groups.map((group, i) => {
      const { params: places, ...settings } = (groups[i] ?? {}) as Record<string, unknown>;
      const { params, ...own } = group;
      if (places !== undefined && (places as unknown[])?.length !== params.length) {
        throw cannot(
          `group ${i}: ${params.length} parameters needed, ${(places as unknown[])?.length} given`,
        );
      }
      for (const [name, value] of Object.entries(own)) {
        const given = settings[name];
        if (given !== undefined && kindOf(given) !== kindOf(value)) {
          throw cannot(`group ${i}: ${name} is ${JSON.stringify(given)}, ${kindOf(value)} needed`);
        }
      }
      const merged = { ...own, ...settings, params } as ParameterGroup<Settings>;
      try {
        this.check(merged);
      } catch (error) {
        throw cannot(`group ${i}: ${(error as Error).message}`);
      }
      return merged;
    });
    const all = restored.flatMap((group) => group.params.map((p) => ({ p, group })));
    if (!Array.isArray(steps) || steps.length !== all.length) {
      throw cannot(`steps: ${all.length} needed, ${steps?.length ?? "none"} given`);
    }
    for (const [i, step] of steps.entries()) {
      if (!(Number.isSafeInteger(step) && step >= 0)) {
        throw cannot(`steps: number ${i} is ${JSON.stringify(step)}`);
      }
    }
    for (const [i, { p, group }] of all.entries()) {
      for (const slot of this.slots(group)) {
        const given = tensors[`${i}.${slot}`];
        if (String(given?.shape) !== String(p.shape)) {
          throw cannot(
            `${i}.${slot}: shape (${p.shape.join(", ")}) needed, ${
              given ? `(${given.shape.join(", ")})` : "nothing"
            } given`,
          );
        }
      }
    }
    this.groups.forEach((group, i) => Object.assign(group, restored[i]));
    for (const [i, { p, group }] of all.entries()) {
      const state = this.stateOf(group, p);
      state.step = steps[i];
      for (const slot of this.slots(group)) {
        tf.tidy(() => state.tensors[slot].assign(tf.mul(tensors[`${i}.${slot}`], 1)));
      }
    }
  }

  /** Frees the state, the gradients and the last loss. */
  dispose(): void {
    this.zeroGrad();
    this.loss?.dispose();
    for (const { tensors } of this.state.values()) tf.dispose(tensors);
    this.state.clear();
  }
}

/** What a setting is, in words; all elements of a list have the kind of the first. */
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : "no finite number";
  return value === null ? "null" : `a ${typeof value}`;
}

/** An optimiser of any kind. */
// deno-lint-ignore no-explicit-any
export type AnyOptimizer = Optimizer<any>;
