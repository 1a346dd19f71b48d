/**
 * Continuing texts with a model, token by token. A model only says `forward(ids, cache)`; what its tensors need of memory
 * management stands here. lib/sampling.ts chooses the token of one step; lib/generation/ has the cache and beam search.
 */
import * as tf from "@tensorflow/tfjs";
import { type BeamOptions, beamSearch } from "./generation/beam_search.ts";
import { KVCache } from "./generation/cache.ts";
import {
  type LanguageModel,
  nextLogits,
  notFinite,
  type Prompts,
  type StepOptions,
  toRows,
} from "./generation/step.ts";
import { nextToken, readTokens, type SamplingOptions } from "./sampling.ts";
import { type Tensor } from "./tensor.ts";

export { type BeamOptions, beamSearch, type Hypothesis } from "./generation/beam_search.ts";
export { AttentionCache, KVCache } from "./generation/cache.ts";
export {
  type LanguageModel,
  type Prompts,
  repeatRows,
  type StepOptions,
} from "./generation/step.ts";

/** How a text is continued: by drawing or taking a token at each step, or by a beam search. */
export interface GenerateOptions extends StepOptions, SamplingOptions, BeamOptions {
  /** Continuations of each row; 1 by default. Drawn ones differ; a beam search gives its best. */
  num_return_sequences?: number;
  /** Is told the next token of each row, -1 for a row that has ended; on a GPU some steps later. Not of a beam search. */
  onToken?: (ids: number[]) => void;
}

/**
 * Continues each row of ids (B, T), a tensor or lists of one length: B lists of T + `max_new_tokens` ids, or fewer where a
 * row has ended; `num_return_sequences` lists for each row. Turn dropout off first: `model.eval()`.
 *
 *     const [text] = await generate(model, [[3, 1, 4]], 20, { do_sample: true, top_k: 10 });
 *
 * @throws {InputError} If the model's numbers are not finite; it names the first parameter or layer
 * @throws {RangeError} If there is nothing to continue or an option is out of range
 */
export async function generate(
  model: LanguageModel,
  ids: Prompts,
  max_new_tokens: number,
  options: GenerateOptions = {},
): Promise<number[][]> {
  const { num_beams = 1, num_return_sequences = 1, do_sample, onToken } = options;
  if (num_beams > 1) {
    if (do_sample) {
      throw new RangeError(
        `Cannot draw tokens in a beam search: do_sample=true, num_beams=${num_beams}`,
      );
    }
    const found = await beamSearch(model, ids, max_new_tokens, options);
    return found.flat().map(({ ids }) => ids);
  }
  const prompts = await toRows(ids);
  const rows = prompts.flatMap((row) =>
    Array.from({ length: num_return_sequences }, () => [...row])
  );
  for await (
    const next of streamTokens(model, rows.map((row) => [...row]), max_new_tokens, options)
  ) {
    next.forEach((id, b) => id >= 0 && rows[b].push(id));
    onToken?.(next);
  }
  return rows;
}

/**
 * The tokens that {@linkcode generate} appends, as they come: a list of B ids a step, -1 for a row that has ended.
 *
 *     for await (const [id] of streamTokens(model, [[3, 1, 4]], 20)) console.log(id);
 */
export async function* streamTokens(
  model: LanguageModel,
  ids: Prompts,
  max_new_tokens: number,
  options: GenerateOptions = {},
): AsyncGenerator<number[]> {
  const prompts = await toRows(ids);
  const written: number[][] = []; // B ids a step
  const ended = new Set<number>(); // rows
  const textSoFar = () => prompts.map((row, b) => [...row, ...written.map((step) => step[b])]);
  const tokens = nextTokens(model, prompts, max_new_tokens, options);
  for await (const next of readTokens(tokens, () => notFinite(model, textSoFar(), options))) {
    written.push(next);
    yield next.map((id, b) => ended.has(b) ? -1 : id);
    next.forEach((id, b) => options.stop?.includes(id) && ended.add(b));
    if (ended.size === next.length) return;
  }
}

/**
 * The tokens that continue the prompts, a tensor (B) a step, which is the caller's to free. They go into the next step as
 * they are, so that a GPU need not wait for a reader.
 *
 * The keys and values of the tokens so far are kept, so that a step computes its own token only. When the text outgrows
 * the block, each token has another position at each step, and all are computed anew.
 */
function* nextTokens(
  model: LanguageModel,
  prompts: number[][],
  max_new_tokens: number,
  options: GenerateOptions,
): Generator<Tensor> {
  const { block_size = Infinity, use_cache = true } = options;
  const cache = use_cache ? new KVCache() : undefined;
  let text: Tensor = tf.tensor2d(prompts, undefined, "int32"); // (B, T)
  try {
    for (let step = 0; step < max_new_tokens; step++) {
      const before = text;
      const [next] = tf.tidy(() => {
        const next = nextToken(nextLogits(model, text, block_size, cache), options, text); // (B)
        text = tf.concat([text, next.expandDims(1)], 1); // (B, T + 1)
        return [next, text];
      });
      before.dispose();
      yield next;
    }
  } finally {
    text.dispose();
    cache?.clear();
  }
}
