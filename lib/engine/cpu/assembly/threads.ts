// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// How threads share a job: an atomic counter hands out its chunks.
// The control block is described in ../threads.ts.

/**
 * Takes the next chunk of job `generation`, or returns -1 if there is none.
 * The word at `next` holds the generation (high 32 bits) and the next chunk
 * (low 32 bits): a thread that comes late cannot take a chunk of another job.
 */
export function claimChunk(next: usize, generation: i32, count: i32): i32 {
  while (true) {
    const word = atomic.load<u64>(next);
    const chunk = <i32> word;
    if (<i32> (word >> 32) != generation || chunk >= count) return -1;
    if (atomic.cmpxchg<u64>(next, word, word + 1) == word) return chunk;
  }
}

/** Opens job `generation`: its chunks can be taken from now on. */
export function openJob(next: usize, generation: i32): void {
  atomic.store<u64>(next, <u64> <u32> generation << 32);
}

/** Where the module's constants end. */
export function constantsEnd(): usize {
  return __heap_base;
}
