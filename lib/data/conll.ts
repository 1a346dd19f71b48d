/** Sentences with a tag for each word, in the columns of the CoNLL shared tasks. */
import { excerpt, InputError } from "../io/errors.ts";
import { readText } from "../io/files.ts";

/** A sentence: as many tags as words. */
export interface TaggedSentence {
  words: string[];
  tags: string[];
}

/**
 * Reads sentences in CoNLL columns: a word a line, its tag in the last column, an empty line between
 * sentences. Lines that begin with -DOCSTART- are left out.
 *
 *     const [{ words, tags }] = await readCoNLL("train.txt");
 *
 * @throws {InputError} If the file cannot be read, has no sentence or a word without a tag, or is in
 * the CoNLL-U or CoNLL-X format, whose first column is no word
 */
export async function readCoNLL(path: string): Promise<TaggedSentence[]> {
  const fail = (reason: string) => {
    throw new InputError(`Cannot read '${path}': ${reason}`);
  };
  const sentences: TaggedSentence[] = [];
  let open: TaggedSentence | undefined;
  for (const [i, line] of (await readText(path)).replace(/^\ufeff/, "").split(/\r?\n/).entries()) {
    const columns = line.trim().split(/\s+/);
    if (columns[0] === "" || columns[0] === "-DOCSTART-") {
      open = undefined;
      continue;
    }
    if (isCoNLLU(line)) {
      fail(
        `line ${i + 1} is of the CoNLL-U format, which counts the words in its first column; ` +
          "keep two columns, word and tag: cut -f2,4",
      );
    }
    if (columns.length < 2) fail(`line ${i + 1} has the word "${excerpt(line)}" but no tag`);
    if (open === undefined) sentences.push(open = { words: [], tags: [] });
    open.words.push(columns[0]);
    open.tags.push(columns.at(-1)!);
  }
  if (sentences.length === 0) fail("it has no sentences");
  return sentences;
}

/** Whether a line is of CoNLL-U or CoNLL-X: a comment with a key, or a number and nine columns behind it. */
function isCoNLLU(line: string): boolean {
  return /^# ?(\w+ ?=|newdoc|newpar)/.test(line) ||
    /^\d+([-.]\d+)?(\t[^\t]*){9}$/.test(line.trimEnd());
}
