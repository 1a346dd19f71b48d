/** Dropout on the CPU engine: see assembly/fused_dropout.ts. The mask is kept as bits. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { usable } from "../checks.ts";
import { drawLimit, dropoutFactor, lendState, STATE_WORDS, takeState } from "../draws.ts";
import { differentiable } from "../tape.ts";
import { alloc, at, computed, heap, output, parallel, tensor } from "./runtime.ts";

const BLOCK = 4096; // as in assembly/fused_dropout.ts

/** PyTorch's dropout: see lib/functional.ts. */
export function dropout(x: Tensor, p = 0.5, training = true): Tensor | undefined {
  if (!training || p === 0) return x;
  if (!usable(x) || !(p > 0 && p < 1)) return;
  const blocks = Math.ceil(x.size / BLOCK);
  return differentiable({ x }, (save) => {
    const bits = output([Math.ceil(x.size / 32)], "int32");
    const y = computed(x.shape, (y) =>
      drawing(p, ({ state, high, low, factor, turn }) => {
        const args = [y, at(x), bits.pointer, x.size, state, high, low, factor, turn];
        parallel("dropout", args, blocks, 1);
      }));
    save([tensor(bits.info)]);
    return y;
  }, (dy, [bits]) => ({
    x: () =>
      computed(dy.shape, (dx) => {
        const args = [dx, at(dy), at(bits), dy.size, dropoutFactor(p)];
        parallel("dropoutGrad", args, blocks, 4);
      }),
  }));
}

// ---- the generator in the engine's memory

// The generator's state, then two words by which the threads take turns.
const TURN = STATE_WORDS;
const WORDS = TURN + 2;
let generator = 0;

/** Arguments of a kernel that draws. */
export interface Draws {
  /** Pointer of the state: see assembly/twister.ts. */
  state: number;
  /** (1 - p) * 2^53: its high and low 32 bits. */
  high: number;
  low: number;
  /** 1 / (1 - p), as PyTorch rounds it. */
  factor: number;
  /** Pointer of two words that are zero. */
  turn: number;
}

/**
 * Lets `kernel` draw dropout bits from the global torch generator, as `torch.dropoutMask` does: p
 * must be between 0 and 1, both excluded.
 */
export function drawing(p: number, kernel: (draws: Draws) => void): void {
  generator ||= alloc(4 * WORDS, "the generator's state");
  const words = stateWords();
  lendState(words);
  words[TURN] = words[TURN + 1] = 0;
  kernel({
    state: generator,
    ...drawLimit(p),
    factor: dropoutFactor(p),
    turn: generator + 4 * TURN,
  });
  takeState(stateWords()); // again, as the kernel's buffers may have made the memory grow
}

function stateWords(): Uint32Array {
  return new Uint32Array(heap().memory.buffer, generator, WORDS);
}
