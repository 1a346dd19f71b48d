/** Beam search: the most probable of many texts at once, instead of the most probable token at each step. */
import * as tf from "@tensorflow/tfjs";
import * as F from "../functional.ts";
import { avoidRepetition, type RepetitionOptions } from "../sampling.ts";
import { KVCache } from "./cache.ts";
import {
  type LanguageModel,
  nextLogits,
  notFinite,
  type Prompts,
  type StepOptions,
  toRows,
} from "./step.ts";

/** How a beam search looks for texts; with the names and meanings of Hugging Face's `generate`. */
export interface BeamOptions extends StepOptions, RepetitionOptions {
  /** Beginnings that a beam search keeps for each row; 1 by default: no search. */
  num_beams?: number;
  /** A beam search compares log p(tokens) / (number of tokens)^length_penalty: above 0 it likes long ones; 1 by default. */
  length_penalty?: number;
  /**
   * When a beam search ends that has `num_beams` ended texts: at once (true), when no open text is likely to become better
   * (false, the default), or when none can ("never").
   */
  early_stopping?: boolean | "never";
  /** Texts that it returns for each row, the best; 1 by default. */
  num_return_sequences?: number;
}

/** A text that a beam search found: all its ids, and what it was compared by. */
export interface Hypothesis {
  ids: number[];
  score: number;
}

/** A beginning that a search goes on with; `logp` is the log probability of what follows the prompt. */
type Beam = { ids: number[]; logp: number };

/** Below any log probability: of banned tokens, and of what fills up a beam. */
const impossible = -1e9;
const isPossible = ({ logp }: { logp: number }) => logp > impossible / 2;

/**
 * The `num_return_sequences` best continuations that a beam search finds for each row of ids (B, T), the best first. At each step it keeps, for each row, the `num_beams` most probable texts that have not ended, and the best of those
 * that have. The options of sampling but for the repetition options do not count: nothing is drawn.
 *
 *     const [[best]] = await beamSearch(model, prompt, 20, { num_beams: 4, stop: [end] });
 *
 * @throws {InputError} If the model's numbers are not finite
 * @throws {RangeError} If there is nothing to continue or an option is out of range
 */
export async function beamSearch(
  model: LanguageModel,
  ids: Prompts,
  max_new_tokens: number,
  options: BeamOptions = {},
): Promise<Hypothesis[][]> {
  checkBeams(options);
  const { num_beams: K = 1, num_return_sequences = 1, use_cache = true } = options;
  const prompts = await toRows(ids);
  const searches = prompts.map((prompt) => new Search(prompt, max_new_tokens, options));
  const cache = use_cache ? new KVCache() : undefined;
  try {
    for (let step = 0; step < max_new_tokens && searches.some(({ done }) => !done); step++) {
      const beams = searches.flatMap(({ beams }) => beams); // B K
      const width = step === 0 ? 1 : K; // beams of each row
      const { totals, places, V } = await candidates(model, beams, width, options, cache);
      const parents = searches.flatMap((search, b) => {
        const found = Array.from(totals[b], (logp, i) => ({
          beam: Math.floor(places[b][i] / V),
          token: places[b][i] % V,
          logp,
        }));
        return search.advance(found).map((beam) => b * width + beam);
      });
      cache?.reorder(parents); // from B rows to B K at first
    }
  } finally {
    cache?.clear();
  }
  return searches.map((search) => search.best(num_return_sequences));
}

/** The most probable texts of one token more, of each row: log probabilities, and beam * V + token (B, N), N enough. */
async function candidates(
  model: LanguageModel,
  beams: Beam[],
  width: number,
  options: BeamOptions,
  cache?: KVCache,
) {
  const { block_size = Infinity, num_beams: K = 1, stop = [] } = options;
  const text = tf.tensor2d(beams.map(({ ids }) => ids), undefined, "int32"); // (B width, T)
  const { V, ...tensors } = tf.tidy(() => {
    const logits = nextLogits(model, text, block_size, cache); // (B width, V)
    const V = logits.shape[1]!;
    const scores = avoidRepetition(F.logSoftmax(logits), options, text).maximum(2 * impossible);
    const before = tf.tensor2d(beams.map(({ logp }) => [logp])); // (B width, 1)
    const all = scores.add(before).reshape([-1, width * V]); // (B, width V)
    const N = Math.min(K * (1 + Math.max(1, stop.length)), width * V); // K go on even if the others end
    return { ...tf.topk(all, N), greedy: F.greedy(logits), V };
  });
  try {
    const { values, indices, greedy } = tensors;
    const [totals, places, tokens] = await Promise.all([
      values.array() as Promise<number[][]>,
      indices.array() as Promise<number[][]>,
      greedy.data(),
    ]);
    if (tokens.includes(-1)) {
      throw await notFinite(model, beams.map(({ ids }) => ids), options);
    }
    return { totals, places, V };
  } finally {
    tf.dispose(tensors);
    text.dispose();
  }
}

