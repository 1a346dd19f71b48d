/**
 * The engine's memory: one WebAssembly memory, shared by all threads, and the allocator over it.
 *
 * Blocks of up to 32 KiB come in size classes (four to a power of two) with a list of free blocks
 * each. Larger blocks are runs of 4 KiB pages. A freed run waits in a list of its exact size,
 * because a training step asks for the same sizes again and again; only when that does not help are
 * neighbouring free runs joined, and only when that does not help either does the memory grow.
 */
import { InputError } from "../../io/errors.ts";

const WASM_PAGE = 65536;
const PAGE = 4096; // granularity of the large blocks
const SLAB = 256 * 1024; // small blocks are cut from slabs of this size
const ARENA = 4 * 2 ** 20; // slabs lie together, not between large blocks
const SMALL = 32 * 1024; // largest small block
/** Bytes at the start of the memory that belong to the module. */
export const RESERVED = WASM_PAGE;
const MAXIMUM = 65536; // WebAssembly pages: 4 GiB

/** What the memory holds, in bytes. */
export interface MemoryStatistics {
  /** In blocks that are in use, rounded up to their size class. */
  used: number;
  /** The most that was ever in use. */
  peak: number;
  /** Size of the WebAssembly memory. */
  reserved: number;
  /** Number of blocks in use. */
  blocks: number;
}

/** An allocator over one shared WebAssembly memory. */
export class EngineMemory {
  readonly memory: WebAssembly.Memory;
  /** Views on the whole memory; they are made anew when it grows. */
  f32!: Float32Array;
  i32!: Int32Array;
  u8!: Uint8Array;
  f64!: Float64Array;

  // The module's constants are below; and pointer 0 means none.
  #top = RESERVED;
  #limit = 0; // bytes that the WebAssembly memory has
  #maximum: number; // bytes that it may have
  #sizes = new Map<number, number>(); // block in use -> its bytes
  #small: number[][] = []; // size class -> free blocks
  #slabs: number[] = []; // slabs that are not cut up yet
  #large = new Map<number, number[]>(); // bytes -> free runs of that size
  #used = 0;
  #peak = 0;

  /**
   * `maximum`: bytes that the memory may grow to, 4 GiB at most. `shared`: false for an engine
   * without threads.
   */
  constructor(maximum: number = MAXIMUM * WASM_PAGE, shared: boolean = true) {
    const pages = Math.min(MAXIMUM, Math.ceil(maximum / WASM_PAGE));
    this.#maximum = pages * WASM_PAGE;
    this.memory = new WebAssembly.Memory({
      initial: Math.min(512, pages),
      maximum: pages,
      shared,
    });
    this.#view();
  }

