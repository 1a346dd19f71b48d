/** The vocabulary beside a model's weights, whatever its files are. */
import { join } from "node:path";
import { InputError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { BPETokenizer } from "./bpe/tokenizer.ts";
import { characterTokenizer, readCharacters } from "./characters.ts";
import { readTokenizerJSON } from "./tokenizer_json.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** What can lie in a folder, for messages. */
export const VOCABULARY_FILES = "characters.json, tokenizer.json, or vocab.json and merges.txt";

/**
 * Opens the vocabulary in a model's folder: characters.json; Hugging Face's tokenizer.json; or vocab.json and merges.txt
 * (encoder.json and vocab.bpe) with added_tokens.json.
 *
 * @param vocab_size How many ids the model has: those above its vocabulary's stand for nothing
 * @returns undefined if the folder has none of these files
 * @throws {InputError} If a file is damaged, of a kind that we do not compute, or has more tokens than the model; tokens
 * that were added later do not count, as Hugging Face's programs allow for them
 */
export async function openTokenizer(
  folder: string,
  vocab_size: number,
): Promise<Tokenizer | undefined> {
  const has = (name: string) => exists(join(folder, name));
  const characters = join(folder, "characters.json"), json = join(folder, "tokenizer.json");
  if (await has("characters.json")) {
    return characterTokenizer(await readCharacters(characters, vocab_size));
  }
  const tokenizer = await has("tokenizer.json")
    ? await readTokenizerJSON(json)
    : await has("encoder.json") || await has("vocab.json")
    ? await BPETokenizer.load(folder)
    : undefined;
  if (tokenizer === undefined) return undefined;
  if (tokenizer.baseSize > vocab_size) {
    throw new InputError(
      `Cannot read or write with the model '${folder}': it has ${vocab_size} tokens, its vocabulary ${tokenizer.size}; ` +
        `put ${VOCABULARY_FILES} that belong to it into the folder`,
    );
  }
  return tokenizer;
}
