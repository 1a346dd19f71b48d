/** Sentences of words, one a line, and as indices in a vocabulary. */
import { InputError } from "../io/errors.ts";
import { readText } from "../io/files.ts";

/**
 * Reads a text of sentences, one a line.
 *
 * @param options.least How many lines must have words (default 1)
 * @throws {InputError} If the file cannot be read or has too few sentences
 */
export async function readLines(path: string, { least = 1 } = {}): Promise<string> {
  const text = (await readText(path)).replace(/^\ufeff/, "");
  const count = text.split("\n").filter((line) => /[^\s.,!?-]/.test(line)).length;
  if (count >= least) return text;
  const wanted = ["no", "one", "two", "three"][least] ?? least;
  throw new InputError(
    `Cannot learn from '${path}': it needs ${wanted} sentences at least, each on its line, and has ${count}`,
  );
}

/** A vocabulary, and sentences as indices in it. */
export interface IndexedSentences {
  /** The words by index: the special tokens, then the others, sorted. */
  words: string[];
  sentences: number[][];
}

/**
 * The words of each line of a text, in lower case and without the punctuation . , ! ? and -, as
 * indices in a sorted vocabulary. Empty lines are left out.
 *
 *     indexSentences("Hi, you!\nYou too", ["[PAD]"]); // words [PAD] hi too you, sentences [[1, 3], [3, 2]]
 *
 * @param special Tokens that come first in the vocabulary, the one with index 0 first
 */
export function indexSentences(text: string, special: readonly string[] = []): IndexedSentences {
  const sentences = text.toLowerCase().replace(/[.,!?-]/g, "").split("\n")
    .map((line) => line.split(/\s+/).filter(Boolean)).filter((words) => words.length > 0);
  const words = [...special, ...[...new Set(sentences.flat())].sort()];
  const index = new Map(words.map((word, i) => [word, i]));
  return { words, sentences: sentences.map((words) => words.map((word) => index.get(word)!)) };
}
