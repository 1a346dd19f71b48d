/**
 * The engine's threads: `parallel` runs a kernel on all of them.
 *
 * A job is cut into chunks, and an atomic counter hands the chunks out; the
 * main thread takes its share. Kernels compute each item independently of how
 * the items are divided, so the number of threads never changes a result.
 * Workers start in the background, and until they are ready the main thread
 * does the work alone. An idle worker spins for a moment and then sleeps; it
 * never keeps the process alive.
 */
import { Worker } from "node:worker_threads";
import {
  ARGS,
  ARGUMENTS,
  CHUNK,
  CONTROL_BYTES,
  COUNT,
  DONE,
  FAILED,
  KERNEL,
  type Kernel,
  type ModuleExports,
  NEXT,
  READY,
  SCRATCH_BYTES,
  SLEEPERS,
  SPINS,
  TICKET,
  TOTAL,
  WAITING,
  type WorkerData,
} from "./control.ts";
import type { EngineMemory } from "./memory.ts";

const CLOSED = 0x7fffffff; // as the next chunk: none to take

/** A pool of threads over one memory and module. */
export class Threads {
  /** Number of threads, the main thread included. */
  readonly count: number;
  readonly #kernels: Kernel[];
  readonly #index = new Map<string, number>();
  readonly #exports: ModuleExports;
  readonly #memory: EngineMemory;
  readonly #control: number; // pointer
  readonly #words: Int32Array; // the control block
  readonly #next64: BigInt64Array;
  readonly #args: Float64Array;
  readonly #workers: Worker[] = [];
  #generation = 0;
  #ready = false;

  constructor(
    module: WebAssembly.Module,
    instance: WebAssembly.Instance,
    memory: EngineMemory,
    count: number,
  ) {
    this.count = count;
    this.#memory = memory;
    this.#exports = instance.exports as unknown as ModuleExports;
    const names = Object.keys(instance.exports).sort();
    this.#kernels = names.map((name) => instance.exports[name] as Kernel);
    names.forEach((name, i) => this.#index.set(name, i));

    const control = memory.alloc(CONTROL_BYTES, "the threads' control block");
    const buffer = memory.memory.buffer;
    this.#control = control;
    this.#words = new Int32Array(buffer, control, CONTROL_BYTES / 4).fill(0);
    this.#next64 = new BigInt64Array(buffer, control + NEXT * 4, 1);
    this.#args = new Float64Array(buffer, control + ARGS * 4, ARGUMENTS);
    this.#exports.setScratch(memory.alloc(SCRATCH_BYTES, "scratch"));

    for (let i = 1; i < count; i++) {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), {
        workerData: {
          module,
          memory: memory.memory,
          control,
          scratch: memory.alloc(SCRATCH_BYTES, "scratch"),
          names,
        } satisfies WorkerData,
      });
      worker.unref();
      this.#workers.push(worker);
    }
  }

  /** True when all workers have started. */
  get ready(): boolean {
    if (!this.#ready) {
      this.#ready = Atomics.load(this.#words, READY) === this.count - 1;
    }
    return this.#ready;
  }

  /** Resolves when all workers have started; for tests and benchmarks. */
  async whenReady(): Promise<void> {
    while (!this.ready) await new Promise((done) => setTimeout(done, 1));
  }

  /**
   * Runs kernel `name` with `args` on the items 0 <= i < total.
   * `grain`: items that are worth a chunk of their own, about 10 microseconds
   * of work; a job of less than two grains stays on the main thread.
   * Throws Error if the kernel throws (out of bounds).
   */
  parallel(
    name: string,
    args: readonly number[],
    total: number,
    grain: number,
  ): void {
    const index = this.#index.get(name);
    if (index === undefined) throw new TypeError(`No kernel is named ${name}`);
    const record = this.#args;
    for (let i = 0; i < args.length; i++) record[i] = args[i];
    const pointer = this.#control + ARGS * 4;
    const kernel = this.#kernels[index];
    if (total < 2 * grain || this.count === 1 || !this.ready) {
      if (total > 0) kernel(pointer, 0, total);
      return;
    }
    const chunk = Math.max(grain, Math.ceil(total / (4 * this.count)));
    const count = Math.ceil(total / chunk);
    const words = this.#words;
    const next = this.#control + NEXT * 4;
    const generation = this.#generation = (this.#generation + 1) | 0;
    // Nobody can take a chunk while the job is being described.
    Atomics.store(
      this.#next64,
      0,
      (BigInt(generation) << 32n) | BigInt(CLOSED),
    );
    words[KERNEL] = index;
    words[TOTAL] = total;
    words[CHUNK] = chunk;
    words[COUNT] = count;
    Atomics.store(words, DONE, 0);
    this.#exports.openJob(next, generation);
    Atomics.store(words, TICKET, generation);
    if (Atomics.load(words, SLEEPERS) > 0) Atomics.notify(words, TICKET);

    let failure: unknown;
    while (true) {
      const c = this.#exports.claimChunk(next, generation, count);
      if (c < 0) break;
      try {
        kernel(pointer, c * chunk, Math.min(total, (c + 1) * chunk));
      } catch (error) {
        failure = error;
      }
      Atomics.add(words, DONE, 1);
    }
    this.#wait(count);
    if (failure !== undefined) throw failure;
    if (words[FAILED] !== 0) {
      words[FAILED] = 0;
      throw new Error(`Kernel ${name} failed in a worker thread`);
    }
  }

  #wait(count: number) {
    const words = this.#words;
    for (let i = 0; i < SPINS; i++) {
      if (Atomics.load(words, DONE) === count) return;
    }
    Atomics.store(words, WAITING, 1);
    for (let done; (done = Atomics.load(words, DONE)) !== count;) {
      Atomics.wait(words, DONE, done, 10);
    }
    Atomics.store(words, WAITING, 0);
  }
}
