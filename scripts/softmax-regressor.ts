/**
 * Softmax regressor: tells handwritten digits apart with one linear layer.
 * Program followed: the course's softmax-regressor.py, on the whole of MNIST.
 * Shapes: B images a batch, P pixels an image (28 x 28 = 784), V = 10 classes.
 *   images (B, 28, 28) -> (B, P) -> log probabilities (B, V)
 * Run: deno run -A scripts/softmax-regressor.ts
 * Try: 1. --batch_size=1: how many updates are there now, and what does the loss look like?
 *      2. --learning_rate=0.1: does one epoch suffice?  3. --data=FILE.csv with images of your own.
 */
import * as tf from "@tensorflow/tfjs";
import { saveCheckpoint } from "lib/weights/checkpoint.ts";
import { DataLoader, type HostTensor, readCSV, TensorDataset } from "lib/data/mod.ts";
import { InputError } from "lib/io/errors.ts";
import * as F from "lib/functional.ts";
import * as nn from "lib/nn.ts";
import { SGD } from "lib/optim.ts";
import { imageGrid, lines } from "lib/plot/mod.ts";
import { program } from "lib/program/run.ts";
import { item, type Tensor, values } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";

export const defaults = {
  data: "mnist", // or a CSV file with a column "label" (0 to 9) and a column for each pixel of a square image
  num_epochs: 2, // passes over the training images
  batch_size: 100, // images an update
  learning_rate: 0.001, // step size of gradient descent
  log_softmax: "function", // whether log softmax is called as a function or is a layer of its own
};

// ---- data

/** Images (N, side, side) with values from 0 to 1 once divided, and their labels (N), for training and testing. */
interface Digits {
  train: { images: HostTensor; labels: HostTensor };
  test: { images: HostTensor; labels: HostTensor };
}

async function loadDigits(data: string): Promise<Digits> {
  if (data !== "mnist") return await readDigits(data);
  const { mnist } = await import("lib/data/mnist.ts");
  const scaled = async (part: "train" | "test") => {
    const { images, labels } = await mnist(part);
    return { images: { ...images, divisor: 255 }, labels };
  };
  return { train: await scaled("train"), test: await scaled("test") };
}

/** Digits in a CSV file, a row each; every sixth is for testing, as large a share as MNIST's. */
export async function readDigits(path: string): Promise<Digits> {
  const table = await readCSV(path, { columns: ["label"] });
  const pixelColumns = table.columns.filter((column) => column !== "label");
  const side = Math.sqrt(pixelColumns.length);
  if (side < 1 || !Number.isInteger(side)) {
    throw new InputError(
      `Cannot read '${path}': want as many pixel columns as a square image has, got ${pixelColumns.length}`,
    );
  }
  const pixels = table.numbers(...pixelColumns); // (N, P)
  const classes = table.integers("label"); // (N)
  const odd = classes.findIndex((label) => label < 0 || label > 9);
  if (odd >= 0) {
    throw new InputError(
      `Cannot read '${path}': row ${odd + 1} has the label ${
        classes[odd]
      }, want a digit from 0 to 9`,
    );
  }
  if (classes.length < 6) {
    throw new InputError(
      `Cannot learn from '${path}': want six images at least, as every sixth is for testing, got ${classes.length}`,
    );
  }
  const brightest = pixels.reduce((a, b) => Math.max(a, b), 0) || 1;
  const part = (test: boolean) => {
    const rows = [...classes.keys()].filter((i) => (i % 6 === 5) === test);
    const image = (i: number) => [...pixels.subarray(i * side * side, (i + 1) * side * side)];
    const images = Float32Array.from(rows.flatMap(image));
    return {
      images: { data: images, shape: [rows.length, side, side], divisor: brightest },
      labels: { data: Int32Array.from(rows, (i) => classes[i]), shape: [rows.length] },
    };
  };
  return { train: part(false), test: part(true) };
}

// ---- model

export class SoftmaxRegressor extends nn.Module {
  linear;

  constructor(input_size: number, num_classes: number) {
    super();
    this.linear = new nn.Linear(input_size, num_classes);
  }

  /** Images (B, P) -> log probabilities (B, V). */
  forward(X: Tensor): Tensor {
    return F.logSoftmax(this.linear.forward(X), 1);
  }
}

/** The same with log softmax as a layer; it has no parameters, so the checkpoint is the same too. */
export class SoftmaxRegressor2 extends nn.Module {
  linear;
  ls;

