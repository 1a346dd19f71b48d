/** A tokenizer whose ids stand for characters, and its file, characters.json: the list of them, id 0 first. */
import { InputError, UsageError } from "../io/errors.ts";
import { readJSON } from "../io/json.ts";
import type { Tokenizer } from "./tokenizer.ts";

const unknown = "\ufffd";

/**
 * A tokenizer whose ids are those of the characters in a list.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { characterTokenizer } from "lib/tokenizers/mod.ts";
 *
 * const tokenizer = characterTokenizer(["a", "b", "é"]);
 * assertEquals(tokenizer.encode("bé"), [1, 2]);
 * assertEquals(tokenizer.decode([2, 0]), "éa");
 * ```
 */
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
  const decode = (ids: ArrayLike<number>) =>
    Array.from(ids, (id) => {
      if (characters[id] !== undefined) return characters[id];
      throw new RangeError(`Cannot decode id ${id}: there are ${characters.length} characters`);
    }).join("");
  return {
    size: characters.length,
    baseSize: characters.length,
    specialTokens: new Map(),
    start: [stoi.get("\n") ?? 0],
    encode,
    decode,
    decoder: () => Object.assign((id: number) => characters[id] ?? unknown, { end: () => "" }),
    files: () => ({ "characters.json": JSON.stringify(characters) + "\n" }),
  };
}

/**
 * Reads characters.json.
 *
 * @param vocab_size How many ids the model has
 * @throws {InputError} If the file is no list of different characters, as many as the vocabulary has
 */
export async function readCharacters(path: string, vocab_size: number): Promise<string[]> {
  return checkCharacters(path, await readJSON(path), vocab_size);
}

/**
 * The characters that a model's ids stand for, checked.
 *
 * @param path The file that lists them, for the message
 * @throws {InputError} If this is no list of different characters, as many as the vocabulary has
 */
export function checkCharacters(path: string, list: unknown, vocab_size: number): string[] {
  const isCharacter = (x: unknown) => typeof x === "string" && Array.from(x).length === 1;
  if (!Array.isArray(list) || !list.every(isCharacter) || new Set(list).size !== list.length) {
    throw new InputError(`Cannot use '${path}': want a list of different characters, ["\\n", " "]`);
  }
  if (list.length !== vocab_size) {
    throw new InputError(
      `Cannot use '${path}': the model's vocabulary has ${vocab_size} characters, the list ${list.length}`,
    );
  }
  return list;
}
