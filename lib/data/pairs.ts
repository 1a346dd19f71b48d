/** Pairs of sentences, such as a text and its translation, for an encoder and a decoder. */
import { readCSV } from "./csv.ts";
import { TensorDataset } from "./dataset.ts";

/**
 * Reads pairs of sentences: the first two columns of a table without a header, with commas between
 * them in a .csv file, else tabs.
 *
 * @throws {InputError} If the file cannot be read or a line has no two sentences
 */
export async function readPairs(path: string): Promise<string[][]> {
  const separator = /\.csv$/i.test(path) ? "," : "\t";
  const table = await readCSV(path, { header: false, columns: ["source", "target"], separator });
  const targets = table.texts("target");
  return table.texts("source").map((source, i) => [source, targets[i]]);
}

/** Pairs of sentences as indices of words. */
export interface Pairs {
  /** The words of the source by index; "P", which fills up short sentences, is 0. */
  source: string[];
  /** The words of the target by index; "P" is 0, and "S" and "E" are the last. */
  target: string[];
  sources: number[][];
  targets: number[][];
  /** The index of "S", which the decoder starts from. */
  start: number;
  /** The index of "E", with which the decoder ends. */
  end: number;
  /** The length of the longest source and a P. */
  src_len: number;
  /** The length of the longest target and an S or E. */
  tgt_len: number;
}

/**
 * Gives each word an index: P is 0, the words follow in the order in which they appear, then come
 * the target's S and E. A word that looks like one of these is a word like any other.
 */
export function makePairs(sentences: string[][]): Pairs {
  const [source, target] = [["P"], ["P"]];
  const toIds = (side: number, words: string[]) => {
    const index = new Map<string, number>();
    const idOf = (word: string) => {
      if (!index.has(word)) index.set(word, words.push(word) - 1);
      return index.get(word)!;
    };
    return sentences.map((pair) => pair[side].split(/\s+/).map(idOf));
  };
  const [sources, targets] = [toIds(0, source), toIds(1, target)];
  const [start, end] = ["S", "E"].map((symbol) => target.push(symbol) - 1);
  const longest = (rows: number[][]) => rows.reduce((most, row) => Math.max(most, row.length), 0);
  const [src_len, tgt_len] = [longest(sources) + 1, longest(targets) + 1];
  return { source, target, sources, targets, start, end, src_len, tgt_len };
}

/**
 * The rows of some pairs: encoder inputs (N, Ts), decoder inputs (N, Tt), which begin with S, and
 * targets (N, Tt), which end with E. P fills them up.
 */
export function pairDataset(pairs: Pairs, rows: number[]): TensorDataset {
  const padded = (length: number, idsOf: (row: number) => number[]) => ({
    data: Int32Array.from(rows.flatMap((row) => Object.assign(Array(length).fill(0), idsOf(row)))),
    shape: [rows.length, length],
  });
  return new TensorDataset(
    padded(pairs.src_len, (row) => pairs.sources[row]),
    padded(pairs.tgt_len, (row) => [pairs.start, ...pairs.targets[row]]),
    padded(pairs.tgt_len, (row) => [...pairs.targets[row], pairs.end]),
  );
}
