/**
 * GPT-2's byte-level byte-pair encoding (BPE): from a text to token ids and back.
 * Paper: Sennrich et al. 2016 (BPE), Radford et al. 2019 (on bytes). Same ids as minGPT's bpe.py.
 *
 *   deno run -A lib/tokenizers/bpe.ts                                    each step for an example text
 *   deno run -A lib/tokenizers/bpe.ts "Your text"                        each step for your text
 *   deno run -A lib/tokenizers/bpe.ts --train book.txt --vocab_size 1000 --out out/bpe     a vocabulary of your own
 *   deno run -A lib/tokenizers/bpe.ts --vocab out/bpe "Your text"        each step with that vocabulary
 *
 * Four steps: 1. the text is split into pieces (words with the blank before them, numbers, marks,
 * blanks); 2. a piece becomes its UTF-8 bytes, each written as a visible character; 3. neighbouring
 * symbols are merged, pair by pair, in the order in which the training learned the merges; 4. each
 * symbol left has an id in the vocabulary. `encodeAndShowWork` takes these steps one by one;
 * `encode` gets the same ids quickly (lib/engine/bpe_merge.ts).
 */
import { join } from "node:path";
import process from "node:process";
import { defaultComments, describeFlags, parseFlags } from "../program/flags.ts";
import { MergeEncoder } from "./bpe/merge.ts";
import { LETTERS, NUMBERS } from "./bpe/scan.ts";
import { learnMerges } from "./bpe/train.ts";
import { InputError } from "../io/errors.ts";
import { readText, writeFileAtomic } from "../io/files.ts";
import { checkVocabulary, readVocabulary } from "./bpe/vocabulary.ts";

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

const byteEncoder = bytesToUnicode(); // byte -> character
const byteDecoder = new Map(byteEncoder.map((character, byte) => [character, byte]));

