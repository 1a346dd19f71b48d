/** Texts as data sets of tokens, like those of nanoGPT's prepare.py. */
import { join } from "node:path";
import { BPETokenizer } from "../tokenizers/bpe/mod.ts";
import { loadText } from "./texts.ts";
import { InputError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { datasetFolder, writeDataset } from "./tokens.ts";

/** The data sets that are made when they are first asked for. */
const known: Record<string, { text: string; encoding: string }> = {
  moby_dick_char: { text: "moby-dick", encoding: "characters" },
  shakespeare_char: { text: "shakespeare", encoding: "characters" },
  moby_dick: { text: "moby-dick", encoding: "bpe" },
  shakespeare: { text: "shakespeare", encoding: "bpe" },
};

/**
 * Writes a text as ids: train.bin has its first nine tenths, val.bin the rest. For characters, whose ids are in the order
 * of their code points, there is meta.pkl, too.
 *
 * @param text Name of a text, or a file
 * @param encoding "characters", or "bpe": GPT-2's tokens
 * @throws {InputError} If the text cannot be read, or a file not written
 */
export async function prepareDataset(
  folder: string,
  text: string,
  encoding: string,
): Promise<void> {
  const symbols = Array.from(await loadText(text)); // code points, as Python counts
  const cut = Math.floor(symbols.length * 0.9);
  const parts = [symbols.slice(0, cut), symbols.slice(cut)];
  console.log(`length of dataset in characters: ${symbols.length.toLocaleString("en")}`);
  let encode = (part: string[]): number[] => tokenizer!.encode(part.join(""));
  let characters: string[] | undefined;
  const tokenizer = encoding === "bpe" ? await BPETokenizer.load() : undefined;
  if (!tokenizer) {
    characters = [...new Set(symbols)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
    console.log(`all the unique characters: ${characters.join("")}`);
    console.log(`vocab size: ${characters.length.toLocaleString("en")}`);
    if (characters.length > 2 ** 16) {
      throw new InputError(
        `Cannot prepare '${text}': ${characters.length} characters are too many for uint16`,
      );
    }
    const ids = new Map(characters.map((character, i) => [character, i]));
    encode = (part) => part.map((character) => ids.get(character)!);
  }
  const [train, val] = parts.map(encode);
  await writeDataset(folder, { train, val, characters });
  console.log(`train has ${train.length.toLocaleString("en")} tokens`);
  console.log(`val has ${val.length.toLocaleString("en")} tokens`);
}

/**
 * The folder of a data set; one of those that are known is made if it is missing.
 *
 * @param dataset A name in data/cache, or a folder
 * @throws {InputError} If there is none, and it is not known
 */
export async function openDataset(dataset: string): Promise<string> {
  const folder = datasetFolder(dataset);
  if (await exists(join(folder, "train.bin"))) return folder;
  if (!Object.hasOwn(known, dataset)) {
    throw new InputError(
      `Cannot find the data set '${dataset}': there is no '${join(folder, "train.bin")}'; ` +
        `make it by the command prepare or by nanoGPT's prepare.py, or use ${
          Object.keys(known).join(", ")
        }`,
    );
  }
  const { text, encoding } = known[dataset];
  await prepareDataset(folder, text, encoding);
  return folder;
}
