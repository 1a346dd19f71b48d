/** What every tokenizer can do, whether its ids stand for characters, byte pairs or parts of words. */
import { UsageError } from "../io/errors.ts";

/** Between texts and the ids that a model reads. */
export interface Tokenizer {
  /** How many ids there are: they are below this. A model may have more, which stand for nothing. */
  readonly size: number;
  /** The same without tokens that were added to the vocabulary. */
  readonly baseSize: number;
  /** Tokens that are not made from text, such as <|endoftext|> -> id. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** What a text begins with, for writing from nothing. */
  readonly start: readonly number[];
  /**
   * The ids of a text.
   *
   * @param options.special Whether special tokens in the text, such as <|endoftext|>, get their own
   * id; otherwise, and by default, they are text like any other
   * @throws {UsageError} If the text has a character that the vocabulary lacks
   */
  encode(text: string, options?: { special?: boolean }): number[];
  /**
   * The text of some ids.
   *
   * @throws {RangeError} If an id stands for nothing
   */
  decode(ids: ArrayLike<number>): string;
  /** A new decoder for ids that come one by one. */
  decoder(): StreamDecoder;
  /** The files, by name, that Hugging Face's programs and `openTokenizer` read: they go beside a model's weights. */
  files(): Record<string, string>;
}

/**
 * Turns ids into text one by one, and holds half a character back until its other ids come. An id
 * that stands for nothing becomes U+FFFD.
 */
export interface StreamDecoder {
  (id: number): string;
  /** The end of the text: U+FFFD if the last ids were half a character, otherwise nothing. */
  end(): string;
}

/** The text of some ids as a stream decoder writes it: an id that stands for nothing becomes U+FFFD. */
export function decodeAll(tokenizer: Tokenizer, ids: readonly number[]): string {
  const decode = tokenizer.decoder();
  return ids.map((id) => decode(id)).join("") + decode.end();
}

/**
 * The ids of a prompt, with special tokens.
 *
 * @param vocab_size How many tokens the model has; its vocabulary may have some that were added later
 * @throws {UsageError} If the prompt has a character or a token that the model does not know
 */
export function encodePrompt(tokenizer: Tokenizer, prompt: string, vocab_size: number): number[] {
  const ids = tokenizer.encode(prompt, { special: true });
  const unknown = ids.find((id) => id >= vocab_size);
  if (unknown === undefined) return ids;
  throw new UsageError(
    `Cannot continue the prompt as its token ${unknown} is not one of the model's ${vocab_size}: ` +
      "choose another --prompt",
  );
}
