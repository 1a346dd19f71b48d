/**
 * Choosing the next token from a model's scores. The options, their order and their formulas are those of Hugging Face's
 * `generate`: first the repetition penalty and the ban of repeated n-grams; then, if the token is drawn, the temperature,
 * top-k, top-p and min-p. lib/generation.ts does this step after step.
 */
import * as tf from "@tensorflow/tfjs";
import * as F from "./functional.ts";
import { readBehind, type Tensor } from "./tensor.ts";

/** What a text so far does to the scores of the next token. */
export interface RepetitionOptions {
  /** Above 1, tokens of the text become less probable (Keskar et al. 2019, section 4.1); 1 by default. */
  repetition_penalty?: number;
  /** No sequence of this many tokens occurs twice (Paulus et al. 2018, section 2.5); 0 by default: any may. */
  no_repeat_ngram_size?: number;
}

/** How the next token is chosen. */
export interface SamplingOptions extends RepetitionOptions {
  /** Draw the next token; otherwise, and by default, take the most probable one. */
  do_sample?: boolean;
  /** What the scores are divided by: below 1 surer, above 1 more varied; 1 by default. */
  temperature?: number;
  /** Draw from the k most probable tokens only (Fan et al. 2018); all by default. */
  top_k?: number;
  /** Draw from the fewest tokens that have this probability together (Holtzman et al. 2020); 1 by default. */
  top_p?: number;
  /** Draw from tokens at least this many times as probable as the best (Nguyen et al. 2024); 0 by default. */
  min_p?: number;
}

/**
 * Chooses a token for each row of scores: logits (..., V) -> int32 (...). PyTorch draws the same from the same state of
 * its generator. -1 stands where the scores are not numbers: NaN, infinity, or -infinity for all tokens.
 *
 *     const next = nextToken(model.forward(ids), { do_sample: true, temperature: 0.8, top_k: 10 });
 *
 * @param text The tokens so far, int32 (B, T), for logits (B, V); only the repetition options need it
 * @throws {RangeError} If an option is out of range
 */
export function nextToken(logits: Tensor, options: SamplingOptions = {}, text?: Tensor): Tensor {
  const { do_sample = false, temperature = 1, top_k = Infinity, top_p = 1, min_p = 0 } = options;
  const inRange = temperature > 0 && top_k >= 1 && top_p > 0 && top_p <= 1 && min_p >= 0 &&
    min_p <= 1;
  if (!inRange) {
    throw new RangeError(
      "Cannot sample as temperature must be above 0, top_k 1 or more, top_p above 0 and at most 1, min_p from 0 to 1: " +
        `temperature=${temperature}, top_k=${top_k}, top_p=${top_p}, min_p=${min_p}`,
    );
  }
  return tf.tidy(() => {
    let scores = avoidRepetition(logits, options, text);
    if (!do_sample) return F.greedy(scores);
    scores = F.topK(scores.div(temperature), top_k); // (..., V), all but the k largest at -Infinity
    let p = F.softmax(scores);
    if (top_p < 1) p = F.topP(p, top_p);
    if (min_p > 0) p = minP(p, min_p);
    return F.multinomial(p); // (...)
  });
}

/** Sets to 0 what is less probable than `share` times the best of its row: (..., V) -> (..., V). */
export function minP(probabilities: Tensor, share: number): Tensor {
  const unlikely = probabilities.less(probabilities.max(-1, true).mul(share));
  return tf.where(unlikely, tf.zerosLike(probabilities), probabilities);
}

/**
 * The scores with both repetition options applied: logits (B, V), text int32 (B, T) -> (B, V).
 *
 * @throws {RangeError} If an option is out of range
 */
export function avoidRepetition(
  logits: Tensor,
  options: RepetitionOptions,
  text?: Tensor,
): Tensor {
  const { repetition_penalty = 1, no_repeat_ngram_size = 0 } = options;
  if (
    !(repetition_penalty > 0) || !Number.isInteger(no_repeat_ngram_size) || no_repeat_ngram_size < 0
  ) {
    throw new RangeError(
      "Cannot sample as repetition_penalty must be above 0, no_repeat_ngram_size a whole number from 0 on: " +
        `repetition_penalty=${repetition_penalty}, no_repeat_ngram_size=${no_repeat_ngram_size}`,
    );
  }
  if (repetition_penalty === 1 && no_repeat_ngram_size === 0) return logits;
  if (!text) throw new TypeError("Cannot tell what would be repeated without the text so far");
  return tf.tidy(() => {
    const scores = repetition_penalty === 1
      ? logits
      : penalizeRepetition(logits, text, repetition_penalty);
    return no_repeat_ngram_size === 0 ? scores : banNgrams(scores, text, no_repeat_ngram_size);
  });
}

/**
 * The scores of a text's tokens, divided by `penalty` if positive and multiplied by it if negative: logits (B, V), text
 * int32 (B, T) -> (B, V).
 */
export function penalizeRepetition(logits: Tensor, text: Tensor, penalty: number): Tensor {
  const seen = countTokens(text, tf.onesLike(text), logits).greater(0); // (B, V)
  const penalized = tf.where(logits.less(0), logits.mul(penalty), logits.div(penalty));
  return tf.where(seen, penalized, logits);
}

/**
 * -Infinity for the tokens that would end a sequence of n tokens that is in the text already: logits (B, V), text int32
 * (B, T) -> (B, V).
 */
export function banNgrams(logits: Tensor, text: Tensor, n: number): Tensor {
  const places = text.shape[1]! - n + 1; // at which a sequence of n tokens begins
  if (places < 1) return logits;
  let matches: Tensor = tf.onesLike(text.slice([0, n - 1])); // (B, places)
  for (let i = 0; i < n - 1; i++) {
    const there = text.slice([0, i], [-1, places]); // token i of each sequence
    const here = text.slice([0, places + i], [-1, 1]); // token i of the one that the next token would end
    matches = matches.mul(there.equal(here).toInt());
  }
  const banned = countTokens(text.slice([0, n - 1]), matches, logits).greater(0); // (B, V)
  return tf.where(banned, tf.fill(logits.shape, -Infinity), logits);
}

/** How often each token stands in a row, counted with weights: ids and weights int32 (B, T), logits (B, V) -> (B, V). */
function countTokens(ids: Tensor, weights: Tensor, logits: Tensor): Tensor {
  const [B, V] = logits.shape;
  // As one row of B V tokens: tfjs's WebGPU kernel counts several rows wrongly.
  const row = tf.range(0, B * V, V, "int32").expandDims(1); // (B, 1)
  const flat = ids.add(row).flatten() as tf.Tensor1D; // (B T)
  return tf.denseBincount(flat, weights.toFloat().flatten() as tf.Tensor1D, B * V).reshape([B, V]);
}

/**
 * The ids in tensors of chosen tokens, which it frees. On a GPU they come some steps later: see `readBehind`.
 *
 *     for await (const ids of readTokens([nextToken(logits)])) console.log(ids);
 *
 * @param notNumbers Makes the error for a token of -1, whose scores were not numbers
 */
export async function* readTokens(
  tokens: Iterable<Tensor>,
  notNumbers: () => Error | Promise<Error> = () =>
    new RangeError("Cannot draw a token as its scores are not numbers"),
): AsyncGenerator<number[]> {
  for await (const ids of readBehind(tokens)) {
    if (ids.includes(-1)) throw await notNumbers();
    yield [...ids];
  }
}
