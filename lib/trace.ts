/** Follows one forward pass: which module runs which operation on which shapes. */
import * as tf from "@tensorflow/tfjs";
import { observer } from "./engine/registry.ts";
import type { Module } from "./nn.ts";
import type { Tensor } from "./tensor.ts";

/** One operation of a forward pass. */
export interface TraceRow {
  /** Path of the module that ran it, such as `h.0.attn`; empty for the model itself. */
  module: string;
  /** Name of the operation: one of lib/functional.ts, or a kernel of tfjs. */
  operation: string;
  /** Shapes of the tensors that went in, in order. */
  inputs: number[][];
  /** Shape of what came out. */
  output: number[];
  /** Names and shapes of the parameters among the inputs. */
  parameters: string[];
}

/**
 * Runs `forward` once and returns a row for each operation in it; frees all that it made.
 *
 * @param model The model whose modules and parameters are named; without one only operations and
 *   shapes are.
 */
export function traceRows(forward: () => unknown, model?: Module): TraceRow[] {
  const rows: TraceRow[] = [];
  const names = new Map<Tensor, string>();
  for (const [name, p] of model?.namedParameters() ?? []) names.set(p, name);
  let path = "";

  const record = (operation: string, args: unknown[], result: unknown) => {
    const inputs = args.flat().filter((x): x is Tensor => x instanceof tf.Tensor);
    const output = [result].flat().find((x): x is Tensor => x instanceof tf.Tensor);
    if (!output) return;
    const parameters = inputs.filter((t) => names.has(t))
      .map((t) => `${names.get(t)} ${shape(t.shape)}`);
    rows.push({
      module: path,
      operation,
      inputs: inputs.map((t) => t.shape),
      output: output.shape,
      parameters,
    });
  };

  // The operations of tfjs itself pass through one method of its engine, which it calls private.
  type Call = { kernelName?: string; inputs: Record<string, unknown> };
  const engine = tf.engine() as unknown as { runKernelFunc?: (call: Call) => unknown };
  const runKernelFunc = engine.runKernelFunc!;
  let depth = 0;
  engine.runKernelFunc = function (call) {
    const outermost = depth === 0 && observer.current !== undefined;
    depth++;
    try {
      const result = runKernelFunc.call(this, call);
      if (outermost && call.kernelName) {
        record(call.kernelName, Object.values(call.inputs).flat(), result);
      }
      return result;
    } finally {
      depth--;
    }
  };

  const watched = model && watch(model, (name) => {
    const outer = path;
    path = name;
    return () => void (path = outer);
  });
  observer.current = record;
  try {
    tf.tidy(() => void forward());
  } finally {
    watched?.stop();
    observer.current = undefined;
    delete engine.runKernelFunc; // the method of the class is there again
  }
  return rows;
}

/**
 * Calls `enter` whenever the `forward` of a module begins, and what it returns when that ends.
 *
 * @returns A function that ends this
 */
function watch(model: Module, enter: (name: string) => (result: unknown) => void) {
  const modules = (model.namedModules() as [string, Module & { forward?: unknown }][])
    .filter(([, module]) => typeof module.forward === "function");
  for (const [name, module] of modules) {
    const own = module.forward as (...args: unknown[]) => unknown;
    module.forward = function (...args: unknown[]) {
      const leave = enter(name);
      let result: unknown;
      try {
        return result = own.apply(this, args);
      } finally {
        leave(result);
      }
    };
  }
  return { stop: () => modules.forEach(([, module]) => delete module.forward) };
}

const isFinite = async (t: Tensor) => (await t.data()).every(Number.isFinite);

/**
 * The name of the first of the tensors that has a NaN or an infinity.
 *
 *     await firstBadTensor([["wte", tf.scalar(1)], ["wpe", tf.scalar(NaN)]]); // "wpe"
 */
export async function firstBadTensor(
  tensors: Iterable<[name: string, tensor: Tensor]>,
): Promise<string | undefined> {
  for (const [name, t] of tensors) if (!await isFinite(t)) return name;
}

/**
 * Where a model's numbers first go wrong: the first parameter, else the first module's output, that
 * has a NaN or an infinity. Runs `forward` once and frees all that it made.
 *
 * @returns For example `the parameter h.0.attn.c_attn.weight` or `the output of h.2.mlp`; undefined
 *   if all are finite
 */
export async function firstBadValue(
  model: Module,
  forward: () => unknown,
): Promise<string | undefined> {
  const parameter = await firstBadTensor(model.namedParameters());
  if (parameter !== undefined) return `the parameter ${parameter}`;
  const outputs: [string, Tensor][] = [];
  const watched = watch(model, (name) => (result) => {
    for (const t of [result].flat()) {
      if (t instanceof tf.Tensor) outputs.push([name, tf.keep(t.clone())]);
    }
  });
  try {
    tf.tidy(() => void forward());
  } finally {
    watched.stop();
  }
  let bad: string | undefined;
  for (const [name, output] of outputs) {
    if (bad === undefined && !await isFinite(output)) {
      bad = name === "" ? "the model's output" : `the output of ${name}`;
    }
    output.dispose();
  }
  return bad;
}

/** The rows of {@linkcode traceRows} as a table to print. */
export function trace(forward: () => unknown, model?: Module): string {
  const header = ["module", "operation", "inputs", "output", "parameters"];
  const cells = traceRows(forward, model).map((row) => [
    row.module || "(model)",
    row.operation,
    row.inputs.map(shape).join(" "),
    shape(row.output),
    row.parameters.join(" "),
  ]);
  const table = [header, ...cells];
  const widths = header.map((_, i) => Math.max(...table.map((row) => row[i].length)));
  return table.map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd())
    .join("\n");
}

function shape(s: number[]): string {
  return `(${s.join(", ")})`;
}