  #view() {
    const buffer = this.memory.buffer;
    this.f32 = new Float32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u8 = new Uint8Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.#limit = buffer.byteLength;
  }

  /**
   * A block of at least `bytes` bytes, aligned to 64, contents undefined. `what` (for example a
   * shape) is named if the memory is full. Throws InputError when there is no room.
   */
  alloc(bytes: number, what?: string | readonly number[]): number {
    let pointer: number | undefined;
    if (bytes <= SMALL) {
      const index = classOf(bytes);
      bytes = classBytes(index);
      const free = this.#small[index] ??= [];
      pointer = free.pop();
      if (pointer === undefined) {
        const slab = this.#slab(what);
        const count = Math.floor(SLAB / bytes);
        for (let i = count - 1; i > 0; i--) free.push(slab + i * bytes);
        pointer = slab;
      }
    } else {
      bytes = Math.ceil(bytes / PAGE) * PAGE;
      pointer = this.#run(bytes, what);
    }
    this.#sizes.set(pointer, bytes);
    this.#used += bytes;
    if (this.#used > this.#peak) this.#peak = this.#used;
    return pointer;
  }

  /** Gives a block back. Throws RangeError if it is not in use. */
  free(pointer: number): void {
    const bytes = this.#sizes.get(pointer);
    if (bytes === undefined) {
      throw new RangeError(`No block in use starts at ${pointer}`);
    }
    this.#sizes.delete(pointer);
    this.#used -= bytes;
    if (bytes <= SMALL) this.#small[classOf(bytes)].push(pointer);
    else this.#release(pointer, bytes);
  }

  /** What is in use. */
  statistics(): MemoryStatistics {
    return {
      used: this.#used,
      peak: this.#peak,
      reserved: this.#limit,
      blocks: this.#sizes.size,
    };
  }

  #release(pointer: number, bytes: number) {
    const free = this.#large.get(bytes);
    if (free === undefined) this.#large.set(bytes, [pointer]);
    else free.push(pointer);
  }

  #slab(what?: string | readonly number[]): number {
    if (this.#slabs.length === 0) {
      const arena = this.#run(ARENA, what);
      for (let at = ARENA - SLAB; at >= 0; at -= SLAB) this.#slabs.push(arena + at);
    }
    return this.#slabs.pop()!;
  }

  // A run of whole pages.
  #run(bytes: number, what?: string | readonly number[]): number {
    const same = this.#large.get(bytes);
    if (same !== undefined && same.length > 0) return same.pop()!;
    if (this.#top + bytes <= this.#limit) return this.#extend(bytes);
    const pointer = this.#fit(bytes);
    if (pointer >= 0) return pointer;
    const needed = this.#top + bytes - this.#limit;
    // Grow by an eighth at least, so that growing stays rare.
    const wanted = Math.max(needed, this.#limit / 8);
    if (!this.#grow(wanted) && !this.#grow(needed)) this.#full(bytes, what);
    return this.#extend(bytes);
  }

  #extend(bytes: number): number {
    const pointer = this.#top;
    this.#top += bytes;
    return pointer;
  }

  // Joins neighbouring free runs, then takes the smallest that is big enough.
  #fit(bytes: number): number {
    const runs: [number, number][] = [];
    for (const [size, list] of this.#large) {
      for (const pointer of list) runs.push([pointer, size]);
    }
    this.#large.clear();
    runs.sort((a, b) => a[0] - b[0]);
    const joined: [number, number][] = [];
    for (const run of runs) {
      const last = joined.at(-1);
      if (last !== undefined && last[0] + last[1] === run[0]) last[1] += run[1];
      else joined.push(run);
    }
    const end = joined.at(-1);
    if (end !== undefined && end[0] + end[1] === this.#top) {
      this.#top = end[0];
      joined.pop();
    }
    let best: [number, number] | undefined;
    for (const run of joined) {
      if (run[1] >= bytes && (best === undefined || run[1] < best[1])) {
        best = run;
      }
    }
    for (const run of joined) {
      if (run !== best) this.#release(run[0], run[1]);
    }
    if (best === undefined) {
      return this.#top + bytes <= this.#limit ? this.#extend(bytes) : -1;
    }
    if (best[1] > bytes) this.#release(best[0] + bytes, best[1] - bytes);
    return best[0];
  }

  #grow(bytes: number): boolean {
    const pages = Math.ceil(bytes / WASM_PAGE);
    if (this.#limit + pages * WASM_PAGE > this.#maximum) return false;
    try {
      this.memory.grow(pages);
    } catch {
      return false; // The system has no more.
    }
    this.#view();
    return true;
  }

  #full(bytes: number, what?: string | readonly number[]): never {
    const name = typeof what === "string"
      ? what
      : what !== undefined
      ? `a tensor of shape [${what.join(", ")}]`
      : "a buffer";
    throw new InputError(
      `Cannot allocate ${mebibytes(bytes)} for ${name}: ${
        mebibytes(this.#used)
      } in ${this.#sizes.size} blocks are in use, and the memory of this ` +
        `device ends at ${mebibytes(this.#maximum)}; use a smaller batch ` +
        "size, or dispose of tensors with tf.tidy",
    );
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MiB`;
}

// Size classes: 64, then four to a power of two, all multiples of 64 where
// that is possible: 64 128 192 256 320 384 448 512 640 768 896 1024 1280 ...
function classOf(bytes: number): number {
  if (bytes <= 256) return bytes <= 64 ? 0 : (bytes - 1) >> 6;
  const exponent = 31 - Math.clz32(bytes - 1); // 2^exponent < bytes
  return 4 * (exponent - 7) + ((bytes - 1) >> (exponent - 2)) - 4;
}

function classBytes(index: number): number {
  if (index < 4) return (index + 1) << 6;
  const exponent = (index >> 2) + 7;
  return ((index & 3) + 5) << (exponent - 2);
}
