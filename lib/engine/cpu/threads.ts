/**
 * The engine's threads: `parallel` runs a kernel on all of them.
 *
 * A job is cut into chunks, and an atomic counter hands the chunks out; the main thread takes its
 * share. Kernels compute each item independently of how the items are divided, so the number of
 * threads never changes a result.
 *
 * To start a worker takes this thread some 20 milliseconds, more than many a small program
 * computes. So workers are started once there has been that much work for them, and until they are
 * ready the main thread works alone. An idle worker spins for a moment and then sleeps; it never
 * keeps the process alive.
 */
import process from "node:process";
import type { Worker } from "node:worker_threads";
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
/** Grains of work (10 microseconds each) after which workers are started. */
const WORTH_STARTING = 2000;

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
  readonly #scratch: number[];
  readonly #module: WebAssembly.Module;
  readonly #names: string[];
  readonly #workers: Worker[] = [];
  #worth = 0; // grains that workers could have done
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
    this.#scratch = Array.from({ length: count }, () => memory.alloc(SCRATCH_BYTES, "scratch"));
    this.#exports.setScratch(this.#scratch[0]);

    this.#module = module;
    this.#names = names;
  }

  /** Starts the workers, unless that has been done. */
  start(): void {
    if (this.#workers.length > 0) return;
    // Loaded only now: the module takes a while, too.
    const threads = process.getBuiltinModule("node:worker_threads");
    for (let i = 1; i < this.count; i++) {
      const worker = new threads.Worker(new URL("./worker.ts", import.meta.url), {
        workerData: {
          module: this.#module,
          memory: this.#memory.memory,
          control: this.#control,
          scratch: this.#scratch[i],
          names: this.#names,
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

  /** Starts the workers and resolves when they run; for tests and benchmarks. */
  async whenReady(): Promise<void> {
    this.start();
    while (!this.ready) await new Promise((done) => setTimeout(done, 1));
  }

  /**
   * Runs kernel `name` with `args` on the items 0 <= i < total. `grain`: items that are worth a
   * chunk of their own, about 10 microseconds of work; a job of less than two grains stays on the
   * main thread. Throws Error if the kernel throws (out of bounds).
   */
  parallel(
    name: string,
    args: readonly number[],
    total: number,
    grain: number,
  ): void {
    const index = this.#index.get(name);
    if (index === undefined) throw new TypeError(`No kernel is named ${name}`);
    const pointer = this.#control + ARGS * 4;
    const record = this.#memory.f64;
    if (args.length > ARGUMENTS) {
      throw new RangeError(`Kernel ${name} takes at most ${ARGUMENTS} arguments`);
    }
    for (let i = 0; i < args.length; i++) record[pointer / 8 + i] = args[i];
    const kernel = this.#kernels[index];
    const divisible = total >= 2 * grain && this.count > 1;
    if (!divisible || !this.ready) {
      if (divisible) {
        this.#worth += total / grain;
        if (this.#worth > WORTH_STARTING) this.start();
      }
      if (total > 0) kernel(pointer, 0, total);
      return;
    }
    let chunk = Math.max(grain, Math.ceil(total / (4 * this.count)));
    if (chunk > 256) chunk = (chunk + 63) & ~63; // whole cache lines
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
