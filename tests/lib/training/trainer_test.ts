import * as tf from "@tensorflow/tfjs";
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { InputError } from "lib/io/errors.ts";
import * as nn from "lib/nn.ts";
import { AdamW, LambdaLR } from "lib/optim.ts";
import { program } from "lib/program/run.ts";
import { torch } from "lib/random.ts";
import { type Tensor, values } from "lib/tensor.ts";
import { Trainer } from "lib/training/trainer.ts";
import { assertClose } from "../../helpers/compare.ts";
import { testOnDevices } from "../../helpers/devices.ts";
import { run } from "../../helpers/scripts.ts";

/** y = 2 x1 - x2 on a grid of points. */
const dataset = {
  length: 36,
  batch(rows: ArrayLike<number>): [Tensor, Tensor] {
    const x = Array.from(rows, (i) => [i % 6 - 2.5, Math.floor(i / 6) - 2.5]);
    return [tf.tensor2d(x), tf.tensor2d(x.map(([a, b]) => [2 * a - b]))];
  },
};

class Net extends nn.Module {
  hidden = new nn.Linear(2, 8);
  out = new nn.Linear(8, 1);

  forward(x: Tensor): Tensor {
    return this.out.forward(this.hidden.forward(x).tanh());
  }
}

/** A program around the trainer; its flags are what the tests change. */
const main = program({
  url: import.meta.url,
  defaults: {
    max_iters: 60,
    batch_size: 8,
    accumulate: 1,
    held_out: false,
    lr: 0.02,
    poison: 0,
    draw: false,
  },
}, async (run) => {
  const { max_iters, batch_size, accumulate, held_out, lr, poison, draw } = run.options;
  const model = new Net();
  const optimizer = new AdamW(model.parameters(), { lr });
  const visited: number[] = [];
  const trainer: Trainer = new Trainer({
    run,
    model,
    optimizer,
    dataset,
    loss: (x, y) => model.forward(x!).sub(y!).square().mean(),
    batch_size,
    max_iters,
    grad_norm_clip: 5,
    gradient_accumulation_steps: accumulate,
    schedule: new LambdaLR(optimizer, (steps) => 1 / (1 + steps / 10)),
    heldOut: held_out ? { dataset, every: 20, batches: 2 } : undefined,
  });
  trainer.on("on_batch_end", ({ iter_num }) => {
    visited.push(iter_num);
    if (draw) torch.rand(1);
    if (poison && iter_num + 2 === poison) {
      model.out.weight.assign(tf.tensor2d([[NaN, 1, 1, 1, 1, 1, 1, 1]]));
    }
  });
  const before = tf.memory().numTensors;
  await trainer.train();
  return { trainer, visited, weights: await values(model.hidden.weight), before };
});

testOnDevices(
  "Trainer learns, calls back after each batch and logs every tenth",
  async (device) => {
    const { result, metrics, printed } = await run(main, `--device=${device}`);
    assertEquals(result.visited, [...Array(60).keys()]);
    assertEquals(metrics.map(({ step }) => step), [1, 11, 21, 31, 41, 51]);
    assertEquals(metrics.every(({ loss, grad_norm }) => loss > 0 && grad_norm > 0), true);
    assertClose(metrics.map(({ lr }) => lr), [0, 1, 2, 3, 4, 5].map((n) => 0.02 / (1 + n)));
    assertEquals(metrics.at(-1)!.loss < metrics[0].loss / 2, true);
    assertMatch(printed[1], /^iter_dt 0\.00ms; iter 0: train loss \d+\.\d{5}$/);
  },
  ["cpu", "webgpu"],
);

testOnDevices("Trainer leaks no tensor", async () => {
  const { result } = await run(main, "--device=cpu", "--max_iters=5");
  const more = await run(main, "--device=cpu", "--max_iters=50");
  const grown = ({ before }: typeof result) => tf.memory().numTensors - before;
  // A model's 4 parameters and 8 optimiser tensors stay; nothing grows with the number of steps.
  assertEquals(grown(more.result) <= 13, true, `${grown(more.result)} tensors more`);
}, ["cpu"]);

