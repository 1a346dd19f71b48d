/**
 * The steps of GPT-2's byte-level byte-pair encoding (BPE), one by one, as the definition has them.
 * Papers: Sennrich et al. 2016 (BPE), Radford et al. 2019 (on bytes). Same steps as minGPT's bpe.py.
 */
import { LETTERS, NUMBERS } from "./scan.ts";

// ---- 1. pieces

/**
 * What a piece is: an English contraction; or letters (\p{L}), digits (\p{N}) or other marks, each
 * with one blank before them or not; or white space, of which the last one is left to the piece
 * behind it. \p{White_Space} is what \s means in Python: JavaScript's \s has U+FEFF besides and
 * lacks U+0085.
 */
const PATTERN = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?[${LETTERS}]+| ?[${NUMBERS}]+| ?[^\\p{White_Space}${LETTERS}${NUMBERS}]+` +
    `|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+`,
  "gu",
);

/** Splits a text into pieces; no token spans two of them. Joined, they are the text. */
export function splitIntoPieces(text: string): string[] {
  return text.match(PATTERN) ?? [];
}

// ---- 2. bytes

/**
 * The visible character for each of the 256 bytes. A byte that is a printable character of Latin-1
 * stands for itself; the other 68 (control characters, the blank, ...) get the characters from
 * U+0100 on, so that the blank is "Ġ". Vocabulary files can thus hold any bytes as readable words.
 */
export function bytesToUnicode(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const visible = byte >= 0x21 && byte <= 0x7e || byte >= 0xa1 && byte !== 0xad;
    return String.fromCharCode(visible ? byte : next++);
  });
}

/** Byte -> character. */
export const byteEncoder: readonly string[] = bytesToUnicode();
/** Character -> byte. */
export const byteDecoder: ReadonlyMap<string, number> = new Map(
  byteEncoder.map((character, byte) => [character, byte]),
);

/** The UTF-8 bytes of a text, written in visible characters: " é" is "ĠÃ©". */
export function translate(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => byteEncoder[byte]).join("");
}

// ---- 3. merges

/** The different pairs of neighbours in a word, each written "left right", as in vocab.bpe. */
export function getPairs(word: string[]): Set<string> {
  const pairs = new Set<string>();
  for (let i = 0; i + 1 < word.length; i++) pairs.add(`${word[i]} ${word[i + 1]}`);
  return pairs;
}

/** Joins each occurrence of the pair "left right" in a word, from left to right. */
export function mergePair(word: string[], pair: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < word.length; i++) {
    if (`${word[i]} ${word[i + 1]}` === pair) merged.push(word[i] + word[++i]);
    else merged.push(word[i]);
  }
  return merged;
}
