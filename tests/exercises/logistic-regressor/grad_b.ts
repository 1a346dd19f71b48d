import { body, exercise } from "../framework/exercise.ts";
import { numericGradient, random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 1,
  title: { en: "the gradients by hand", es: "los gradientes a mano" },
  task: {
    en: `
      Derive the binary cross-entropy by the weights and by the bias, on paper, and write gradients(): it
      returns [gradW, gradB] of shapes (2) and (1). Use no tf.grads. The loss is the mean over the points.`,
    es: `
      Deriva en papel la entropía cruzada binaria respecto a los pesos y al sesgo y escribe gradients(), que
      devuelve [gradW, gradB] con formas (2) y (1). No uses tf.grads. La pérdida es la media sobre los puntos.`,
  },
  hints: [
    {
      en:
        "Chain rule: d loss / d z is short, as the derivative of the logarithm and that of the sigmoid cancel.",
      es:
        "Regla de la cadena: d loss / d z es corta, pues la derivada del logaritmo y la de la sigmoide se cancelan.",
    },
    {
      en: "d loss / d z = (yPred - yTruth) / N, and z = X weights + bias.",
      es: "d loss / d z = (yPred - yTruth) / N, y z = X weights + bias.",
    },
    {
      en:
        "gradW = err X / N with err = yPred - yTruth (N); gradB is the mean of err, with an axis of size 1.",
      es:
        "gradW = err X / N con err = yPred - yTruth (N); gradB es la media de err, con un eje de tamaño 1.",
    },
  ],
  look: "gradients()",
  start: [body("gradients")],
  solution: `
    const err = forward(X, weights, bias).sub(yTruth); // (N)
    const gradW = tf.dot(err, X).mul(1 / yTruth.size); // (2)
    const gradB = err.sum().mul(1 / yTruth.size).reshape([1]); // (1)
    return [gradW, gradB];`,
  others: [`
    const dz = forward(X, weights, bias).sub(yTruth).div(X.shape[0]).reshape([-1, 1]); // (N, 1)
    return [X.mul(dz).sum(0), dz.sum(0)];`],
  diagnoses: {
    sum: {
      means: {
        en: "this is the sum over the points; the loss is their mean, so divide by their number",
        es:
          "esto es la suma sobre los puntos; la pérdida es su media, así que divide por cuántos son",
      },
      wrong: [
        `const err = forward(X, weights, bias).sub(yTruth);
         return [tf.dot(err, X), err.sum().reshape([1])];`,
        `const err = forward(X, weights, bias).sub(yTruth);
         return [tf.dot(err, X).div(yTruth.size), err.sum().reshape([1])];`,
      ],
    },
    sign: {
      means: {
        en:
          "the sign is wrong: with it, descent would climb; the difference is prediction minus truth",
        es:
          "el signo es el contrario: con él, el descenso subiría; la diferencia es predicción menos verdad",
      },
      wrong: [
        `const err = yTruth.sub(forward(X, weights, bias));
         return [tf.dot(err, X).div(yTruth.size), err.mean().reshape([1])];`,
      ],
    },
    squared: {
      means: {
        en: "this is the gradient of the squared error: with the cross-entropy, p (1 - p) cancels",
        es:
          "este es el gradiente del error cuadrático: con la entropía cruzada, p (1 - p) se cancela",
      },
      wrong: [
        `const p = forward(X, weights, bias);
         const err = p.sub(yTruth).mul(p).mul(p.neg().add(1)); // (N)
         return [tf.dot(err, X).div(yTruth.size), err.mean().reshape([1])];`,
      ],
    },
    noSigmoid: {
      means: {
        en: "the error is that of z: the sigmoid is missing between z and the prediction",
        es: "el error es el de z: falta la sigmoide entre z y la predicción",
      },
      wrong: [
        `const err = tf.dot(X, weights).add(bias).sub(yTruth);
         return [tf.dot(err, X).div(yTruth.size), err.mean().reshape([1])];`,
      ],
    },
  },
  async check(t) {
    const { gradients } = t.exports<typeof import("scripts/logistic-regressor.ts")>("gradients");
    const X: number[][] = random(3, 5, 2), y = [1, 0, 0, 1, 1];
    const parameters = [0.7, -1.3, 0.4];
    const z = ([w1, w2, b]: number[]) => X.map(([x1, x2]) => w1 * x1 + w2 * x2 + b);
    const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
    const loss = (parameters: number[]) =>
      z(parameters).map((z, i) => -Math.log(y[i] ? sigmoid(z) : 1 - sigmoid(z)))
        .reduce((a, b) => a + b) / y.length;
    const numeric = await numericGradient(loss, parameters, 1e-5);
    const mean = (err: number[]) => [
      ...[0, 1].map((j) => err.reduce((sum, e, i) => sum + e * X[i][j], 0) / y.length),
      err.reduce((a, b) => a + b) / y.length,
    ];
    const p = z(parameters).map(sigmoid);
    const squared = mean(p.map((p, i) => (p - y[i]) * p * (1 - p)));
    const noSigmoid = mean(z(parameters).map((z, i) => z - y[i]));

    const input = "seed 3, X (5, 2), y = [1, 0, 0, 1, 1], weights [0.7, -1.3], bias [0.4]";
    for (const [i, [from, to]] of [[0, 2], [2, 3]].entries()) {
      const part = (all: number[], factor = 1) => all.slice(from, to).map((x) => factor * x);
      await t.equal({
        what: `gradients()[${i}]`,
        stage: "gradient",
        got: () => gradients(tensor(X), tensor(y), tensor([0.7, -1.3]), tensor([0.4]))[i],
        want: part(numeric),
        input,
        suspects: {
          sum: part(numeric, y.length),
          sign: part(numeric, -1),
          squared: part(squared),
          noSigmoid: part(noSigmoid),
        },
      });
    }
  },
});
