import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { numericGradient, random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: {
    en: "how much does the output move with the input?",
    es: "¿cuánto se mueve la salida con la entrada?",
  },
  task: {
    en: `
      Write sensitivity(X, weights, bias): the derivative of the predicted probability by each feature of its
      point, X (N, 2) -> (N, 2). Where in the plane is the regressor most sensitive?`,
    es: `
      Escribe sensitivity(X, weights, bias): la derivada de la probabilidad predicha respecto a cada
      característica de su punto, X (N, 2) -> (N, 2). ¿En qué parte del plano es más sensible el regresor?`,
  },
  hints: [
    {
      en: "y = sigmoid(z) and z = x weights + bias: what is dy/dz, what is dz/dx?",
      es: "y = sigmoid(z) y z = x weights + bias: ¿cuánto vale dy/dz y cuánto dz/dx?",
    },
    {
      en: "dy/dz = y (1 - y), a number for each point; dz/dx = weights, the same for all points.",
      es:
        "dy/dz = y (1 - y), un número por punto; dz/dx = weights, lo mismo para todos los puntos.",
    },
    {
      en:
        "Make y (1 - y) a column (N, 1) and multiply it by the weights: it is broadcast to (N, 2).",
      es:
        "Convierte y (1 - y) en una columna (N, 1) y multiplícala por los pesos: se difunde a (N, 2).",
    },
  ],
  look: "sensitivity(), forward()",
  start: [append(`
    /** The derivative of each point's probability by its features: X (N, 2) -> (N, 2). */
    export function sensitivity(X: Tensor, weights: Tensor, bias: Tensor): Tensor {
      ${todo}
    }`)],
  solution: `
    const y = forward(X, weights, bias); // (N)
    return y.mul(y.neg().add(1)).expandDims(1).mul(weights); // (N, 1) times (2) -> (N, 2)`,
  others: [
    `return tf.grad((X) => forward(X, weights, bias).sum())(X);`,
    `const y = forward(X, weights, bias);
     return tf.outerProduct(y.sub(y.square()) as tf.Tensor1D, weights as tf.Tensor1D);`,
  ],
  diagnoses: {
    linear: {
      means: {
        en: "this is the derivative of z; the sigmoid behind it multiplies it by y (1 - y)",
        es: "esta es la derivada de z; la sigmoide que viene después la multiplica por y (1 - y)",
      },
      wrong: [`return tf.zerosLike(X).add(weights);`],
    },
    noWeights: {
      means: {
        en: "this is the derivative by z; z itself moves with x as fast as the weights say",
        es:
          "esta es la derivada respecto a z; a su vez, z se mueve con x tan deprisa como dicen los pesos",
      },
      wrong: [
        `const y = forward(X, weights, bias);
         return y.mul(y.neg().add(1)).expandDims(1).add(tf.zerosLike(X));`,
        `const y = forward(X, weights, bias);
         return y.mul(y.neg().add(1));`,
      ],
    },
    half: {
      means: {
        en: "the derivative of the sigmoid is y (1 - y): one of the two factors is missing",
        es: "la derivada de la sigmoide es y (1 - y): falta uno de los dos factores",
      },
      wrong: [
        `return forward(X, weights, bias).expandDims(1).mul(weights);`,
        `return forward(X, weights, bias).neg().add(1).expandDims(1).mul(weights);`,
      ],
    },
    ofZ: {
      means: {
        en:
          "z (1 - z) was used: in the derivative of the sigmoid stands its output y, not its input z",
        es:
          "se ha usado z (1 - z): en la derivada de la sigmoide está su salida y, no su entrada z",
      },
      wrong: [`
        const z = tf.dot(X, weights).add(bias);
        return z.mul(z.neg().add(1)).expandDims(1).mul(weights);`],
    },
  },
  async check(t) {
    type Sensitivity = (X: Tensor, weights: Tensor, bias: Tensor) => Tensor;
    const { sensitivity } = t.exports<{ sensitivity: Sensitivity }>("sensitivity");
    const X: number[][] = random(11, 4, 2), weights = [1.5, -0.8], bias = 0.3;
    const z = ([x1, x2]: number[]) => weights[0] * x1 + weights[1] * x2 + bias;
    const y = (x: number[]) => 1 / (1 + Math.exp(-z(x)));
    const times = (f: (x: number[]) => number) => X.map((x) => weights.map((w) => f(x) * w));
    await t.equal({
      what: "sensitivity(X, weights, bias)",
      stage: "gradient",
      got: () => sensitivity(tensor(X), tensor(weights), tensor([bias])),
      want: await Promise.all(X.map((x) => numericGradient(y, x, 1e-5))),
      input: "seed 11, X (4, 2), weights [1.5, -0.8], bias [0.3]",
      suspects: {
        linear: times(() => 1),
        noWeights: (data) =>
          X.every((x, i) =>
            Math.abs(Number(data[i * data.length / X.length]) - y(x) * (1 - y(x))) < 1e-4
          ),
        half: (data) =>
          [y, (x: number[]) => 1 - y(x)].some((f) =>
            times(f).flat().every((value, i) => Math.abs(value - Number(data[i])) < 1e-4)
          ),
        ofZ: times((x) => z(x) * (1 - z(x))),
      },
    });
  },
});
