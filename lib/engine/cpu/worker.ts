/** A worker thread of the engine: takes chunks of jobs until the process ends. */
import { workerData } from "node:worker_threads";
import {
  ARGS,
  CHUNK,
  COUNT,
  DONE,
  FAILED,
  KERNEL,
  type Kernel,
  type ModuleExports,
  NEXT,
  READY,
  SLEEPERS,
  SPINS,
  TICKET,
  TOTAL,
  WAITING,
  type WorkerData,
} from "./control.ts";

const { module, memory, control, scratch, names } = workerData as WorkerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const kernels = names.map((name) => exports[name] as Kernel);
const { claimChunk, setScratch } = exports as unknown as ModuleExports;
setScratch(scratch);

const words = new Int32Array(memory.buffer, control, ARGS);
const next = control + NEXT * 4;
const args = control + ARGS * 4;

let seen = Atomics.load(words, TICKET);
Atomics.add(words, READY, 1);
while (true) {
  let ticket = Atomics.load(words, TICKET);
  for (let spins = 0; ticket === seen;) {
    if (++spins > SPINS) {
      Atomics.add(words, SLEEPERS, 1);
      Atomics.wait(words, TICKET, seen);
      Atomics.sub(words, SLEEPERS, 1);
      spins = 0;
    }
    ticket = Atomics.load(words, TICKET);
  }
  seen = ticket;
  const kernel = kernels[words[KERNEL]];
  const total = words[TOTAL], chunk = words[CHUNK], count = words[COUNT];
  while (true) {
    const c = claimChunk(next, ticket, count);
    if (c < 0) break;
    try {
      kernel(args, c * chunk, Math.min(total, (c + 1) * chunk));
    } catch {
      Atomics.store(words, FAILED, 1); // The main thread throws.
    }
    const done = Atomics.add(words, DONE, 1) + 1;
    if (done === count && Atomics.load(words, WAITING) !== 0) {
      Atomics.notify(words, DONE);
    }
  }
}
