import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "a line through the origin", es: "una recta por el origen" },
  task: {
    en: `
      Remove the bias from the equations: write fitWithoutBias(X, y, steps, learning_rate), gradient descent
      that starts from weights 0 and returns the weights (2) after so many steps. Draw its line: which lines
      are left when the boundary has to pass through the origin?`,
    es: `
      Elimina el sesgo de las ecuaciones: escribe fitWithoutBias(X, y, steps, learning_rate), un descenso por
      gradiente que parte de pesos 0 y devuelve los pesos (2) tras ese número de pasos. Dibuja su recta: ¿qué
      rectas quedan cuando la frontera tiene que pasar por el origen?`,
  },
  hints: [
    {
      en: "What is the boundary, weights x + bias = 0, at the origin without a bias?",
      es: "¿Qué pasa con la frontera, weights x + bias = 0, en el origen si no hay sesgo?",
    },
    {
      en:
        "In each step: err = sigmoid(X weights) - y, then weights = weights - learning_rate err X / N.",
      es:
        "En cada paso: err = sigmoid(X weights) - y; después, weights = weights - learning_rate err X / N.",
    },
    {
      en:
        "gradients(X, y, weights, tf.zeros([1]))[0] is the gradient that you need; leave its [1] unused.",
      es:
        "gradients(X, y, weights, tf.zeros([1]))[0] es el gradiente que necesitas; no uses su [1].",
    },
  ],
  look: "fitWithoutBias(), '---- train'",
  start: [append(`
    /** Gradient descent without a bias, from weights 0: X (N, 2), y (N) -> weights (2). */
    export function fitWithoutBias(X: Tensor, y: Tensor, steps: number, learning_rate: number): Tensor {
      ${todo}
    }`)],
  solution: `
    let weights: Tensor = tf.zeros([2]);
    for (let step = 0; step < steps; step++) {
      const err = sigmoid(tf.dot(X, weights)).sub(y); // (N)
      weights = weights.sub(tf.dot(err, X).mul(learning_rate / y.size));
    }
    return weights;`,
  others: [`
    const none = tf.zeros([1]);
    const descend = (weights: Tensor, step: number): Tensor =>
      step === 0
        ? weights
        : descend(weights.sub(gradients(X, y, weights, none)[0].mul(learning_rate)), step - 1);
    return descend(tf.zeros([2]), steps);`],
  diagnoses: {
    bias: {
      means: {
        en:
          "a bias was trained along and then left out: without it the weights have to become others",
        es:
          "se ha entrenado también un sesgo y luego se ha omitido: sin él los pesos tienen que ser otros",
      },
      wrong: [`
        let weights: Tensor = tf.zeros([2]), bias: Tensor = tf.zeros([1]);
        for (let step = 0; step < steps; step++) {
          const [gradW, gradB] = gradients(X, y, weights, bias);
          weights = weights.sub(gradW.mul(learning_rate));
          bias = bias.sub(gradB.mul(learning_rate));
        }
        return weights;`],
    },
    sum: {
      means: {
        en: "the steps are as many times too long as there are points: the loss is a mean",
        es: "los pasos son tantas veces demasiado largos como puntos hay: la pérdida es una media",
      },
      wrong: [`
        let weights: Tensor = tf.zeros([2]);
        for (let step = 0; step < steps; step++) {
          weights = weights.sub(tf.dot(sigmoid(tf.dot(X, weights)).sub(y), X).mul(learning_rate));
        }
        return weights;`],
    },
    ascent: {
      means: {
        en: "the loss is climbed: the gradient is to be subtracted",
        es: "se sube por la pérdida: el gradiente se resta",
      },
      wrong: [`
        let weights: Tensor = tf.zeros([2]);
        for (let step = 0; step < steps; step++) {
          weights = weights.add(gradients(X, y, weights, tf.zeros([1]))[0].mul(learning_rate));
        }
        return weights;`],
    },
    steps: {
      means: {
        en: "the number of steps is not the one asked for",
        es: "el número de pasos no es el que se pide",
      },
      wrong: [`
        let weights: Tensor = tf.zeros([2]);
        for (let step = 1; step < steps; step++) {
          weights = weights.sub(gradients(X, y, weights, tf.zeros([1]))[0].mul(learning_rate));
        }
        return weights;`],
    },
  },
  async check(t) {
    type Fit = (X: Tensor, y: Tensor, steps: number, learning_rate: number) => Tensor;
    const { fitWithoutBias } = t.exports<{ fitWithoutBias: Fit }>("fitWithoutBias");
    const X = (random(5, 6, 2) as number[][]).map(([a, b]) => [a + 1, b + 1]);
    const y = [1, 0, 0, 1, 1, 0];
    const rate = 0.5;
    const slow = (steps: number, { bias = 0, scale = 1 / y.length } = {}) => {
      let [w1, w2, b] = [0, 0, 0];
      for (let step = 0; step < steps; step++) {
        const err = X.map(([x1, x2], i) => 1 / (1 + Math.exp(-w1 * x1 - w2 * x2 - b)) - y[i]);
        const sum = (x: (i: number) => number) => err.reduce((s, e, i) => s + e * x(i), 0);
        const step = [sum((i) => X[i][0]), sum((i) => X[i][1]), sum(() => 1)];
        [w1, w2, b] = [w1, w2, b].map((x, i) => x - rate * scale * step[i] * (i === 2 ? bias : 1));
      }
      return [w1, w2];
    };
    for (const steps of [1, 20]) {
      await t.equal({
        what: `fitWithoutBias(X, y, ${steps}, ${rate})`,
        got: () => fitWithoutBias(tensor(X), tensor(y), steps, rate),
        want: slow(steps),
        input: `seed 5, X (6, 2), y = [${y}]`,
        suspects: {
          bias: () => slow(steps, { bias: 1 }),
          sum: () => slow(steps, { scale: 1 }),
          ascent: () => slow(steps, { scale: -1 / y.length }),
          steps: (data) =>
            [steps - 1, steps + 1].some((n) =>
              slow(n).every((w, i) => Math.abs(w - Number(data[i])) < 1e-4)
            ),
        },
      });
    }
  },
});