  constructor(input_size: number, num_classes: number) {
    super();
    this.linear = new nn.Linear(input_size, num_classes);
    this.ls = new nn.LogSoftmax(1);
  }

  forward(X: Tensor): Tensor {
    return this.ls.forward(this.linear.forward(X));
  }
}

export const main = program({
  url: import.meta.url,
  defaults,
  seed: 10,
  choices: { log_softmax: ["function", "module"] },
  check: {
    num_epochs: "positive integer",
    batch_size: "positive integer",
    learning_rate: "nonnegative",
  },
}, async (run) => {
  const { num_epochs, batch_size, learning_rate, log_softmax } = run.options;
  const num_classes = 10;
  const { train, test } = await loadDigits(run.options.data);
  const [, height, width] = train.images.shape;
  const input_size = height * width; // P
  const trainDataset = new TensorDataset(train.images, train.labels);
  const testDataset = new TensorDataset(test.images, test.labels);
  const trainLoader = new DataLoader(trainDataset, { batch_size, shuffle: true });
  const testLoader = new DataLoader(testDataset, { batch_size });

  const Model = log_softmax === "function" ? SoftmaxRegressor : SoftmaxRegressor2;
  const model = new Model(input_size, num_classes);
  const optimizer = new SGD(model.parameters(), { lr: learning_rate });
  const flatten = (images: Tensor) => images.reshape([-1, input_size]); // (B, side, side) -> (B, P)
  if (run.trace) {
    const [images, labels] = trainDataset.batch([0, 1, 2]);
    return console.log(trace(() => F.nllLoss(model.forward(flatten(images)), labels), model));
  }

  // ---- train
  const losses: number[] = [];
  const printedAt: number[] = []; // steps
  const steps = trainLoader.length;
  const interval = Math.min(100, steps);
  for (let epoch = 0; epoch < num_epochs; epoch++) {
    let i = 0;
    for (const [images, labels] of trainLoader) {
      const loss = optimizer.step(() => F.nllLoss(model.forward(flatten(images)), labels));
      const step = epoch * steps + ++i;
      if (run.logs(step, interval)) run.log(step, { loss: await item(loss) });
      if (i % interval !== 0) continue;
      losses.push(await item(loss));
      printedAt.push(step);
      console.log(
        `Epoch [${epoch + 1}/${num_epochs}], Step [${i}/${steps}], Loss: ${
          losses.at(-1)!.toFixed(4)
        }`,
      );
    }
  }
  const curve = lines({
    title: "Loss during training",
    xLabel: "step",
    yLabel: "cross-entropy",
    series: { "training loss": { x: printedAt, y: losses } },
  });
  await curve.save(run.path("loss"));

  // ---- evaluate: the share of test images whose most probable class is the right one
  model.eval();
  let correct = 0;
  for (const [images, labels] of testLoader) {
    const hits = () => model.forward(flatten(images)).argMax(1).equal(labels).sum(); // (B) -> a scalar
    correct += await item(hits);
  }
  const accuracy = 100 * correct / testDataset.length;
  console.log(
    `Accuracy of the model on the ${testDataset.length} test images: ${accuracy.toFixed(2)}`,
  );
  await saveCheckpoint(run.path("model.safetensors"), model.stateDict());

  // ---- the first 25 training images with the predicted class, its probability and the true class
  const rows = [...Array(Math.min(25, trainDataset.length)).keys()];
  const [images, labels] = trainDataset.batch(rows); // (25, side, side), (25)
  const logProbabilities = tf.tidy(() => model.forward(flatten(images))); // (25, V)
  const predicted = await values(() => logProbabilities.argMax(1)); // (25)
  const best = await values(() => logProbabilities.max(1)); // (25)
  const truths = await labels.data();
  const pixels = await images.data() as Float32Array;
  const grid = imageGrid({
    title: "Predicted class, its probability [true class]",
    images: rows.map((i) => ({
      pixels: pixels.subarray(i * input_size, (i + 1) * input_size),
      title: `${predicted[i]}, p=${Math.exp(best[i]).toFixed(2)} [${truths[i]}]`,
      wrong: predicted[i] !== truths[i],
    })),
    height,
    width,
  });
  await grid.save(run.path("digits"));
  return { model, losses, accuracy, predicted: [...predicted], logProbabilities: [...best] };
});

if (import.meta.main) await main();
