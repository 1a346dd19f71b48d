/** Starts the CPU engine: the tfjs backend "engine", with our kernels. */
import { copyRegisteredKernels, registerBackend } from "@tensorflow/tfjs-core";
import { quicken } from "../bookkeeping.ts";
import { registerOverrides } from "../overrides.ts";
import { registerKernels } from "../registry.ts";
import { EngineBackend } from "./backend.ts";
import { EngineMemory } from "./memory.ts";
import { instantiate } from "./module.ts";
import { overrides } from "./overrides.ts";
import { setEngine } from "./runtime.ts";
import { kernels } from "./table.ts";
import { Threads } from "./threads.ts";

/** How the engine was started. */
export interface EngineInfo {
  /** Threads, the main thread included. */
  threads: number;
  /** Whether the processor's fused multiply-add is used. */
  relaxed: boolean;
}

/** How to start the engine. */
export interface EngineOptions {
  /** Threads, the main thread included; all of the processor's by default. */
  threads?: number;
  /** False: no shared memory, and so one thread. */
  shared?: boolean;
  /** False: without the processor's fused multiply-add. */
  relaxed?: boolean;
}

let running: EngineInfo | undefined;

/**
 * Starts the engine and registers the tfjs backend "engine" with it; a later call returns what the
 * first one did.
 *
 * @throws {RangeError} If `threads` is not a whole number of 1 or more
 */
// deno-lint-ignore require-await
export async function startEngine(options: EngineOptions = {}): Promise<EngineInfo> {
  if (running !== undefined) return running;
  const shared = options.shared ?? typeof SharedArrayBuffer !== "undefined";
  const count = shared ? options.threads ?? navigator.hardwareConcurrency : 1;
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`Cannot start ${count} threads: give a whole number of 1 or more`);
  }
  const memory = new EngineMemory(undefined, shared);
  const { module, instance, relaxed } = instantiate(memory.memory, options.relaxed);
  const threads = new Threads(module, instance, memory, count);
  const backend = new EngineBackend(memory);
  quicken(backend);
  setEngine({ memory, threads, backend });
  registerBackend("engine", () => backend, 0);
  copyRegisteredKernels("cpu", "engine");
  registerOverrides("engine", overrides);
  registerKernels("engine", kernels);
  return running = { threads: count, relaxed };
}