/** The UTF-8 bytes of a text, written in visible characters: " é" is "ĠÃ©". */
function translate(text: string): string {
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

// ---- the tokenizer

/** How one piece is encoded, with the names of bpe.py. */
export interface Part {
  token: string;
  token_bytes: Uint8Array;
  token_translated: string;
  token_merged: string[];
  token_ix: number[];
}

/**
 * A vocabulary with its merges. `BPETokenizer.load()` gives GPT-2's; `trainBPE` makes one of a
 * text.
 */
export class BPETokenizer {
  /** Token (in visible characters) -> id. */
  readonly encoder: Map<string, number>;
  /** Id -> token (in visible characters). */
  readonly decoder: string[];
  /** Merge "left right" -> rank: 0 for the merge that was learned first. */
  readonly ranks: Map<string, number>;
  /** Tokens that no merge makes, such as <|endoftext|> -> id. */
  readonly specialTokens: Map<string, number>;
  #merger: MergeEncoder;

  /**
   * @param encoder token -> id; the ids are 0 to V - 1
   * @param merges "left right" in the order in which they were learned
   * @param files where the two came from, for error messages
   * @throws {InputError} If the two do not fit together
   */
  constructor(
    encoder: Map<string, number>,
    merges: string[],
    files = { encoder: "encoder.json", merges: "vocab.bpe" },
  ) {
    const { tokens, ranks, triples, special } = checkVocabulary(
      { encoder, merges, files },
      byteEncoder,
    );
    this.encoder = encoder;
    this.decoder = tokens;
    this.ranks = ranks;
    this.specialTokens = special;
    for (const [token, id] of special) this.decoder[id] = translate(token);
    this.#merger = new MergeEncoder(
      Int32Array.from(byteEncoder, (token) => encoder.get(token)!),
      triples,
    );
  }

  /** Number of tokens. */
  get size(): number {
    return this.encoder.size;
  }

  /**
   * Reads a vocabulary: from a folder with encoder.json and vocab.bpe (or vocab.json and
   * merges.txt, Hugging Face's names for the same), or GPT-2's own without a folder.
   *
   * @throws {InputError} If a file is missing or damaged; the message says where
   */
  static async load(folder?: string): Promise<BPETokenizer> {
    const { encoder, merges, files } = await readVocabulary(folder);
    return new BPETokenizer(encoder, merges, files);
  }

  /** Writes encoder.json and vocab.bpe into a folder, which is made if it is missing. */
  async save(folder: string): Promise<void> {
    try {
      await Deno.mkdir(folder, { recursive: true });
    } catch (error) {
      throw new InputError(`Cannot make the folder ${folder}: ${(error as Error).message}`);
    }
    const entries = [...this.encoder].sort(([, a], [, b]) => a - b)
      .map(([token, id]) => `${JSON.stringify(token)}: ${id}`);
    const merges = ["#version: 0.2", ...this.ranks.keys()].map((line) => line + "\n");
    await writeFileAtomic(join(folder, "encoder.json"), `{${entries.join(", ")}}`);
    await writeFileAtomic(join(folder, "vocab.bpe"), merges.join(""));
  }

  /**
   * Merges the symbols of one piece: the pair of lowest rank everywhere, then the next, until no
   * pair has a rank. This is the definition; `encode` computes the same with tables and a cache.
   *
   * @param token a piece in visible characters, such as "Ġthere"
   * @returns its tokens
   */
  bpe(token: string): string[] {
    let word = [...token];
    for (;;) {
      let best: string | undefined;
      let bestRank = Infinity;
      for (const pair of getPairs(word)) {
        const rank = this.ranks.get(pair) ?? Infinity;
        if (rank < bestRank) [best, bestRank] = [pair, rank];
      }
      if (best === undefined) return word;
      word = mergePair(word, best);
    }
  }

  /**
   * Encodes a text. Any string can be encoded; a surrogate without its partner counts as U+FFFD.
   *
   * @param options.special if true, special tokens in the text, such as <|endoftext|>, get their
   *   own id; if false (the default, as in bpe.py), they are text like any other
   * @returns the ids; decoded, they give the text again
   */
  encode(text: string, { special = false } = {}): number[] {
    if (typeof text !== "string") {
      throw new TypeError(`Cannot encode: a text is needed, not ${typeof text}`);
    }
    if (!special || this.specialTokens.size === 0) return this.#merger.encode(text);
    // Longest first, so that of two special tokens that begin alike the longer one is found.
    const names = [...this.specialTokens.keys()].sort((a, b) => b.length - a.length);
    const separators = new RegExp(`(${names.map((name) => RegExp.escape(name)).join("|")})`);
    return text.split(separators).flatMap((part, i) =>
      // the odd parts are the separators
      i % 2 === 1 ? [this.specialTokens.get(part)!] : this.#merger.encode(part)
    );
  }

  /**
   * Encodes one text or several, as Python's `tokenizer(texts)`: the result is a list with a row of
   * ids for each text.
   */
  call(texts: string | string[], options?: { special?: boolean }): number[][] {
    return [texts].flat().map((text) => this.encode(text, options));
  }

  /** Encodes a text and returns every step on the way. */
  encodeAndShowWork(text: string): { bpe_idx: number[]; tokens: string[]; parts: Part[] } {
    const tokens = splitIntoPieces(text.toWellFormed());
    const parts = tokens.map((token) => {
      const token_translated = translate(token);
      const token_merged = this.bpe(token_translated);
      return {
        token,
        token_bytes: new TextEncoder().encode(token),
        token_translated,
        token_merged,
        token_ix: token_merged.map((merged) => this.encoder.get(merged)!),
      };
    });
    return { bpe_idx: parts.flatMap((part) => part.token_ix), tokens, parts };
  }

  /**
   * The bytes of a list of ids; a character can be spread over several ids, so they need not be
   * whole characters.
   */
  decodeBytes(ids: ArrayLike<number>): Uint8Array {
    const tokens = Array.from(ids, (id, i) => {
      const token = this.decoder[id];
      if (token === undefined) {
        throw new RangeError(
          `Cannot decode id ${id} at position ${i}: the vocabulary has the ids 0 to ${
            this.size - 1
          }`,
        );
      }
      return token;
    });
    return Uint8Array.from(tokens.join(""), (character) => byteDecoder.get(character)!);
  }

  /**
   * Decodes ids, in an array or a typed array, to a text. Bytes that are no UTF-8 become U+FFFD.
   *
   * @throws {RangeError} If an id is not in the vocabulary
   */
  decode(ids: ArrayLike<number>): string {
    // A byte-order mark at the beginning is part of the text.
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.decodeBytes(ids));
  }

  /** Decodes several lists of ids. */
  batchDecode(batch: Iterable<ArrayLike<number>>): string[] {
    return Array.from(batch, (ids) => this.decode(ids));
  }
}

// ---- training

/**
 * Learns a vocabulary from a text: it begins with the 256 bytes, and the most frequent pair of
 * neighbours becomes a new token, again and again. Of equally frequent pairs the one with the
 * smaller ids comes first, so that the same text always gives the same vocabulary.
 *
 * @param vocabSize number of tokens wanted, 256 or more; it is not reached if the text is too short
 *   to have as many
 * @param options.endOfText if true, the last token is the special token <|endoftext|>
 * @param options.onMerge called after each merge with the number of merges done
 * @throws {RangeError} If `vocabSize` is no integer of 256 or more (257 with `endOfText`)
 */
export function trainBPE(
  text: string,
  vocabSize: number,
  { endOfText = false, onMerge }: { endOfText?: boolean; onMerge?: (done: number) => void } = {},
): BPETokenizer {
  const smallest = endOfText ? 257 : 256;
  if (!Number.isInteger(vocabSize) || vocabSize < smallest) {
    throw new RangeError(
      `Cannot train a vocabulary: its size must be an integer of ${smallest} or more, it is ${vocabSize}`,
    );
  }
  const pieces = new Map<string, number>(); // piece -> how often it occurs
  for (const piece of splitIntoPieces(text.toWellFormed())) {
    pieces.set(piece, (pieces.get(piece) ?? 0) + 1);
  }
  const merges = learnMerges(pieces, byteEncoder, vocabSize - smallest, onMerge);
  const tokens = new Set([
    ...byteEncoder.toSorted(), // GPT-2's order
    ...merges.map(([left, right]) => left + right),
    ...endOfText ? ["<|endoftext|>"] : [],
  ]);
  return new BPETokenizer(
    new Map([...tokens].map((token, id) => [token, id])),
    merges.map((pair) => pair.join(" ")),
  );
}

