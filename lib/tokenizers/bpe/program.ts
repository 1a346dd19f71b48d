/**
 * A program that shows how a text becomes ids, step by step, and that trains vocabularies.
 *
 *   deno run -A lib/tokenizers/bpe/program.ts                            each step for an example text
 *   deno run -A lib/tokenizers/bpe/program.ts "Your text"                each step for your text
 *   deno run -A lib/tokenizers/bpe/program.ts --train book.txt --vocab_size 1000 --out out/bpe
 *   deno run -A lib/tokenizers/bpe/program.ts --vocab out/bpe "Your text"   with the vocabulary trained so
 */
import { join } from "node:path";
import process from "node:process";
import { InputError } from "../../io/errors.ts";
import { readText } from "../../io/files.ts";
import { defaultComments, describeFlags, parseFlags } from "../../program/flags.ts";
import { BPETokenizer } from "./tokenizer.ts";
import { trainBPE } from "./train.ts";

/** Python's way to print a string, with ' or " around it, whichever needs no backslash. */
function pythonString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    if (character === quote || character === "\\") return "\\" + character;
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
    if (short) return short;
    if (character === " " || !/[\p{C}\p{Z}]/u.test(character)) return character;
    const hex = code.toString(16);
    if (code < 0x100) return "\\x" + hex.padStart(2, "0");
    return code < 0x10000 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
  });
  return quote + body.join("") + quote;
}

/** Python's way to print bytes. */
function pythonBytes(bytes: Uint8Array): string {
  const latin1 = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return "b" + pythonString(latin1).replace(
    /[\x80-\xff]/g,
    (character) => "\\x" + character.charCodeAt(0).toString(16),
  );
}

const list = (items: string[]) => `[${items.join(", ")}]`;

/**
 * Prints the steps of the encoding of a text; lists, strings and bytes look as in bpe.py, which
 * runs on Python.
 */
function showWork(tokenizer: BPETokenizer, text: string): void {
  const work = tokenizer.encodeAndShowWork(text);
  console.log("The text:");
  console.log(text);
  console.log("Step 1 splits it into pieces:");
  console.log(list(work.tokens.map(pythonString)));
  console.log(
    "Steps 2 to 4 take each piece: its bytes, the bytes as visible characters, merged, as ids:",
  );
  for (const part of work.parts) {
    const fields = [
      `'token': ${pythonString(part.token)}`,
      `'token_bytes': ${pythonBytes(part.token_bytes)}`,
      `'token_translated': ${pythonString(part.token_translated)}`,
      `'token_merged': ${list(part.token_merged.map(pythonString))}`,
      `'token_ix': ${list(part.token_ix.map(String))}`,
    ];
    console.log(`{${fields.join(", ")}}`);
  }
  console.log("The ids of all pieces, one behind the other, are what a transformer reads:");
  console.log(list(work.bpe_idx.map(String)));
}

/** Trains a vocabulary on a file, with a progress bar, and saves it. */
async function train(file: string, vocabSize: number, out: string): Promise<void> {
  const text = await readText(file);
  if (text === "") throw new InputError(`Cannot learn from '${file}': it is empty`);
  const { progressBar } = await import("../../program/progress.ts");
  const bar = progressBar(vocabSize - 256);
  const tokenizer = trainBPE(text, vocabSize, { onMerge: (done) => bar.update(done, "merges") });
  bar.stop();
  await tokenizer.save(out);
  if (tokenizer.size < vocabSize) {
    console.log(
      `The text has only ${tokenizer.size} tokens, not ${vocabSize}: each piece is one token`,
    );
  }
  const { length: bytes } = new TextEncoder().encode(text);
  const { length: ids } = tokenizer.encode(text);
  const merges = [...tokenizer.ranks.keys()].slice(0, 10).map((merge) => merge.replace(" ", "+"));
  console.log(
    `${file}: ${bytes} bytes, ${ids} ids (${(bytes / Math.max(ids, 1)).toFixed(2)} bytes an id)`,
  );
  console.log(`The first merges: ${merges.join(" ")}`);
  console.log(
    `${tokenizer.size} tokens saved to ${join(out, "encoder.json")} and ${join(out, "vocab.bpe")}`,
  );
}

const defaults = {
  text: "Hello!! I'm Andrej Karpathy. It's 2022. w00t :D 🤗", // whose encoding is shown; --text= can be left out
  vocab: undefined, // folder with a vocabulary (none: GPT-2's)
  train: undefined, // text file to learn a vocabulary from
  vocab_size: 1000, // tokens of that vocabulary, 256 (the bytes) or more
  out: "out/bpe", // folder where it is saved
};

async function main(args: string[]): Promise<void> {
  if (args.includes("--help")) {
    const comments = defaultComments(await Deno.readTextFile(new URL(import.meta.url)));
    console.log(describeFlags({ defaults }, comments).join("\n"));
    return;
  }
  const last = args.length - 1; // the text may stand at the end without its flag
  if (last >= 0 && !args[last].startsWith("--") && !/^--[^=]+$/.test(args[last - 1] ?? "")) {
    args = args.with(last, `--text=${args[last]}`);
  }
  const options = parseFlags(args, {
    defaults,
    check: {
      vocab_size: (n) => Number.isInteger(n) && n >= 256 ? undefined : "a whole number from 256 on",
    },
  });
  if (options.train !== undefined) await train(options.train, options.vocab_size, options.out);
  else showWork(await BPETokenizer.load(options.vocab), options.text);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    console.error(`error: ${error.message}`);
    process.exit(error.exitCode);
  }
}