/** The beam search of one row. */
class Search {
  beams: Beam[]; // one at first, then K
  done = false;
  #found: Hypothesis[] = []; // texts that have ended, the best first, at most K
  readonly #K: number;
  readonly #prompt: number; // its length

  constructor(
    prompt: number[],
    readonly max_new_tokens: number,
    readonly options: BeamOptions,
  ) {
    this.#K = options.num_beams ?? 1;
    this.#prompt = prompt.length;
    this.beams = [{ ids: prompt, logp: 0 }];
  }

  /** Goes on with the best candidates, which come sorted; returns the beam that each new one continues. */
  advance(candidates: { beam: number; token: number; logp: number }[]): number[] {
    const K = this.#K;
    const { stop = [] } = this.options;
    const likely = candidates.filter(isPossible);
    if (likely.length === 0) this.#end(); // all tokens are banned
    const next: (Beam & { parent: number })[] = [];
    for (const [rank, { beam, token, logp }] of likely.entries()) {
      if (this.done || next.length === K) break;
      const ids = [...this.beams[beam].ids, token];
      if (!stop.includes(token)) next.push({ ids, logp, parent: beam });
      else if (rank < K) this.#add({ ids, logp });
    }
    const length = this.beams[0].ids.length + 1 - this.#prompt;
    this.done ||= next.length === 0 || this.#isDone(likely[0].logp, length);
    // Where fewer than K go on, impossible ones fill up, so that tensors keep their size.
    const filler = {
      ids: [...this.beams[0].ids, candidates[0].token],
      logp: impossible,
      parent: 0,
    };
    while (next.length < K) next.push(filler);
    this.beams = next;
    return next.map(({ parent }) => parent);
  }

  /** The `count` best texts; of those that have not ended too, if the search came to its last step. */
  best(count: number): Hypothesis[] {
    if (!this.done) this.#end();
    return this.#found.slice(0, count);
  }

  /** Takes the open texts as they are. */
  #end(): void {
    for (const beam of this.beams.filter(isPossible)) this.#add(beam);
    this.done = true;
  }

  #score(logp: number, length: number): number {
    return logp / length ** (this.options.length_penalty ?? 1);
  }

  #add({ ids, logp }: Beam): void {
    const score = this.#score(logp, Math.max(1, ids.length - this.#prompt));
    this.#found.push({ ids, score });
    this.#found = this.#found.sort((a, b) => b.score - a.score).slice(0, this.#K);
  }

  /** Whether no open text is to be expected to become better than the worst found; the best has `logp` at `length`. */
  #isDone(logp: number, length: number): boolean {
    const { early_stopping = false, length_penalty = 1 } = this.options;
    if (this.#found.length < this.#K) return false;
    if (early_stopping === true) return true;
    const longest = early_stopping === "never" && length_penalty > 0 ? this.max_new_tokens : length;
    return this.#found.at(-1)!.score >= this.#score(logp, longest);
  }
}

function checkBeams(
  { num_beams = 1, num_return_sequences = 1, length_penalty = 1 }: BeamOptions,
): void {
  const isCount = (n: number) => Number.isInteger(n) && n >= 1;
  if (
    isCount(num_beams) && isCount(num_return_sequences) && num_return_sequences <= num_beams &&
    Number.isFinite(length_penalty)
  ) return;
  throw new RangeError(
    "Cannot search as num_beams must be a whole number from 1 on, num_return_sequences from 1 to num_beams, " +
      `length_penalty a number: num_beams=${num_beams}, num_return_sequences=${num_return_sequences}, ` +
      `length_penalty=${length_penalty}`,
  );
}
