/**
 * The random bits of dropout, PyTorch's for the same seed, for both engines: they are drawn by the
 * CPU engine's compiled generator, which goes on from the global torch generator and hands it back.
 */
import { torch } from "../random.ts";
import { RESERVED } from "./cpu/memory.ts";
import { instantiate } from "./cpu/module.ts";

// The generator's state in WebAssembly memory, as cpu/assembly/twister.ts lays it out.
const INDEX = 640; // of a word
const READY = 642;
/** 32-bit words that the state has. */
export const STATE_WORDS = 656;

/** Writes the state of the torch generator into `words`. */
export function lendState(words: Uint32Array): void {
  words.set(torch.mt.state);
  words[INDEX] = torch.mt.index;
  words[READY] = 0;
}

/** Reads the state back, after the draws. */
export function takeState(words: Uint32Array): void {
  torch.mt.state.set(words.subarray(0, 624));
  torch.mt.index = words[INDEX];
}

/** What a draw of 53 bits is below if its element is kept, (1 - p) * 2^53: high and low 32 bits. */
export function drawLimit(p: number): { high: number; low: number } {
  const limit = (1 - p) * 2 ** 53; // whole: a float64 1 - p has no bits below 2^-53
  return { high: Math.floor(limit / 2 ** 32), low: limit % 2 ** 32 };
}

/**
 * What a kept element is multiplied by: 1 / (1 - p) in float32, as PyTorch rounds it; 0 if none is
 * kept.
 */
export function dropoutFactor(p: number): number {
  return p === 1 ? 0 : Math.fround(1 / Math.fround(1 - p));
}

/**
 * The mask that `torch.dropoutMask(n, p)` draws, as bits: 1 where an element is kept, 32 to a word,
 * the rest 0.
 */
export type DrawMask = (n: number, p: number) => Int32Array<ArrayBuffer>;

const STATE = RESERVED;
const BITS = STATE + 4096;
const BLOCK = 2 ** 18; // draws at a time
const PAGES = 2; // 128 KiB: the module's constants, the state, the bits of a block

let drawer: DrawMask | undefined;

/** Draws a mask without the CPU engine: see DrawMask. */
export function drawMask(n: number, p: number): Int32Array<ArrayBuffer> {
  drawer ??= maskDrawer();
  return drawer(n, p);
}

/**
 * Makes a DrawMask, with a small memory of its own; without WebAssembly SIMD it draws in
 * JavaScript. `relaxed`: see `instantiate`.
 */
export function maskDrawer(relaxed = true): DrawMask {
  // Not shared: this thread draws alone. The maximum is what the module's import asks for.
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536 });
  let exports: WebAssembly.Exports;
  try {
    exports = instantiate(memory, relaxed).instance.exports;
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return packedMask;
    throw error;
  }
  const draw = exports.drawBits as (
    ...args: [out: number, count: number, state: number, high: number, low: number]
  ) => void;
  const state = new Uint32Array(memory.buffer, STATE, STATE_WORDS);
  const bits = new Int32Array(memory.buffer, BITS, BLOCK / 32);
  return (n, p) => {
    if (!(p > 0 && p < 1)) return packedMask(n, p); // nothing to draw, or an error
    const words = new Int32Array(Math.ceil(n / 32));
    const { high, low } = drawLimit(p);
    lendState(state);
    for (let start = 0; start < n; start += BLOCK) {
      const count = Math.min(BLOCK, n - start);
      draw(BITS, count, STATE, high, low);
      words.set(bits.subarray(0, Math.ceil(count / 32)), start / 32);
    }
    takeState(state);
    return words;
  };
}

/** A DrawMask in JavaScript. */
function packedMask(n: number, p: number): Int32Array<ArrayBuffer> {
  const words = new Int32Array(Math.ceil(n / 32));
  const block = 32 * 1024; // values at a time
  for (let start = 0; start < n; start += block) {
    const mask = torch.dropoutMask(Math.min(block, n - start), p);
    for (let j = 0; j < mask.length; j++) {
      if (mask[j] !== 0) words[(start + j) >>> 5] |= 1 << (j & 31);
    }
  }
  return words;
}
