/**
 * CharGPT: a GPT learns to write a text, character by character.
 * Program followed: minGPT's projects/chargpt.
 * Shapes: B passages, T = block_size characters; x (B, T), y (B, T) the character after each of x.
 * Run: deno run -A scripts/chargpt.ts --model_type=gpt-nano --max_iters=2000   (minutes on two cores)
 * Try: 1. --text=FILE: a text of your own.  2. --top_k=1: why does it repeat itself?
 *      3. --held_out=0.1: when does the held-out loss stop falling?  4. Ctrl-C, then --resume.
 */
import * as tf from "@tensorflow/tfjs";
import { loadText } from "lib/data/texts.ts";
import { InputError, UsageError } from "lib/io/errors.ts";
import { lines } from "lib/plot/mod.ts";
import { torch } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { type Tensor } from "lib/tensor.ts";
import { characterTokenizer } from "lib/tokenizers/mod.ts";
import { trace } from "lib/trace.ts";
import { Trainer } from "lib/training/trainer.ts";
import { GPT } from "scripts/gpt.ts";

export const defaults = {
  text: "moby-dick", // moby-dick, quijote, shakespeare or a file
  block_size: 128, // characters that the model sees at once
  model_type: "gpt-mini", // size of the GPT
  max_iters: 5000, // updates; the original has no end
  batch_size: 64, // passages an update
  learning_rate: 5e-4, // step size of AdamW
  beta1: 0.9, // decay of its mean of the gradients
  beta2: 0.95, // decay of its mean of their squares
  weight_decay: 0.1, // of the weights of linear layers
  grad_norm_clip: 1, // largest norm of the gradients
  dropout: 0.1, // of embeddings, residual branches and attention weights
  held_out: 0, // share of the text, at its end, that is not trained on, to measure the loss there
  sample_every: 500, // updates from sample to sample
  prompt: "", // what the samples begin with; by default "O God, O God!" or how the text begins
  max_new_tokens: 500, // characters a sample
  top_k: 10, // the next character is drawn from the k most probable ones
  resume: false, // go on from the checkpoint in the output folder
};

/** All passages of a text: row i is the `block_size` characters from i on, and the ones after each of them. */
export class CharDataset {
  readonly length: number;

  constructor(private ids: Int32Array, readonly block_size: number) {
    this.length = ids.length - block_size;
  }

  /** x and y (B, T), int32. */
  batch(rows: ArrayLike<number>): [x: Tensor, y: Tensor] {
    const T = this.block_size;
    const passages = (from: number) => {
      const ids = new Int32Array(rows.length * T);
      for (let b = 0; b < rows.length; b++) {
        ids.set(this.ids.subarray(rows[b] + from, rows[b] + from + T), b * T);
      }
      return tf.tensor2d(ids, [rows.length, T], "int32");
    };
    return [passages(0), passages(1)];
  }
}

/** The characters of a text in the order of their code points, and the text as their indices. */
export function encodeCharacters(text: string) {
  const symbols = Array.from(text); // code points, as Python counts
  const characters = [...new Set(symbols)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
  const indexOf = new Map(characters.map((character, i) => [character, i]));
  return { characters, ids: Int32Array.from(symbols, (symbol) => indexOf.get(symbol)!) };
}

/** The indices of a prompt's characters; refuses one that the text lacks. */
export function encodePrompt(prompt: string, characters: string[]): number[] {
  return Array.from(prompt, (character) => {
    const index = characters.indexOf(character);
    if (index < 0) {
      throw new UsageError(
        `Cannot begin with "${prompt}" as the text has no ${
          JSON.stringify(character)
        }: choose another --prompt`,
      );
    }
    return index;
  });
}

export const main = program({
  url: import.meta.url,
  defaults,
  seed: 3407,
  check: {
    block_size: "positive integer",
    max_iters: "positive integer",
    batch_size: "positive integer",
    learning_rate: "nonnegative",
    beta1: "below 1",
    beta2: "below 1",
    weight_decay: "nonnegative",
    grad_norm_clip: "nonnegative",
    sample_every: "positive integer",
    max_new_tokens: "nonnegative integer",
    top_k: "positive integer",
    dropout: "probability",
    held_out: "below 1",
  },
  long: () => true,
}, async (run) => {
  const { model_type, block_size, learning_rate, beta1, beta2, weight_decay, ...rest } =
    run.options;
  const { dropout, held_out, sample_every, max_new_tokens, top_k } = rest;

  // ---- data
  const text = await loadText(run.options.text);
  const { characters, ids } = encodeCharacters(text);
  const tokenizer = characterTokenizer(characters);
  console.log(`data has ${ids.length} characters, ${characters.length} unique.`);
  const trained = ids.length - Math.floor(held_out * ids.length);
  const dataset = new CharDataset(ids.subarray(0, trained), block_size);
  const heldOut = new CharDataset(ids.subarray(trained), block_size);
  if (dataset.length < 1 || (held_out > 0 && heldOut.length < 1)) {
    throw new InputError(
      `Cannot train on the text '${run.options.text}': each part needs more than block_size=${block_size} characters, ` +
        `it has ${trained} for training and ${ids.length - trained} held out`,
    );
  }
  const opening = "O God, O God!";
  const known = Array.from(opening).every((character) => characters.includes(character));
  const prompt = run.options.prompt || (known ? opening : Array.from(text).slice(0, 13).join(""));
  const context = encodePrompt(prompt, characters);

  // ---- model
  const config = GPT.getDefaultConfig(model_type, characters.length, block_size);
  const dropouts = { embd_pdrop: dropout, resid_pdrop: dropout, attn_pdrop: dropout };
  const model = new GPT({ ...config, ...dropouts });
  const transformer = model.transformer.countParameters();
  console.log(`number of parameters: ${(transformer / 1e6).toFixed(2)}M`);
  const optimizer = model.configureOptimizers({
    learning_rate,
    betas: [beta1, beta2],
    weight_decay,
  });
  if (run.trace) {
    const [x, y] = dataset.batch([0]);
    return console.log(trace(() => model.loss(x, y), model));
  }

  // ---- train
  const trainer = new Trainer({
    run,
    model,
    optimizer,
    dataset,
    loss: (x, y) => model.loss(x, y),
    heldOut: held_out > 0 ? { dataset: heldOut, every: sample_every, batches: 20 } : undefined,
    checkpoint_every: sample_every,
    ...rest,
  });
  trainer.on("on_batch_end", async ({ iter_num }) => {
    if (iter_num % sample_every !== 0) return;
    const state = torch.getState(); // samples do not change what training draws
    model.eval();
    const [written] = await model.generate([context], max_new_tokens, { do_sample: true, top_k });
    console.log(written.map((i) => characters[i]).join(""));
    console.log("saving model");
    await model.savePretrained(run.path("model"), { tokenizer });
    model.train();
    torch.setState(state);
  });
  await trainer.train();
  await model.savePretrained(run.path("model"), { tokenizer });

  // ---- plot
  const { train, heldOut: measured } = trainer.history;
  const curve = (points: [number, number][]) => ({
    x: points.map(([updates]) => updates),
    y: points.map(([, loss]) => loss),
  });
  await lines({
    title: `Loss of ${model_type} on ${run.options.text}`,
    xLabel: "updates",
    yLabel: "cross-entropy (nats a character)",
    series: { training: curve(train), ...measured.length && { "held out": curve(measured) } },
  }).save(run.path("loss"));
  return { model, characters, history: trainer.history };
});

if (import.meta.main) await main();
