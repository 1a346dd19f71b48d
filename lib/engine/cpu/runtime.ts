/**
 * What the CPU engine's kernels are written with: memory, tensors and threads. start.ts sets it up.
 *
 *     const { info, pointer } = output(x.shape);
 *     parallel("scale", [pointer, at(x), 2], x.size, 8192);
 *     return tensor(info);
 *
 * README.md in the folder above tells how to write a kernel.
 */
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import type { EngineBackend, EngineType } from "./backend.ts";
import type { EngineMemory, MemoryStatistics } from "./memory.ts";
import type { Threads } from "./threads.ts";

export { SCRATCH_BYTES } from "./control.ts";
export type { EngineType, MemoryStatistics };

/** The parts of the engine that runs. */
export interface Engine {
  memory: EngineMemory;
  threads: Threads;
  backend: EngineBackend;
}

let current: Engine | undefined;

/** Sets the parts; start.ts does that, once. */
export function setEngine(engine: Engine): void {
  current = engine;
}

function started(): Engine {
  if (current === undefined) {
    throw new TypeError("The engine has not been started: call startEngine");
  }
  return current;
}

// ---- memory

/**
 * A block of `bytes` bytes, aligned to 64, contents undefined; the caller frees it.
 *
 * @param what What it is for: the error of a full memory names it
 * @throws {InputError} If there is no room
 */
export function alloc(bytes: number, what?: string): number {
  return started().memory.alloc(bytes, what);
}

/** Gives back what `alloc` gave. */
export function free(pointer: number): void {
  started().memory.free(pointer);
}

/**
 * The memory, with views of all of it: `heap().f32[pointer / 4]`. Do not keep a view over an
 * `alloc` or an `output`: the memory may grow.
 */
export function heap(): EngineMemory {
  return started().memory;
}

/** What the memory holds. */
export function statistics(): MemoryStatistics {
  return started().memory.statistics();
}

// ---- tensors

/**
 * The pointer of a tensor's values, which stays valid while the tensor lives: float32, int32, or
 * bool as bytes.
 */
export function at(tensor: TensorInfo): number {
  return started().backend.pointer(tensor);
}

/** The pointer of a tensor that may be missing: then 0. */
export function atOrZero(tensor?: TensorInfo): number {
  return tensor ? at(tensor) : 0;
}

/** A tensor without values yet: (shape) -> its info and its pointer. */
export function output(
  shape: number[],
  dtype: EngineType = "float32",
): { info: TensorInfo; pointer: number } {
  return started().backend.output(shape, dtype);
}

/** The tfjs Tensor of a result; an override of a tfjs kernel returns the info itself. */
export function tensor(info: TensorInfo): Tensor {
  return started().backend.tensor(info);
}

/** A float32 tensor of a shape that `fill` computes, given its pointer. */
export function computed(shape: number[], fill: (pointer: number) => void): Tensor {
  const { info, pointer } = output(shape);
  fill(pointer);
  return tensor(info);
}

/** The same values under another shape of as many elements. */
export function alias(tensor: TensorInfo, shape: number[]): TensorInfo {
  return started().backend.alias(tensor, shape);
}

// ---- threads

/**
 * Runs a kernel on the items [0, total), on all threads if there are at least two grains.
 *
 * @param name What the kernel is called in assembly/
 * @param args Pointers and numbers, in the order in which the kernel reads them
 * @param grain Items that take about 10 microseconds: see {@linkcode grainOf}
 */
export function parallel(
  name: string,
  args: readonly number[],
  total: number,
  grain: number,
): void {
  started().threads.parallel(name, args, total, grain);
}

/** How many items take about 10 microseconds, if one takes `ns` nanoseconds. */
export function grainOf(ns: number): number {
  return Math.max(1, Math.round(10000 / ns));
}

/** Number of threads, the main thread included. */
export function threadCount(): number {
  return started().threads.count;
}

/** Starts the worker threads now; resolves when they run. For benchmarks and tests. */
export function threadsReady(): Promise<void> {
  return started().threads.whenReady();
}
