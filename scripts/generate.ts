/**
 * Continues a text with GPT-2 or with a model of one's own.
 * Program followed: minGPT's generate.ipynb.
 * Shapes: B = num_samples continuations at once; ids (B, T) -> (B, T + steps).
 * Run: deno run -A scripts/generate.ts --prompt="The meaning of life is"   (downloads GPT-2 once, 548 MB)
 *      deno run -A scripts/generate.ts --model=out/chargpt --steps=500   (a model that scripts/chargpt.ts trained)
 * Try: 1. --no-do_sample: what do the samples have in common?  2. --temperature=0.5, then 1.5.
 *      3. --top_k=50257: why does it lose the thread?  4. --top_p=0.9: how many tokens are left to choose from?
 */
import * as tf from "@tensorflow/tfjs";
import { InputError } from "lib/io/errors.ts";
import { exists } from "lib/io/files.ts";
import { readCharacters } from "lib/weights/gpt2.ts";
import { hubModels, pretrainedFolder } from "lib/weights/hub.ts";
import { program } from "lib/program/run.ts";
import { BPETokenizer, characterTokenizer, decodeAll, type Tokenizer } from "lib/tokenizers/mod.ts";
import { trace } from "lib/trace.ts";
import { GPT } from "scripts/gpt.ts";

export const defaults = {
  model_type: "gpt2", // GPT-2's size: 124M, 355M, 774M or 1558M parameters
  model: undefined, // folder of a model of your own instead, such as out/chargpt
  prompt: undefined, // what to continue; empty: write from nothing
  num_samples: 10, // continuations
  steps: 20, // tokens of each
  do_sample: true, // draw the next token; otherwise take the most probable one
  temperature: 1, // below 1 surer, above 1 more varied
  top_k: 40, // draw from the k most probable tokens only
  top_p: 1, // draw from the fewest tokens that have this probability together
};

/** The tokenizer of the model in a folder: its characters, its own byte-pair vocabulary, or GPT-2's. */
async function loadTokenizer(folder: string, vocab_size: number): Promise<Tokenizer> {
  const characters = await readCharacters(folder);
  if (characters) return characterTokenizer(characters);
  const isOwn = await exists(`${folder}/encoder.json`) || await exists(`${folder}/vocab.json`);
  const bpe = await BPETokenizer.load(isOwn ? folder : undefined);
  if (bpe.size !== vocab_size) {
    throw new InputError(
      `Cannot read or write with the model '${folder}': it has ${vocab_size} tokens, ${
        isOwn ? "its vocabulary" : "GPT-2's vocabulary"
      } ${bpe.size}; put characters.json or encoder.json and vocab.bpe into the folder`,
    );
  }
  return bpe;
}

/** The folder of the model; if GPT-2 cannot be had, the error says what else there is. */
async function findModel(model: string | undefined, model_type: string): Promise<string> {
  if (model !== undefined) return await pretrainedFolder(model);
  try {
    return await pretrainedFolder(model_type);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const trained = await pretrainedFolder("out/chargpt").then(() => true, () => false);
    const own = trained
      ? "use the model that chargpt trained: --model=out/chargpt"
      : "train one of your own, deno run -A scripts/chargpt.ts, and use it: --model=out/chargpt";
    throw new InputError(`${error.message}; or ${own}`);
  }
}

export const main = program({
  url: import.meta.url,
  defaults,
  seed: 3407,
  choices: { model_type: hubModels },
  check: {
    num_samples: "positive integer",
    steps: "nonnegative integer",
    temperature: "positive",
    top_k: "positive integer",
    top_p: (p) => p > 0 && p <= 1 ? undefined : "a number above 0, at most 1",
  },
  long: () => true,
}, async (run) => {
  const { num_samples, steps, do_sample, temperature, top_k, top_p } = run.options;
  const folder = await findModel(run.options.model, run.options.model_type);
  const model = await GPT.fromPretrained(folder);
  model.eval();
  const parameters = model.transformer.countParameters(); // without lm_head, as minGPT counts
  console.log(`number of parameters: ${(parameters / 1e6).toFixed(2)}M`);

  const tokenizer = await loadTokenizer(folder, model.config.vocab_size);
  const prompt = run.options.prompt ?? (run.options.model ? "" : "Andrej Karpathy, the");
  const given = prompt === "" ? [...tokenizer.start] : tokenizer.encode(prompt, { special: true }); // (T)
  const ids = tf.tensor2d(Array(num_samples).fill(given), undefined, "int32"); // (B, T)
  if (run.trace) {
    console.log(trace(() => model.forward(ids), model));
    return [];
  }

  // All samples are written at once; the first one is shown while it grows.
  const utf8 = new TextEncoder();
  const write = (text: string) => Deno.stdout.writeSync(utf8.encode(text));
  const decode = tokenizer.decoder();
  const line = "-".repeat(80);
  console.log(line);
  write(given.map((id) => decode(id)).join(""));
  const rows = await model.generate(ids, steps, {
    do_sample,
    temperature,
    top_k,
    top_p,
    onToken: ([id]) => write(decode(id)),
  });
  console.log(decode.end());
  const texts = rows.map((row) => decodeAll(tokenizer, row));
  for (const text of texts.slice(1)) console.log(`${line}\n${text}`);
  return texts;
});

if (import.meta.main) await main();
