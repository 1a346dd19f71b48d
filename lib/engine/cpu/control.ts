/** What the main thread and the workers agree on: see threads.ts. */

/** A kernel: see assembly/common.ts. */
export type Kernel = (args: number, begin: number, end: number) => void;

/** What a module of the engine exports, beside its kernels. */
export interface ModuleExports {
  constantsEnd(): number;
  setScratch(pointer: number): void;
  claimChunk(next: number, generation: number, count: number): number;
  openJob(next: number, generation: number): void;
}

/** Bytes of scratch that each thread has. */
export const SCRATCH_BYTES = 1 << 20;

/** The most arguments that a kernel can have. */
export const ARGUMENTS = 64;

// The control block: 32-bit words, those that several threads write apart.
export const TICKET = 0; // number of the current job
export const SLEEPERS = 16; // workers that wait for a notification
export const NEXT = 32; // 64 bits: generation and next chunk (claimChunk)
export const DONE = 48; // finished chunks of this job
export const WAITING = 49; // 1 while the main thread waits for DONE
export const FAILED = 50; // 1 after a worker's kernel threw
export const KERNEL = 64; // the job: kernel's index, items, items a chunk, ...
export const TOTAL = 65;
export const CHUNK = 66;
export const COUNT = 67; // ... and chunks
export const READY = 80; // workers that have started
export const ARGS = 96; // the arguments: float64
export const CONTROL_BYTES = ARGS * 4 + ARGUMENTS * 8;

/** What a worker is told when it starts. */
export interface WorkerData {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  control: number;
  scratch: number;
  names: string[];
}

/** How often a thread looks before it sleeps: about 20 microseconds. */
export const SPINS = 4000;
