/**
 * Logistic regressor: separates two clouds of points in the plane by a straight line.
 * Program followed: the course's logistic-regressor.py; the gradients are worked out by hand, not by autograd.
 * Shapes: N points of 2 features; X (N, 2), y (N), weights (2), bias (1).
 * Run: deno run -A scripts/logistic-regressor.ts
 * Try: 1. --no-bias: which lines are left?  2. --dev=1, then --dev=5: what does the accuracy do?
 *      3. --learning_rate=1: does the loss still fall?  4. --trace: the shapes of one forward pass.
 */
import * as tf from "@tensorflow/tfjs";
import { scatter } from "lib/plot/mod.ts";
import { NumpyGenerator, torch } from "lib/random.ts";
import { program } from "lib/program/run.ts";
import { format, item, type Tensor, values } from "lib/tensor.ts";
import { trace } from "lib/trace.ts";

export const defaults = {
  class_centers: [[2, 3], [4, 3]], // mean of each class
  samples: 100, // number of points, half of them in each class
  dev: 2.7, // standard deviation of the points around their mean
  random_state: 4, // seed of the points; --seed is that of the weights
  training_steps: 5000, // updates, each over all training points
  learning_rate: 0.01, // step size of gradient descent
  bias: true, // without a bias the line passes through the origin
  autograd: false, // let tfjs compute the gradients instead
};

/** Points around each centre, shuffled (scikit-learn's make_blobs): X (N, features) and the class of each, y (N). */
export function makeBlobs(samples: number, centers: number[][], dev: number, random_state: number) {
  const numpy = new NumpyGenerator(random_state);
  const points = centers.flatMap((center, label) => {
    const share = Math.floor(samples / centers.length) + (label < samples % centers.length ? 1 : 0);
    const noise = numpy.randn(share * center.length);
    return Array.from({ length: share }, (_, i) => ({
      x: center.map((mean, j) => mean + dev * noise[i * center.length + j]),
      label,
    }));
  });
  const order = [...numpy.permutation(samples)];
  return { X: order.map((i) => points[i].x), y: order.map((i) => points[i].label) };
}

export function sigmoid(z: Tensor): Tensor {
  return z.neg().exp().add(1).reciprocal();
}

/** The probability of class 1: X (N, 2), weights (2), bias (1) -> (N). */
export function forward(X: Tensor, weights: Tensor, bias: Tensor): Tensor {
  return sigmoid(tf.dot(X, weights).add(bias)); // the bias is broadcast to (N)
}

/** The mean of -log(probability of the true class): truths (N) and probabilities (N) -> a scalar. */
export function binaryCrossEntropy(yTruth: Tensor, yPred: Tensor): Tensor {
  const log = (x: Tensor) => x.log().maximum(-100); // log(0) = -infinity would make 0 * log(0) NaN
  const one = tf.onesLike(yTruth);
  const logLikelihood = yTruth.mul(log(yPred)).add(one.sub(yTruth).mul(log(one.sub(yPred)))); // (N)
  return logLikelihood.sum().mul(-1 / yTruth.size);
}

/** The derivatives of the loss, by hand: d loss / d z = (yPred - yTruth) / N, with z = X weights + bias. */
export function gradients(X: Tensor, yTruth: Tensor, weights: Tensor, bias: Tensor) {
  const err = forward(X, weights, bias).sub(yTruth); // (N)
  const gradW = tf.dot(err, X).mul(1 / yTruth.size); // (2)
  const gradB = err.sum().mul(1 / yTruth.size).reshape([1]); // (1)
  return [gradW, gradB];
}

/** The same derivatives, by tfjs. */
export function autogradients(X: Tensor, yTruth: Tensor, weights: Tensor, bias: Tensor) {
  const loss = (weights: Tensor, bias: Tensor) =>
    binaryCrossEntropy(yTruth, forward(X, weights, bias)).asScalar();
  return tf.grads(loss as (...args: Tensor[]) => Tensor)([weights, bias]); // [(2), (1)]
}