testOnDevices(
  "held-out losses and what callbacks draw: the first leave the training alone",
  async () => {
    const plain = await run(main, "--device=cpu", "--log_every=1");
    const measured = await run(main, "--device=cpu", "--log_every=1", "--held_out");
    const losses = ({ metrics }: typeof plain) =>
      metrics.filter(({ loss }) => loss !== undefined).map(({ loss }) => loss);
    assertEquals(losses(measured), losses(plain));
    const heldOut = measured.metrics.filter(({ held_out_loss }) => held_out_loss !== undefined);
    assertEquals(heldOut.map(({ step }) => step), [20, 40, 60]);
    assertStringIncludes(measured.printed.join("\n"), "iter 20: held-out loss ");
    // The data have a generator of their own, so drawing from the global one does not move them either.
    assertEquals(losses(await run(main, "--device=cpu", "--log_every=1", "--draw")), losses(plain));
  },
  ["cpu"],
);

testOnDevices("accumulated batches give the gradient of one large batch", async () => {
  // PyTorch's sampler draws rows in blocks of 32: 4 batches of 8 are the same rows as one of 32.
  const small = await run(main, "--device=cpu", "--accumulate=4", "--max_iters=5");
  const large = await run(main, "--device=cpu", "--batch_size=32", "--max_iters=5");
  assertClose(small.result.weights, large.result.weights, { absolute: 1e-6, relative: 1e-5 });
  assertClose([small.metrics[0].loss], [large.metrics[0].loss], { relative: 1e-6 });
}, ["cpu"]);

testOnDevices(
  "the held-out part is measured on rows spread over all of it, in eval mode",
  async () => {
    const asked: number[][] = [];
    const modes: boolean[] = [];
    const small = program(
      { url: import.meta.url, defaults: { max_iters: 3 } },
      async (run) => {
        const model = new Net();
        const trainer = new Trainer({
          run,
          model,
          optimizer: new AdamW(model.parameters()),
          dataset,
          loss: (x: Tensor, y: Tensor) => {
            modes.push(model.training);
            return model.forward(x).sub(y).square().mean();
          },
          batch_size: 4,
          max_iters: run.options.max_iters,
          heldOut: {
            dataset: {
              length: 36,
              batch: (rows) => (asked.push(Array.from(rows)), dataset.batch(rows)),
            },
            every: 2,
            batches: 3,
          },
        });
        await trainer.train();
      },
    );
    await run(small, "--device=cpu");
    const once = [[0, 3, 6, 9], [12, 15, 18, 21], [24, 27, 30, 33]];
    assertEquals(asked, [...once, ...once]); // after 2 updates, and at the end
    assertEquals(modes, [true, true, false, false, false, true, false, false, false]);
  },
  ["cpu"],
);

testOnDevices("a loss that is not a number names the step and the place", async (device) => {
  const logs = device === "webgpu" ? ["--log_every=1"] : [];
  await assertRejects(
    () => run(main, `--device=${device}`, "--poison=7", ...logs),
    InputError,
    "The loss is NaN at step 7, first in the parameter out.weight",
  );
}, ["cpu", "webgpu"]);

testOnDevices(
  "the first layer that overflows is named, and blamed if a callback fails",
  async () => {
    const huge = program({ url: import.meta.url, defaults: { fail: false } }, async (run) => {
      const model = new Net();
      const trainer = new Trainer({
        run,
        model,
        optimizer: new AdamW(model.parameters(), { lr: 1e30 }),
        dataset,
        loss: (x: Tensor, y: Tensor) => model.forward(x).sub(y).square().mean(),
        batch_size: 4,
        max_iters: 3,
      });
      trainer.on("on_batch_end", () => {
        model.out.weight.assign(tf.fill([1, 8], 3e38));
        model.hidden.weight.assign(tf.fill([8, 2], 3e38)); // finite, but not when multiplied
        model.hidden.bias!.assign(tf.fill([8], 3e38));
        if (run.options.fail) throw new RangeError("Cannot sample");
      });
      await trainer.train();
    });
    const place = "first in the output of hidden";
    await assertRejects(() => run(huge, "--device=cpu"), InputError, place);
    await assertRejects(
      () => run(huge, "--device=cpu", "--fail"),
      InputError,
      `The model's numbers are no longer finite at step 1, ${place}`,
    );
  },
  ["cpu"],
);
