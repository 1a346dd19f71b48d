/**
 * Continues a text with GPT-2 or with a model of one's own.
 * Program followed: minGPT's generate.ipynb.
 * Shapes: B = num_samples continuations at once; ids (B, T) -> (B, T + steps).
 * Run: deno run -A scripts/generate.ts --prompt="The meaning of life is"   (downloads GPT-2 once, 548 MB)
 *      deno run -A scripts/generate.ts --model=out/chargpt --steps=500   (a model that scripts/chargpt.ts trained)
 * Try: 1. --no-do_sample: what do the samples have in common?  2. --temperature=0.5, then 1.5.
 *      3. --top_k=50257: why does it lose the thread?  4. --top_p=0.9: how many tokens are left to choose from?
 *      5. --num_beams=4: is the text more probable, and is it better?  6. then --no_repeat_ngram_size=3.
 */
import * as tf from "@tensorflow/tfjs";
import { InputError, UsageError } from "lib/io/errors.ts";
import { hubModels, pretrainedFolder } from "lib/weights/hub.ts";
import { program } from "lib/program/run.ts";
import { decodeAll, type Tokenizer } from "lib/tokenizers/mod.ts";
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
  min_p: 0, // draw from the tokens at least this many times as probable as the best
  repetition_penalty: 1, // above 1, tokens that are in the text become less probable
  no_repeat_ngram_size: 0, // as many tokens in a row never occur twice; 0: they may
  stop: undefined, // a token, as text, that ends a continuation: "." or "<|endoftext|>"
  num_beams: 1, // above 1, nothing is drawn: a beam search goes on with that many beginnings
  length_penalty: 1, // of the search: above 0 it likes long texts, below 0 short ones
  early_stopping: false, // end the search with as many ended texts as beams, even if others may become better
  num_return_sequences: 1, // texts of the search, the most probable ones
};

/** Where the model is; if GPT-2 cannot be had, the error says what else there is. */
async function findModel(model: string | undefined, model_type: string): Promise<string> {
  if (model !== undefined) return model;
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

/** The token that a text is. */
function stopToken(tokenizer: Tokenizer, text: string): number {
  const ids = tokenizer.encode(text, { special: true });
  if (ids.length === 1) return ids[0];
  throw new UsageError(
    `Cannot stop at --stop=${
      JSON.stringify(text)
    } as it is ${ids.length} tokens: give a text of one`,
  );
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
    min_p: "probability",
    repetition_penalty: "positive",
    no_repeat_ngram_size: "nonnegative integer",
    num_beams: "positive integer",
    num_return_sequences: "positive integer",
  },
  long: () => true,
}, async (run) => {
  const { num_samples, steps, stop, num_beams, num_return_sequences, ...rest } = run.options;
  if (num_return_sequences > num_beams) {
    throw new UsageError(
      `Cannot return ${num_return_sequences} texts of ${num_beams} beams: raise --num_beams, or, to draw texts, --num_samples`,
    );
  }
  const source = await findModel(run.options.model, run.options.model_type);
  const { model, ...opened } = await GPT.open(source);
  const tokenizer = await opened.tokenizer();
  model.eval();
  const parameters = model.transformer.countParameters(); // without lm_head, as minGPT counts
  console.log(`number of parameters: ${(parameters / 1e6).toFixed(2)}M`);

  const prompt = run.options.prompt ?? (run.options.model ? "" : "Andrej Karpathy, the");
  const given = prompt === "" ? [...tokenizer.start] : tokenizer.encode(prompt, { special: true }); // (T)
  if (run.trace) {
    const ids = tf.tensor2d(Array(num_samples).fill(given), undefined, "int32"); // (B, T)
    console.log(trace(() => model.forward(ids), model));
    return [];
  }

  // All samples are written at once; the first one is shown while it grows. A search shows its texts at its end.
  const utf8 = new TextEncoder();
  const write = (text: string) => Deno.stdout.writeSync(utf8.encode(text));
  const decode = tokenizer.decoder();
  const line = "-".repeat(80);
  console.log(line);
  const searches = num_beams > 1;
  if (!searches) write(given.map((id) => decode(id)).join(""));
  const rows = await model.generate([given], steps, {
    ...rest,
    do_sample: rest.do_sample && !searches,
    num_beams,
    num_return_sequences: searches ? num_return_sequences : num_samples,
    stop: stop === undefined ? [] : [stopToken(tokenizer, stop)],
    onToken: ([id]) => id >= 0 && write(decode(id)),
  });
  const texts = rows.map((row) => decodeAll(tokenizer, row));
  console.log(searches ? texts[0] : decode.end());
  for (const text of texts.slice(1)) console.log(`${line}\n${text}`);
  return texts;
});

if (import.meta.main) await main();
