/** What the fused operations share: their place on tfjs's tape, and the dropout generator. */
import { engine, type Tensor } from "@tensorflow/tfjs-core";
import { drawLimit, lendState, STATE_WORDS, takeState } from "./draws.ts";
import { alloc, heap, output, tensor } from "./index.ts";

/** Gradients by input name, each computed only if it is asked for. */
export type Gradients = Record<string, () => Tensor>;

/**
 * Runs an operation and puts it on the tape: tfjs's `customGrad`, except that a
 * gradient that nobody needs (of the data, of a frozen weight) is not computed.
 *
 * @param inputs What the operation can be differentiated by.
 * @param forward Computes the result; `save` keeps tensors for `backward`.
 * @param backward The gradients of the inputs, given that of the result.
 */
export function operation(
  inputs: Record<string, Tensor>,
  forward: (save: (tensors: Tensor[]) => void) => Tensor,
  backward: (dy: Tensor, saved: Tensor[]) => Gradients,
): Tensor {
  // customGrad is a wrapper of this method, which tfjs declares as private.
  const tape = engine() as unknown as {
    runKernelFunc(kernel: {
      inputs: Record<string, Tensor>;
      forwardFunc: (backend: unknown, save: (tensors: Tensor[]) => void) => Tensor;
      backwardsFunc: (dy: Tensor, saved: Tensor[]) => Gradients;
    }): Tensor[] | Tensor;
  };
  const result = tape.runKernelFunc({
    inputs,
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: backward,
  });
  return Array.isArray(result) ? result[0] : result;
}

/** A float32 tensor of a shape that `fill` computes, given its pointer. */
export function computed(shape: number[], fill: (pointer: number) => void): Tensor {
  const { info, pointer } = output(shape);
  fill(pointer);
  return tensor(info);
}

/** Whether all tensors are float32 and none is empty. */
export function usable(...tensors: (Tensor | undefined)[]): boolean {
  return tensors.every((t) => t === undefined || (t.dtype === "float32" && t.size > 0));
}

/** How many items take about 10 microseconds, if one takes `ns` nanoseconds. */
export function grainOf(ns: number): number {
  return Math.max(1, Math.round(10000 / ns));
}

// ---- dropout

// In the engine's memory while a kernel draws: the generator's state, then two
// words by which the threads take turns.
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
 * Lets `kernel` draw dropout bits from the global torch generator, as
 * `torch.dropoutMask` does: p must be between 0 and 1, both excluded.
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

/** 1 / (1 - p) in float32, as PyTorch rounds it. */
export function dropoutFactor(p: number): number {
  return Math.fround(1 / Math.fround(1 - p));
}