// ---- the program

/** Python's way to print a string, with ' or " around it, whichever needs no backslash. */
function pythonString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    if (character === quote || character === "\\") return "\\" + character;
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
    if (short) return short;
    if (character === " " || !/[\p{C}\p{Z}]/u.test(character)) return character;
    const hex = code.toString(16);
    if (code < 0x100) return "\\x" + hex.padStart(2, "0");
    return code < 0x10000 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
  });
  return quote + body.join("") + quote;
}

/** Python's way to print bytes. */
function pythonBytes(bytes: Uint8Array): string {
  const latin1 = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return "b" + pythonString(latin1).replace(
    /[\x80-\xff]/g,
    (character) => "\\x" + character.charCodeAt(0).toString(16),
  );
}

const list = (items: string[]) => `[${items.join(", ")}]`;

/**
 * Prints the steps of the encoding of a text; lists, strings and bytes look as in bpe.py, which
 * runs on Python.
 */
function showWork(tokenizer: BPETokenizer, text: string): void {
  const work = tokenizer.encodeAndShowWork(text);
  console.log("The text:");
  console.log(text);
  console.log("Step 1 splits it into pieces:");
  console.log(list(work.tokens.map(pythonString)));
  console.log(
    "Steps 2 to 4 take each piece: its bytes, the bytes as visible characters, merged, as ids:",
  );
  for (const part of work.parts) {
    const fields = [
      `'token': ${pythonString(part.token)}`,
      `'token_bytes': ${pythonBytes(part.token_bytes)}`,
      `'token_translated': ${pythonString(part.token_translated)}`,
      `'token_merged': ${list(part.token_merged.map(pythonString))}`,
      `'token_ix': ${list(part.token_ix.map(String))}`,
    ];
    console.log(`{${fields.join(", ")}}`);
  }
  console.log("The ids of all pieces, one behind the other, are what a transformer reads:");
  console.log(list(work.bpe_idx.map(String)));
}

/** Trains a vocabulary on a file, with a progress bar, and saves it. */
async function train(file: string, vocabSize: number, out: string): Promise<void> {
  const text = await readText(file);
  if (text === "") throw new InputError(`Cannot learn from '${file}': it is empty`);
  const { progressBar } = await import("../program/progress.ts");
  const bar = progressBar(vocabSize - 256);
  const tokenizer = trainBPE(text, vocabSize, { onMerge: (done) => bar.update(done, "merges") });
  bar.stop();
  await tokenizer.save(out);
  if (tokenizer.size < vocabSize) {
    console.log(
      `The text has only ${tokenizer.size} tokens, not ${vocabSize}: each piece is one token`,
    );
  }
  const { length: bytes } = new TextEncoder().encode(text);
  const { length: ids } = tokenizer.encode(text);
  const merges = [...tokenizer.ranks.keys()].slice(0, 10).map((merge) => merge.replace(" ", "+"));
  console.log(
    `${file}: ${bytes} bytes, ${ids} ids (${(bytes / Math.max(ids, 1)).toFixed(2)} bytes an id)`,
  );
  console.log(`The first merges: ${merges.join(" ")}`);
  console.log(
    `${tokenizer.size} tokens saved to ${join(out, "encoder.json")} and ${join(out, "vocab.bpe")}`,
  );
}

const defaults = {
  text: "Hello!! I'm Andrej Karpathy. It's 2022. w00t :D 🤗", // whose encoding is shown; --text= can be left out
  vocab: undefined, // folder with a vocabulary (none: GPT-2's)
  train: undefined, // text file to learn a vocabulary from
  vocab_size: 1000, // tokens of that vocabulary, 256 (the bytes) or more
  out: "out/bpe", // folder where it is saved
};

async function main(args: string[]): Promise<void> {
  if (args.includes("--help")) {
    const comments = defaultComments(await Deno.readTextFile(new URL(import.meta.url)));
    console.log(describeFlags({ defaults }, comments).join("\n"));
    return;
  }
  const last = args.length - 1; // the text may stand at the end without its flag
  if (last >= 0 && !args[last].startsWith("--") && !/^--[^=]+$/.test(args[last - 1] ?? "")) {
    args = args.with(last, `--text=${args[last]}`);
  }
  const options = parseFlags(args, {
    defaults,
    check: {
      vocab_size: (n) => Number.isInteger(n) && n >= 256 ? undefined : "a whole number from 256 on",
    },
  });
  if (options.train !== undefined) await train(options.train, options.vocab_size, options.out);
  else showWork(await BPETokenizer.load(options.vocab), options.text);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    console.error(`error: ${error.message}`);
    process.exit(error.exitCode);
  }
}
