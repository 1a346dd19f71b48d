/** What a training loop needs to be stopped at any moment and to go on as if it had never stopped. */
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { loadCheckpoint, readSafetensorsHeader, saveCheckpoint } from "../weights/checkpoint.ts";
import { InputError } from "../io/errors.ts";
import type { Module } from "../nn.ts";
import type { AnyOptimizer, OptimizerState } from "../optim.ts";
import { numpy, python, torch } from "../random.ts";
import type { Tensor } from "../tensor.ts";

/** What is trained: it goes into the checkpoint whole. */
export interface Trained {
  model: Module;
  optimizer: AnyOptimizer;
}

/** What else a checkpoint holds, as JSON: what the loop put in, and what `saveTraining` adds. */
export type TrainingState = Record<string, unknown> & {
  optimizer: Omit<OptimizerState, "tensors">;
  /** The generators' states; a checkpoint that another program wrote has none. */
  generators?: {
    torch: ReturnType<typeof torch.getState>;
    numpy: ReturnType<typeof numpy.getState>;
    python: ReturnType<typeof python.getState>;
  };
};

/**
 * Writes model, optimiser, the generators and the loop's own state into one safetensors file; a kill at any moment
 * leaves the old file or the new one. The tensors are named `model.NAME` and `optimizer.I.SLOT`, I counting the
 * parameters group by group as PyTorch's optimisers do; the rest stands in the metadata, under `trainer`, as JSON.
 *
 * @param state What the loop needs to go on, as JSON can hold it
 * @throws {InputError} If a number is NaN or infinite (the message says after how many updates), or the file cannot be written
 */
export async function saveTraining(
  path: string,
  { model, optimizer }: Trained,
  state: Record<string, unknown>,
): Promise<void> {
  const { tensors, ...rest } = optimizer.stateDict();
  const named = (prefix: string, tensors: Record<string, Tensor>) =>
    Object.entries(tensors).map(([name, t]) => [`${prefix}.${name}`, t]);
  const generators = {
    torch: torch.getState(),
    numpy: numpy.getState(),
    python: python.getState(),
  };
  try {
    await saveCheckpoint(
      path,
      Object.fromEntries([...named("model", model.stateDict()), ...named("optimizer", tensors)]),
      {
        trainer: JSON.stringify({ ...state, optimizer: rest, generators } satisfies TrainingState),
      },
    );
  } catch (error) {
    if (!(error instanceof InputError) || typeof state.iter_num !== "number") throw error;
    throw new InputError(`After ${state.iter_num} updates: ${error.message}`);
  }
}

/**
 * Reads the state that a checkpoint of `saveTraining` holds beside its tensors.
 *
 * @throws {InputError} If the file cannot be read or is no such checkpoint
 */
export async function readTrainingState(path: string): Promise<TrainingState> {
  const { metadata } = await readSafetensorsHeader(path);
  if (!metadata?.trainer) {
    throw new InputError(`Cannot resume from '${path}': it has weights, but no trainer's state`);
  }
  try {
    return JSON.parse(metadata.trainer);
  } catch (error) {
    throw new InputError(
      `Cannot resume from '${path}': its trainer's state is no JSON: ${(error as Error).message}`,
    );
  }
}

/**
 * The checkpoint in a folder that was written last: ckpt.safetensors, the best model's, or last.safetensors, that of
 * where training was stopped.
 *
 * @throws {InputError} If there is none
 */
export async function newestCheckpoint(out: string): Promise<string> {
  const files = ["ckpt.safetensors", "last.safetensors"].map((file) => join(out, file));
  const times = await Promise.all(
    files.map((path) => Deno.stat(path).then(({ mtime }) => Number(mtime), () => -1)),
  );
  if (Math.max(...times) < 0) {
    throw new InputError(
      `Cannot resume as there is no checkpoint '${
        files[0]
      }': start with --init_from=scratch, or name the folder of the run by --out`,
    );
  }
  return files[times[1] > times[0] ? 1 : 0];
}

/**
 * Restores model, optimiser and generators from a checkpoint of `saveTraining`.
 *
 * @returns The state beside the tensors
 * @throws {InputError} If the file is no such checkpoint, or one of another model
 */
export async function restoreTraining(
  path: string,
  { model, optimizer }: Trained,
): Promise<TrainingState> {
  const saved = await readTrainingState(path);
  const all = await loadCheckpoint(path);
  model.loadStateDict(part(all, "model."));
  optimizer.loadStateDict({ ...saved.optimizer, tensors: part(all, "optimizer.") });
  tf.dispose(Object.values(all));
  if (saved.generators) {
    torch.setState(saved.generators.torch);
    numpy.setState(saved.generators.numpy);
    python.setState(saved.generators.python);
  }
  return saved;
}

/** The tensors whose names begin so, without that beginning. */
function part(all: Record<string, Tensor>, prefix: string): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => name.startsWith(prefix))
      .map(([name, t]) => [name.slice(prefix.length), t]),
  );
}

/** Signals that asked the program to stop; see {@linkcode listenForStop}. */
export interface Stop {
  /** The first one, if there was any. */
  signal?: Deno.Signal;
  /** Lets the loop be told of signals: they arrive only when the event loop turns. Cheap to call at each step. */
  check(): Promise<void>;
  /** Gives the signals their usual meaning again. */
  end(): void;
}

/** Notes SIGINT (Ctrl-C) and SIGTERM instead of ending the process, until `end`. */
export function listenForStop(): Stop {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  let turn = performance.now();
  const stop: Stop = {
    async check() {
      if (performance.now() - turn < 50) return;
      await new Promise((resolve) => setTimeout(resolve, 0));
      turn = performance.now();
    },
    end: () => listeners.forEach((remove) => remove()),
  };
  const listeners = signals.map((signal) => {
    const listener = () => void (stop.signal ??= signal);
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return stop;
}

/** Ends the process as the signal would have. */
export function endStopped(signal: Deno.Signal): never {
  Deno.exit(signal === "SIGINT" ? 130 : 143);
}
