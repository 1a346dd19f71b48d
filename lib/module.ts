/** Parameters, and the modules that hold them: what every model and layer is. lib/nn.ts has the layers. */
import * as tf from "@tensorflow/tfjs";
import { InputError } from "./io/errors.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor that an optimiser changes. */
export type Parameter = tf.Variable;

/** Makes a parameter of a tensor, which it takes over. `trainable` false freezes it. */
export function parameter(value: Tensor, trainable = true): Parameter {
  const result = tf.variable(value, trainable);
  value.dispose();
  return result;
}

/**
 * The base of all models and layers. Each field that holds a parameter or another module belongs to it, in the order
 * in which the fields are declared: its parameters first, then those of its modules, as in PyTorch. Declare fields in
 * the order in which the constructor makes them.
 */
export abstract class Module {
  /** Whether dropout is active; set by `train` and `eval`. */
  training = true;

  /** The modules that are fields of this one, by name. */
  namedChildren(): [string, Module][] {
    return Object.entries(this).filter(([, field]) => field instanceof Module);
  }

  /** This module under the name `prefix` and all modules below it: `["", this], ["h", ...], ["h.0", ...]`. */
  namedModules(prefix = ""): [string, Module][] {
    const below = this.namedChildren().flatMap(([name, child]) =>
      child.namedModules(prefix ? `${prefix}.${name}` : name)
    );
    return [[prefix, this], ...below];
  }

  /** All parameters under their checkpoint names. A shared one stands under its first name only. */
  namedParameters(): [string, Parameter][] {
    const seen = new Set<Parameter>();
    return Object.entries(this.stateDict())
      .filter(([, p]) => !seen.has(p) && seen.add(p));
  }

  /** All parameters, a shared one once. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, p]) => p);
  }

  /** How many numbers the parameters hold; with `trainableOnly`, without the frozen ones. */
  countParameters(trainableOnly = false): number {
    return this.parameters()
      .filter((p) => p.trainable || !trainableOnly)
      .reduce((sum, p) => sum + p.size, 0);
  }

  /** All parameters under their checkpoint names, a shared one under each. They are the model's own, not copies. */
  stateDict(): Record<string, Parameter> {
    const state: Record<string, Parameter> = {};
    for (const [path, module] of this.namedModules()) {
      for (const [name, field] of Object.entries(module)) {
        if (field instanceof tf.Variable) {
          state[path ? `${path}.${name}` : name] = field;
        }
      }
    }
    return state;
  }

  /**
   * Copies tensors of the same names and shapes into the parameters.
   *
   * @param options.strict Whether each parameter must be given and no other tensor; true by default. Otherwise the
   * names that are missing and those that are unexpected are returned and left alone.
   * @throws {InputError} If names or shapes do not fit; nothing is copied then.
   */
  loadStateDict(
    state: Record<string, Tensor>,
    { strict = true } = {},
  ): { missing: string[]; unexpected: string[] } {
    const own = this.stateDict();
    const missing = Object.keys(own).filter((name) => !Object.hasOwn(state, name));
    const unexpected = Object.keys(state).filter((name) => !Object.hasOwn(own, name));
    const shape = (t: Tensor) => `(${t.shape.join(", ")})`;
    const misshapen = Object.keys(own)
      .filter((name) => Object.hasOwn(state, name) && shape(state[name]) !== shape(own[name]))
      .map((name) => `${name} (${shape(state[name])} given, ${shape(own[name])} needed)`);
    const problems = [
      strict && missing.length && `missing: ${missing.join(", ")}`,
      strict && unexpected.length && `unexpected: ${unexpected.join(", ")}`,
      misshapen.length && `of the wrong shape: ${misshapen.join(", ")}`,
    ].filter(Boolean);
    if (problems.length) {
      throw new InputError(
        `Cannot load the parameters: ${problems.join("; ")}`,
      );
    }
    for (const [name, p] of Object.entries(own)) {
      if (Object.hasOwn(state, name)) assign(p, state[name]);
    }
    return { missing, unexpected };
  }

  /** Calls `f` for every module, children before their parents (PyTorch's `apply`). */
  apply(f: (module: Module) => void): this {
    for (const [, child] of this.namedChildren()) child.apply(f);
    f(this);
    return this;
  }

  /** Switches dropout on. */
  train(on = true): this {
    for (const [, module] of this.namedModules()) module.training = on;
    return this;
  }

  /** Switches dropout off. */
  eval(): this {
    return this.train(false);
  }

  /** Frees the parameters. */
  dispose(): void {
    for (const p of this.parameters()) p.dispose();
  }
}

/** A module that maps one tensor to one tensor. */
export type Layer = Module & { forward(x: Tensor): Tensor };

/** Copies a tensor's values into a parameter. */
function assign(p: Parameter, value: Tensor) {
  tf.tidy(() => p.assign(tf.mul(value, 1)));
}
