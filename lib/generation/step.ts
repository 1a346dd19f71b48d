/** What sampling and beam search have in common: the model, the scores of one step, and the error if they are not numbers. */
import * as tf from "@tensorflow/tfjs";
import { InputError } from "../io/errors.ts";
import { Module } from "../nn.ts";
import { type RepetitionOptions } from "../sampling.ts";
import { type Tensor } from "../tensor.ts";
import { firstBadValue } from "../trace.ts";
import { type KVCache } from "./cache.ts";

/** What can be continued: a model, or an object around a decoder that knows its encoder's output. */
export interface LanguageModel {
  /**
   * Scores of the next token: ids (B, T) -> logits (B, T, V), or (B, 1, V) of the last token alone where `last` allows
   * that. With a cache, ids are the tokens behind those in it.
   */
  forward(ids: Tensor, cache?: KVCache, last?: boolean): Tensor;
  /** Where its numbers first go wrong for ids (B, T), such as `the parameter wte`; a `Module` need not say it. */
  badPlace?(ids: Tensor): Promise<string | undefined>;
}

/** How the tokens of each step are computed, and which of them end a text. */
export interface StepOptions {
  /** How many tokens the model sees; of a longer text it sees the last ones. All by default. */
  block_size?: number;
  /** Keep keys and values; true by default. */
  use_cache?: boolean;
  /** Tokens that end a row, which keeps them; none by default. */
  stop?: readonly number[];
}

/** Scores of the token behind each row of text: (B, T) -> (B, V). Only tokens that are not in the cache are computed. */
export function nextLogits(
  model: LanguageModel,
  text: Tensor,
  block_size: number,
  cache?: KVCache,
) {
  const T = text.shape[1]!;
  const fits = T <= block_size;
  if (!fits) cache?.clear();
  const seen = fits ? cache?.length ?? 0 : T - block_size;
  const logits = model.forward(text.slice([0, seen]), fits ? cache : undefined, true); // (B, 1 or more, V)
  const [B, places, V] = logits.shape;
  return logits.slice([0, places - 1], [-1, 1]).reshape([B, V]);
}

/** Each row `times` times, one after the other: (B, ...) -> (B * times, ...). An encoder's output fits the beams then. */
export function repeatRows(x: Tensor, times: number): Tensor {
  const [B, ...rest] = x.shape;
  return tf.tidy(() =>
    tf.tile(x.expandDims(1), [1, times, ...rest.map(() => 1)]).reshape([B * times, ...rest])
  );
}

/** Texts to continue, of one length: int32 (B, T), or B lists of T ids. */
export type Prompts = Tensor | readonly (readonly number[])[];

/**
 * Prompts as lists.
 *
 * @throws {RangeError} If they are empty or differ in length
 */
export async function toRows(prompts: Prompts): Promise<number[][]> {
  const rows = prompts instanceof tf.Tensor
    ? await prompts.array() as number[][]
    : prompts.map((row) => [...row]);
  const T = rows[0]?.length ?? 0;
  if (T === 0) {
    throw new RangeError("Cannot generate from nothing: give each row a token or more");
  }
  if (rows.some((row) => row.length !== T)) {
    throw new RangeError("Cannot generate from rows of different lengths in one batch");
  }
  return rows;
}

/** The error for texts whose next token has no scores: it says where the model's numbers first go wrong. */
export async function notFinite(
  model: LanguageModel,
  texts: number[][],
  { block_size = Infinity, no_repeat_ngram_size: n = 0 }: StepOptions & RepetitionOptions,
): Promise<InputError> {
  const seen = tf.tensor2d(texts.map((text) => text.slice(-block_size)), undefined, "int32");
  const place = model.badPlace
    ? await model.badPlace(seen)
    : model instanceof Module
    ? await firstBadValue(model, () => model.forward(seen))
    : undefined;
  seen.dispose();
  if (place === undefined && n > 0) {
    return new InputError(
      `Cannot go on as any token would repeat ${n} tokens of the text: no_repeat_ngram_size=${n}`,
    );
  }
  return new InputError(
    "Cannot choose the next token as its scores are not numbers; not finite is first " +
      (place ?? "what the model gives"),
  );
}
