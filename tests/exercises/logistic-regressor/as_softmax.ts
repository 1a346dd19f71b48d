import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { random, slowSoftmax, tensor } from "../framework/tools.ts";

export default exercise({
  level: 3,
  title: {
    en: "the logistic regressor as a softmax of two classes",
    es: "el regresor logístico como softmax de dos clases",
  },
  task: {
    en: `
      A softmax regressor has a row of weights and a bias for each class. Write asSoftmax(weights, bias): an
      object with weight (2, 2) and bias (2) of a softmax regressor of two classes that gives each point the
      same probabilities as the logistic one: first class 0, then class 1. There is more than one answer.`,
    es: `
      Un regresor softmax tiene una fila de pesos y un sesgo por clase. Escribe asSoftmax(weights, bias): un
      objeto con weight (2, 2) y bias (2) de un regresor softmax de dos clases que da a cada punto las mismas
      probabilidades que el logístico: primero la clase 0 y luego la clase 1. Hay más de una solución.`,
  },
  hints: [
    {
      en:
        "Write the softmax of two logits a and b, and divide numerator and denominator by exp(b).",
      es: "Escribe la softmax de dos logits a y b y divide numerador y denominador por exp(b).",
    },
    {
      en: "softmax([a, b])[1] = sigmoid(b - a): only the difference of the logits counts.",
      es: "softmax([a, b])[1] = sigmoid(b - a): solo cuenta la diferencia entre los logits.",
    },
    {
      en: "Take 0 as the logit of class 0, so a row of zeros, and z as that of class 1.",
      es:
        "Toma 0 como logit de la clase 0, es decir, una fila de ceros, y z como el de la clase 1.",
    },
  ],
  look: "asSoftmax(), sigmoid()",
  start: [append(`
    /** A softmax regressor with the same probabilities: weights (2), bias (1) -> weight (2, 2), a row a class, and bias (2). */
    export function asSoftmax(weights: Tensor, bias: Tensor): { weight: Tensor; bias: Tensor } {
      ${todo}
    }`)],
  solution: `
    return {
      weight: tf.stack([tf.zerosLike(weights), weights]), // class 0 has the logit 0
      bias: tf.concat([tf.zerosLike(bias), bias]),
    };`,
  others: [
    `return {
      weight: tf.stack([weights.mul(-0.5), weights.mul(0.5)]),
      bias: tf.concat([bias.mul(-0.5), bias.mul(0.5)]),
    };`,
    `return {
      weight: tf.stack([weights.neg(), tf.zerosLike(weights)]),
      bias: tf.concat([bias.neg(), tf.zerosLike(bias)]).add(3),
    };`,
  ],
  diagnoses: {
    exchanged: {
      means: {
        en: "the probabilities of the two classes are exchanged: row 0 is to be class 0",
        es: "las probabilidades de las dos clases están intercambiadas: la fila 0 es la clase 0",
      },
      wrong: [`
        return {
          weight: tf.stack([weights, tf.zerosLike(weights)]),
          bias: tf.concat([bias, tf.zerosLike(bias)]),
        };`],
    },
    doubled: {
      means: {
        en: "the difference of the two logits is 2 z, not z: the boundary is right, but too sharp",
        es:
          "la diferencia de los dos logits es 2 z, no z: la frontera es correcta, pero demasiado abrupta",
      },
      wrong: [`
        return { weight: tf.stack([weights.neg(), weights]), bias: tf.concat([bias.neg(), bias]) };`],
    },
    noBias: {
      means: {
        en: "the bias has no effect: it must differ between the classes, as what both have cancels",
        es:
          "el sesgo no tiene efecto: debe ser distinto en cada clase, pues lo que tienen en común se cancela",
      },
      wrong: [
        `return { weight: tf.stack([tf.zerosLike(weights), weights]), bias: tf.zeros([2]) };`,
        `return { weight: tf.stack([tf.zerosLike(weights), weights]), bias: tf.concat([bias, bias]) };`,
      ],
    },
    same: {
      means: {
        en: "both classes always have probability 0.5, since their logits are the same",
        es: "las dos clases tienen siempre probabilidad 0.5, pues sus logits son iguales",
      },
      wrong: [`return { weight: tf.stack([weights, weights]), bias: tf.concat([bias, bias]) };`],
    },
    byFeature: {
      means: {
        en: "the rows of the weight are the classes, its columns the features: it is transposed",
        es:
          "las filas de weight son las clases y sus columnas, las características: está traspuesta",
      },
      wrong: [`
        return {
          weight: tf.stack([tf.zerosLike(weights), weights], 1),
          bias: tf.concat([tf.zerosLike(bias), bias]),
        };`],
    },
  },
  async check(t) {
    type As = (weights: Tensor, bias: Tensor) => { weight: Tensor; bias: Tensor };
    const { asSoftmax } = t.exports<{ asSoftmax: As }>("asSoftmax");
    const X: number[][] = random(4, 5, 2), weights = [1.2, -2.1], bias = 0.9;
    const what = "asSoftmax(weights, bias)";
    const input = "seed 4, X (5, 2), weights [1.2, -2.1], bias [0.9]";
    const layer = await t.run(what, () => asSoftmax(tensor(weights), tensor([bias])), input);
    await t.equal({
      what: `${what}.weight.shape`,
      got: () => layer?.weight?.shape,
      want: [2, 2],
      input,
    });
    await t.equal({ what: `${what}.bias.shape`, got: () => layer?.bias?.shape, want: [2], input });
    const W = await layer.weight.array() as number[][], b = await layer.bias.array() as number[];
    const logits = (W: number[][], b: number[]) =>
      X.map((x) => slowSoftmax(b.map((b, k) => b + W[k][0] * x[0] + W[k][1] * x[1])));
    const both = (f: (z: number) => number, withBias = true) =>
      X.map((x) => weights[0] * x[0] + weights[1] * x[1] + (withBias ? bias : 0))
        .map((z) => [1 - f(z), f(z)]);
    const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
    await t.equal({
      what: "softmax(X weight^T + bias)",
      got: () => logits(W, b),
      want: both(sigmoid),
      input,
      suspects: {
        exchanged: both((z) => sigmoid(-z)),
        doubled: both((z) => sigmoid(2 * z)),
        noBias: both(sigmoid, false),
        same: both(() => 0.5),
        byFeature: () => logits([[0, 0], weights].map((_, i) => [0, weights[i]]), [0, bias]),
      },
    });
  },
});
