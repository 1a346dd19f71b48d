/** Between texts and a model's ids, whether these stand for characters or for byte pairs. */
import type { BPETokenizer } from "./bpe.ts";
import { UsageError } from "../io/errors.ts";

export interface Tokenizer {
  /** @throws {UsageError} If the text has a character that the model does not know */
  encode(text: string): number[];
  /** The bytes of some ids in UTF-8; a character may be spread over several ids. */
  decodeBytes(ids: number[]): Uint8Array;
  /** A function that turns ids into text one by one; it holds back half a character until its other ids come. Unknown ids become U+FFFD. */
  decoder(): (id: number) => string;
  /** What a text begins with, for writing from nothing. */
  start: number[];
}

const unknown = "\ufffd";

/** A tokenizer whose ids are those of the characters in a list. */
export function characterTokenizer(characters: readonly string[]): Tokenizer {
  const stoi = new Map(characters.map((character, i) => [character, i]));
  const encode = (text: string) =>
    Array.from(text, (character) => {
      const id = stoi.get(character);
      if (id !== undefined) return id;
      throw new UsageError(
        `Cannot continue the text as the model does not know the character ${
          JSON.stringify(character)
        }: choose another one to begin with`,
      );
    });
  const decode = (id: number) => characters[id] ?? unknown;
  return {
    encode,
    decodeBytes: (ids) => new TextEncoder().encode(ids.map(decode).join("")),
    decoder: () => decode,
    start: [stoi.get("\n") ?? 0],
  };
}

/**
 * A tokenizer of byte pairs.
 *
 * @param special Whether <|endoftext|> in a text is that token; otherwise it is a text like others
 */
export function bpeTokenizer(bpe: BPETokenizer, { special = false } = {}): Tokenizer {
  return {
    encode: (text) => bpe.encode(text, { special }),
    decodeBytes: (ids) => bpe.decodeBytes(ids),
    decoder() {
      const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
      return (id) => id < bpe.size ? utf8.decode(bpe.decodeBytes([id]), { stream: true }) : unknown;
    },
    start: [bpe.specialTokens.get("<|endoftext|>") ?? 0],
  };
}
