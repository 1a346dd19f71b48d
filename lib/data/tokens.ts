/**
 * Data sets of tokens, in the files of nanoGPT's prepare.py: train.bin and val.bin hold the ids of one long text as
 * unsigned 16-bit numbers, lowest byte first; meta.pkl, if there is one, says which characters they stand for.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../io/errors.ts";
import { exists, readBytes, readError, writeError, writeFileAtomic } from "../io/files.ts";
import { readPickle, writePickle } from "../io/pickle.ts";

/** How many tokens are checked when a file is opened; those behind are checked when they are read. */
const CHECKED_AT_ONCE = 2 ** 26;

/** An open file of tokens. It is read window by window, so that a file of any size takes next to no memory. */
export class TokenFile {
  /** How many tokens there are. */
  readonly length: number;
  #file: Deno.FsFile;

  /**
   * Opens a file, and checks its tokens, or of a very large one the first.
   *
   * @param vocab_size The tokens must be below this
   * @throws {InputError} If it cannot be read, has an odd number of bytes, or a token above the vocabulary
   */
  constructor(readonly path: string, readonly vocab_size: number) {
    try {
      this.#file = Deno.openSync(path);
    } catch (error) {
      throw readError(path, error);
    }
    const { size } = this.#file.statSync();
    this.length = size / 2;
    try {
      if (size % 2 !== 0) {
        throw new InputError(
          `Cannot read '${path}': its ${size} bytes are no whole number of tokens, which take 2 bytes each; ` +
            `is it cut off, or of another type than uint16?`,
        );
      }
      const end = Math.min(this.length, CHECKED_AT_ONCE), step = 2 ** 20;
      for (let start = 0; start < end; start += step) {
        this.read(start, Math.min(step, end - start));
      }
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /**
   * The tokens from `start` on.
   *
   * @throws {InputError} If one of them is above the vocabulary, or the file has become shorter
   */
  read(start: number, count: number): Uint16Array {
    const tokens = new Uint16Array(count);
    let rest = new Uint8Array(tokens.buffer);
    this.#file.seekSync(2 * start, Deno.SeekMode.Start);
    while (rest.length > 0) {
      const got = this.#file.readSync(rest);
      if (got === null) throw new InputError(`Cannot read '${this.path}': it has become shorter`);
      rest = rest.subarray(got);
    }
    for (let i = 0; i < count; i++) {
      if (tokens[i] >= this.vocab_size) {
        throw new InputError(
          `Cannot read '${this.path}': token ${start + i} is ${tokens[i]}, ` +
            `the vocabulary has the ids 0 to ${this.vocab_size - 1}`,
        );
      }
    }
    return tokens;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** A data set's folder: a path, or a name within data/cache. */
export function datasetFolder(dataset: string): string {
  if (/[/\\]|^\.{1,2}$/.test(dataset)) return dataset;
  return fileURLToPath(new URL(`../../data/cache/${dataset}`, import.meta.url));
}

/**
 * Writes train.bin, val.bin and, if the ids stand for characters, meta.pkl.
 *
 * @param characters The character with id 0 first
 * @throws {InputError} If a file cannot be written
 */
export async function writeDataset(
  folder: string,
  { train, val, characters }: {
    train: ArrayLike<number>;
    val: ArrayLike<number>;
    characters?: readonly string[];
  },
): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    if (!characters) await Deno.remove(join(folder, "meta.pkl")).catch(() => {});
  } catch (error) {
    throw writeError(folder, error);
  }
  if (characters) {
    const ids = characters.map((character, i): [string, number] => [character, i]);
    const meta = writePickle(
      new Map<string, number | Map<string | number, string | number>>([
        ["vocab_size", characters.length],
        ["itos", new Map(characters.entries())],
        ["stoi", new Map(ids)],
      ]),
    );
    await writeFileAtomic(join(folder, "meta.pkl"), meta);
  }
  for (const [name, ids] of Object.entries({ val, train })) {
    await writeFileAtomic(
      join(folder, `${name}.bin`),
      new Uint8Array(Uint16Array.from(ids).buffer),
    );
  }
}

/**
 * The characters that the ids of a data set stand for, by meta.pkl; undefined without that file.
 *
 * @throws {InputError} If the file has no such list
 */
export async function readCharacterMeta(folder: string): Promise<string[] | undefined> {
  const path = join(folder, "meta.pkl");
  if (!await exists(path)) return undefined;
  let meta;
  try {
    meta = readPickle(await readBytes(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InputError(`Cannot read '${path}': ${error.message}`);
  }
  const itos = meta instanceof Map ? meta.get("itos") : undefined;
  const size = meta instanceof Map ? meta.get("vocab_size") : undefined;
  if (itos instanceof Map && itos.size > 0 && itos.size === size) {
    const characters = Array.from(itos, (_, i) => itos.get(i));
    if (characters.every((character) => typeof character === "string")) {
      return characters as string[];
    }
  }
  throw new InputError(
    `Cannot read '${path}': want a dictionary with vocab_size and itos, which maps the ids from 0 on to characters`,
  );
}

/**
 * The characters that a checkpoint of nanogpt says its ids stand for, or the data set that it names; undefined for tokens.
 *
 * @param state What the checkpoint holds beside its tensors
 */
export async function readCharactersOf(
  state: Record<string, unknown>,
): Promise<string[] | undefined> {
  if (state.characters) return state.characters as string[];
  const { dataset } = (state.config ?? {}) as { dataset?: string };
  return dataset === undefined ? undefined : await readCharacterMeta(datasetFolder(dataset));
}
