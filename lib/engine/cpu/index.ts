/**
 * The CPU engine: tfjs backend "engine". `await startEngine()` sets it up;
 * lib/device.ts calls it for the device `cpu`.
 *
 * ## For who writes a kernel
 *
 * 1. AssemblyScript, in assembly/NAME.ts, and `export * from "./NAME";` in
 *    assembly/index.ts. A kernel is
 *
 *        export function scale(args: usize, begin: i32, end: i32): void {
 *          const out = pointer(args, 0), x = pointer(args, 1);
 *          const factor = float(args, 2);
 *          for (let i = begin; i < end; i++) {
 *            store<f32>(out + (<usize> i << 2), factor * load<f32>(x + (<usize> i << 2)));
 *          }
 *        }
 *
 *    `args` is a record of float64 words (pointers and integers are whole
 *    numbers). [begin, end) are items: elements, rows, blocks, as the kernel
 *    says. The division into chunks must not change a result: an item is
 *    computed alone, and a sum over items goes into a partial result per
 *    fixed-size block, which the caller adds up in order. `scratch()` is this
 *    thread's area of SCRATCH_BYTES. Write loops two vectors at a time with
 *    stores at +0 and +16 (turbo merges them), and a tail that rounds exactly
 *    as the vectors do. No allocation, no globals.
 * 2. `deno run -A lib/engine/cpu/build.ts`; commit both .wasm files.
 * 3. TypeScript:
 *
 *        const { info, pointer } = output(x.shape);
 *        parallel("scale", [pointer, at(x), 2], x.size, 8192);
 *        return tensor(info);
 *
 * `at(x)` is the pointer of a tensor's values (float32, int32 as 32 bits, bool
 * as bytes), which stays valid while the tensor lives. `output` makes a tensor
 * without values; `tensor` turns it into a tfjs Tensor (kernels registered with
 * tfjs return the info itself). `alloc` and `free` are for buffers of the
 * caller's own. `heap()` has views of the whole memory (`heap().f32[p / 4]`): do
 * not keep them over an `alloc`, because the memory may grow.
 */
import { registerBackend, type Tensor, type TensorInfo } from "@tensorflow/tfjs-core";
import { quicken } from "../bookkeeping.ts";
import { EngineBackend, type EngineType } from "./backend.ts";
import { registerEngineKernels } from "./kernels.ts";
import { registerFusedKernels } from "./ops.ts";
import { EngineMemory, type MemoryStatistics } from "./memory.ts";
import { instantiate } from "./module.ts";
import { Threads } from "./threads.ts";

export { SCRATCH_BYTES } from "./control.ts";
export type { EngineType, MemoryStatistics };

/** How the engine was started. */
export interface EngineInfo {
  /** Threads, the main thread included. */
  threads: number;
  /** Whether the processor's fused multiply-add is used. */
  relaxed: boolean;
}

interface Engine {
  memory: EngineMemory;
  threads: Threads;
  backend: EngineBackend;
  exports: WebAssembly.Exports;
  info: EngineInfo;
}

let current: Engine | undefined;

function started(): Engine {
  if (current === undefined) {
    throw new TypeError("The engine has not been started: call startEngine");
  }
  return current;
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

/**
 * Starts the engine (once; later calls return the first one's information) and
 * registers the tfjs backend "engine" with it. Throws RangeError if `threads`
 * is not a whole number of 1 or more.
 */
// deno-lint-ignore require-await
export async function startEngine(options: EngineOptions = {}): Promise<EngineInfo> {
  if (current !== undefined) return current.info;
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
  const info = { threads: count, relaxed };
  current = { memory, threads, backend, exports: instance.exports, info };
  registerBackend("engine", () => backend, 0);
  registerEngineKernels();
  registerFusedKernels();
  return info;
}

/** Starts the worker threads now; resolves when they run. For benchmarks. */
export function threadsReady(): Promise<void> {
  return started().threads.whenReady();
}

/** Number of threads, the main thread included. */
export function threadCount(): number {
  return started().threads.count;
}

/** A block of `bytes` bytes, aligned to 64; the caller frees it. */
export function alloc(bytes: number, what?: string): number {
  return started().memory.alloc(bytes, what);
}

/** Gives back what `alloc` gave. */
export function free(pointer: number): void {
  started().memory.free(pointer);
}

/** The memory, with views (f32, i32, u8, f64) that last until it grows. */
export function heap(): EngineMemory {
  return started().memory;
}

/** What the memory holds. */
export function statistics(): MemoryStatistics {
  return started().memory.statistics();
}

/** The pointer of a tensor's values. */
export function at(tensor: TensorInfo): number {
  return started().backend.pointer(tensor);
}

/** A tensor without values yet: (shape) -> its info and its pointer. */
export function output(
  shape: number[],
  dtype: EngineType = "float32",
): { info: TensorInfo; pointer: number } {
  return started().backend.output(shape, dtype);
}

/** The tfjs Tensor of a result. */
export function tensor(info: TensorInfo): Tensor {
  return started().backend.tensor(info);
}

/**
 * Runs a kernel on the items [0, total), on all threads if there are at least
 * two grains. `grain`: items that take about 10 microseconds.
 */
export function parallel(
  name: string,
  args: readonly number[],
  total: number,
  grain: number,
): void {
  started().threads.parallel(name, args, total, grain);
}
