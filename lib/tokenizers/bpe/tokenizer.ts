/**
 * GPT-2's byte-level byte-pair encoding (BPE): from a text to token ids and back.
 * Papers: Sennrich et al. 2016 (BPE), Radford et al. 2019 (on bytes). Same ids as minGPT's bpe.py.
 *
 * Four steps: 1. the text is split into pieces (words with the blank before them, numbers, marks,
 * blanks); 2. a piece becomes its UTF-8 bytes, each written as a visible character; 3. neighbouring
 * symbols are merged, pair by pair, in the order in which the training learned the merges; 4. each
 * symbol left has an id in the vocabulary. `encodeAndShowWork` takes these steps one by one (they
 * stand in steps.ts); `encode` gets the same ids quickly (merge.ts).
 */
import { join } from "node:path";
import { InputError, UsageError } from "../../io/errors.ts";
import { writeFileAtomic } from "../../io/files.ts";
import { type AddedToken, AddedTokens } from "../added.ts";
import type { StreamDecoder, Tokenizer } from "../tokenizer.ts";
import { MergeEncoder } from "./merge.ts";
import {
  byteDecoder,
  byteEncoder,
  getPairs,
  mergePair,
  splitIntoPieces,
  translate,
} from "./steps.ts";
import { checkVocabulary, readVocabulary } from "./vocabulary.ts";

/** How one piece is encoded, with the names of bpe.py. */
export interface Part {
  token: string;
  token_bytes: Uint8Array;
  token_translated: string;
  token_merged: string[];
  token_ix: number[];
}

/** What a vocabulary can have beside its tokens and merges. */
export interface BPEOptions {
  /** Where the two came from, for error messages. */
  files?: { encoder: string; merges: string };
  /** Tokens that are not in `encoder`, or are found in texts by rules of their own. */
  added?: readonly AddedToken[];
  /** Whether the vocabulary may lack bytes, ids and merges, as one in tokenizer.json may. */
  partial?: boolean;
  /** Whether a text that begins with a word gets a blank before it. */
  addPrefixSpace?: boolean;
  /** What is done to a text before it is encoded, such as Unicode's NFC. */
  normalize?: (text: string) => string;
  /** The id of a byte that the vocabulary lacks. */
  unknown?: number;
  /** The tokenizer.json that the vocabulary came from, if it did: `files` gives it again. */
  json?: string;
}

/**
 * A vocabulary with its merges. `BPETokenizer.load()` gives GPT-2's; `trainBPE` makes one of a
 * text.
 */
export class BPETokenizer implements Tokenizer {
  /** Token (in visible characters) -> id. */
  readonly encoder: Map<string, number>;
  /** Id -> token (in visible characters). */
  readonly tokens: string[];
  /** Merge "left right" -> rank: 0 for the merge that was learned first. */
  readonly ranks: Map<string, number>;
  /** Tokens that no merge makes, such as <|endoftext|> -> id. */
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly baseSize: number;
  #added: AddedTokens;
  #merger: MergeEncoder;
  #isComplete: boolean; // whether each byte has a token
  #options: BPEOptions;

  /**
   * @param encoder token -> id; the ids are 0 to V - 1
   * @param merges "left right" in the order in which they were learned
   * @throws {InputError} If the two do not fit together
   */
  constructor(encoder: Map<string, number>, merges: string[], options: BPEOptions = {}) {
    const { added = [], partial, files = { encoder: "encoder.json", merges: "vocab.bpe" } } =
      options;
    const { tokens, ranks, triples, special } = checkVocabulary({
      encoder,
      merges,
      files,
      added,
      partial,
    });
    this.encoder = encoder;
    this.tokens = tokens;
    this.ranks = ranks;
    this.#added = new AddedTokens([...special, ...added]);
    this.specialTokens = this.#added.ids;
    for (const [token, id] of this.specialTokens) tokens[id] = translate(token);
    const isAdded = new Set(added.map(({ content }) => content));
    let last = -1;
    for (const [token, id] of encoder) if (id > last && !isAdded.has(token)) last = id;
    this.baseSize = last + 1;
    const byteIds = Int32Array.from(byteEncoder, (token) => encoder.get(token) ?? -1);
    this.#isComplete = !byteIds.includes(-1);
    this.#merger = new MergeEncoder(byteIds, triples);
    this.#options = options;
  }