export const main = program({
  url: import.meta.url,
  defaults,
  check: {
    class_centers: (centers) =>
      centers.length === 2 && centers.every((center) => center.length === 2)
        ? undefined
        : "two points of two coordinates, such as 2,3;4,3",
    samples: (n) => Number.isInteger(n) && n >= 2 ? undefined : "a whole number of 2 or more",
    dev: "nonnegative",
    random_state: (n) =>
      Number.isInteger(n) && n >= 0 && n < 2 ** 32
        ? undefined
        : "a whole number from 0 to 2 ** 32 - 1",
    training_steps: "positive integer",
    learning_rate: "nonnegative",
  },
}, async (run) => {
  const { class_centers, samples, dev, random_state, training_steps, learning_rate } = run.options;

  // ---- data: every third point is for testing
  const data = makeBlobs(samples, class_centers, dev, random_state);
  const rows = (test: boolean) => data.y.map((_, i) => i).filter((i) => (i % 3 === 0) === test);
  const [X, XTest] = [false, true].map((test) => tf.tensor2d(rows(test).map((i) => data.X[i]))); // (N, 2)
  const [y, yTest] = [false, true].map((test) =>
    tf.tensor1d(rows(test).map((i) => data.y[i]), "float32") // (N)
  );

  // ---- model
  let weights: Tensor = tf.tensor1d(torch.rand(2)); // (2)
  let bias: Tensor = run.options.bias ? tf.tensor1d(torch.rand(1)) : tf.zeros([1]); // (1)
  if (run.trace) {
    return console.log(trace(() => binaryCrossEntropy(y, forward(X, weights, bias))));
  }

  // ---- train
  const derivatives = run.options.autograd ? autogradients : gradients;
  let loss = NaN;
  for (let step = 1; step <= training_steps; step++) {
    const printed = (step - 1) % Math.ceil(training_steps / 10) === 0;
    if (printed || run.logs(step, Infinity) || step === training_steps) { // Infinity: only with --log_every
      loss = await item(() => binaryCrossEntropy(y, forward(X, weights, bias)));
      run.log(step, { loss });
      if (printed) console.log(`Epoch [${step}/${training_steps}], Loss: ${loss.toFixed(4)}`);
    }
    const [newWeights, newBias] = tf.tidy(() => {
      const [gradW, gradB] = derivatives(X, y, weights, bias);
      return [
        weights.sub(gradW.mul(learning_rate)),
        run.options.bias ? bias.sub(gradB.mul(learning_rate)) : bias.clone(),
      ];
    });
    tf.dispose([weights, bias]);
    [weights, bias] = [newWeights, newBias];
  }
  console.log(`Weights: ${await format(weights)} Bias: ${await format(bias)}`);
  console.log(`Binary CE on the train set: ${loss.toFixed(4)}`); // before the last update, as in the course

  // ---- evaluate
  const predicted = await values(() => forward(XTest, weights, bias).greater(0.5)); // (N)
  const truths = await yTest.data();
  const accuracy = 100 * truths.filter((truth, i) => truth === predicted[i]).length / truths.length;
  console.log(`Accuracy: ${accuracy.toFixed(2)}%`);

  // ---- plot: the line is where the probability is 0.5, that is, where weights x + bias = 0
  const [w1, w2] = await weights.data();
  const [b] = await bias.data();
  const figure = scatter({
    title: "Boundary learned by the logistic regressor",
    xLabel: "x1",
    yLabel: "x2",
    points: data.X.map(([x, y], i) => ({
      x,
      y,
      series: `class ${data.y[i]}`,
      shape: i % 3 === 0 ? "test" : "training",
    })),
    boundary: { weights: [w1, w2], bias: b },
    field: {
      probability: (x, y) => 1 / (1 + Math.exp(-(w1 * x + w2 * y + b))),
      name: "p(class 1)",
    },
  });
  await figure.save(run.path("boundary"));
  return { weights: [w1, w2], bias: b, loss, accuracy };
});

if (import.meta.main) await main();
