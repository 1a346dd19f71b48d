/** A program that trains a small network with all that a checkpoint must keep; resume_test.ts stops and resumes it. */
import * as tf from "@tensorflow/tfjs";
import * as nn from "lib/nn.ts";
import { AdamW, CosineAnnealingLR } from "lib/optim.ts";
import { numpy, python } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import type { Tensor } from "lib/tensor.ts";
import { Trainer } from "lib/training/trainer.ts";

/** The sine of numbers from -3 to 3. */
const dataset = {
  length: 300,
  batch(rows: ArrayLike<number>): [x: Tensor, y: Tensor] {
    const x = Array.from(rows, (i) => [i / 50 - 3]); // (B, 1)
    return [tf.tensor2d(x), tf.sin(tf.tensor2d(x))];
  },
};

export const main = program({
  url: import.meta.url,
  defaults: {
    max_iters: 150, // updates
    width: 16, // hidden units
    resume: false, // go on from the checkpoint
  },
}, async (run) => {
  const { width, ...rest } = run.options;
  const layers = [new nn.Linear(1, width), new nn.GELU(), new nn.Dropout(0.1)];
  const model = new nn.Sequential(...layers, new nn.Linear(width, 1));
  const optimizer = new AdamW(model.parameters(), { lr: 0.01 });
  const trainer: Trainer<[Tensor, Tensor]> = new Trainer({
    run,
    model,
    optimizer,
    dataset,
    loss: (x, y) => model.forward(x).sub(y).square().mean(),
    batch_size: 7,
    gradient_accumulation_steps: 2,
    grad_norm_clip: 0.5,
    schedule: new CosineAnnealingLR(optimizer, { T_max: 150 }),
    heldOut: { dataset, every: 25, batches: 2 },
    print_every: 5,
    checkpoint_every: 10,
    ...rest,
  });
  trainer.state = { drawn: 0 };
  trainer.on("on_batch_end", ({ iter_num, state }) => {
    // What a callback draws and keeps must survive a stop as well.
    state.drawn = (state.drawn as number) + numpy.randn(1)[0] + python.random();
    if (iter_num % 3 === 0) run.log(iter_num + 1, { drawn: state.drawn as number });
  });
  await trainer.train();
});

if (import.meta.main) await main();