  /** Number of ids. */
  get size(): number {
    return this.tokens.length;
  }

  /** <|endoftext|>, or where there is none the first token. */
  get start(): readonly number[] {
    return [this.specialTokens.get("<|endoftext|>") ?? 0];
  }

  /**
   * Reads a vocabulary: from a folder with encoder.json and vocab.bpe (or vocab.json and
   * merges.txt, Hugging Face's names for the same), or GPT-2's own without a folder.
   *
   * @throws {InputError} If a file is missing or damaged; the message says where
   */
  static async load(folder?: string): Promise<BPETokenizer> {
    const { encoder, merges, files, added } = await readVocabulary(folder);
    return new BPETokenizer(encoder, merges, { files, added });
  }

  /** Writes encoder.json and vocab.bpe into a folder, which is made if it is missing. */
  async save(folder: string): Promise<void> {
    try {
      await Deno.mkdir(folder, { recursive: true });
    } catch (error) {
      throw new InputError(`Cannot make the folder ${folder}: ${(error as Error).message}`);
    }
    await writeFileAtomic(join(folder, "encoder.json"), this.#encoderJSON());
    await writeFileAtomic(join(folder, "vocab.bpe"), this.#mergesText());
  }

  /** tokenizer.json as it was read, or vocab.json and merges.txt, with added_tokens.json if there are such tokens. */
  files(): Record<string, string> {
    const { json, added = [] } = this.#options;
    if (json !== undefined) return { "tokenizer.json": json };
    const more = added.filter(({ content }) => !this.encoder.has(content));
    return {
      "vocab.json": this.#encoderJSON(),
      "merges.txt": this.#mergesText(),
      ...more.length > 0 && {
        "added_tokens.json": JSON.stringify(
          Object.fromEntries(more.map(({ content, id }) => [content, id])),
        ),
      },
    };
  }

  #encoderJSON(): string {
    const entries = [...this.encoder].sort(([, a], [, b]) => a - b)
      .map(([token, id]) => `${JSON.stringify(token)}: ${id}`);
    return `{${entries.join(", ")}}`;
  }

  #mergesText(): string {
    return ["#version: 0.2", ...this.ranks.keys()].map((line) => line + "\n").join("");
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
   * Encodes a text. A surrogate without its partner counts as U+FFFD.
   *
   * @param options.special if true, special tokens in the text, such as <|endoftext|>, get their
   *   own id; if false (the default, as in bpe.py), they are text like any other
   * @returns the ids; decoded, they give the text again
   * @throws {UsageError} If the vocabulary lacks a byte of the text, which GPT-2's does not
   */
  encode(text: string, { special = false } = {}): number[] {
    if (typeof text !== "string") {
      throw new TypeError(`Cannot encode: a text is needed, not ${typeof text}`);
    }
    return special ? this.#added.encode(text, (part) => this.#encode(part)) : this.#encode(text);
  }

  /** Encodes a text without special tokens. */
  #encode(text: string): number[] {
    const { normalize, addPrefixSpace, unknown } = this.#options;
    if (normalize) text = normalize(text);
    if (addPrefixSpace && !/^\s/.test(text)) text = " " + text;
    const ids = this.#merger.encode(text);
    if (this.#isComplete || !ids.includes(-1)) return ids;
    if (unknown !== undefined) return ids.map((id) => id === -1 ? unknown : id);
    const lacks = (character: string) => this.#merger.encode(character).includes(-1);
    throw new UsageError(
      `Cannot encode the text as the vocabulary has no token for ${
        JSON.stringify(Array.from(text).find(lacks))
      }: choose another one`,
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
      const token = this.tokens[id];
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

  /** Decodes ids one by one. */
  decoder(): StreamDecoder {
    const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    const decode = (id: number) =>
      this.tokens[id] === undefined
        ? utf8.decode() + "\ufffd" // what was held back, too, will not become whole any more
        : utf8.decode(this.decodeBytes([id]), { stream: true });
    return Object.assign(decode, { end: () => utf8.decode() });
  }

  /** Decodes several lists of ids. */
  batchDecode(batch: Iterable<ArrayLike<number>>): string[] {
    return Array.from(batch, (ids) => this.decode(ids));
  }
}
