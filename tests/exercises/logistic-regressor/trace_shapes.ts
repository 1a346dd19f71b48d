import * as tf from "@tensorflow/tfjs";
import { forward, gradients } from "scripts/logistic-regressor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";

type Shapes = Record<"X" | "weights" | "bias" | "z" | "yPred" | "gradW" | "gradB", number[]>;

export default exercise({
  level: 1,
  title: {
    en: "the shapes of one forward and backward pass",
    es: "las formas de una pasada hacia delante y hacia atrás",
  },
  task: {
    en: `
      Trace the program for N points of two features, on paper or with --trace. Write shapes(N): an object
      with the shape of each tensor as a list: X, weights, bias, z (what goes into the sigmoid), yPred, gradW
      and gradB.`,
    es: `
      Haz una traza del programa para N puntos de dos características, en papel o con --trace. Escribe
      shapes(N): un objeto con la forma de cada tensor como lista: X, weights, bias, z (lo que entra en la
      sigmoide), yPred, gradW y gradB.`,
  },
  hints: [
    {
      en: "Run deno run -A scripts/logistic-regressor.ts --trace and read the column 'output'.",
      es: "Ejecuta deno run -A scripts/logistic-regressor.ts --trace y lee la columna 'output'.",
    },
    {
      en:
        "A matrix (N, 2) times a vector (2) is a vector (N); a sum over (N) that keeps one axis is (1).",
      es:
        "Una matriz (N, 2) por un vector (2) es un vector (N); una suma sobre (N) que conserva un eje es (1).",
    },
    {
      en:
        "return { X: [N, 2], weights: [2], ... }: a gradient has the shape of what it is the gradient of.",
      es:
        "return { X: [N, 2], weights: [2], ... }: un gradiente tiene la forma de aquello de lo que lo es.",
    },
  ],
  look: "shapes(), forward(), gradients()",
  start: [append(`
    /** The shape of each tensor for N points. */
    export function shapes(N: number): Record<string, number[]> {
      ${todo}
    }`)],
  solution: `
    return { X: [N, 2], weights: [2], bias: [1], z: [N], yPred: [N], gradW: [2], gradB: [1] };`,
  others: [`
    const X = tf.zeros([N, 2]), weights = tf.zeros([2]), bias = tf.zeros([1]);
    const z = tf.dot(X, weights).add(bias);
    const [gradW, gradB] = gradients(X, tf.zeros([N]), weights, bias);
    const all = { X, weights, bias, z, yPred: sigmoid(z), gradW, gradB };
    return Object.fromEntries(Object.entries(all).map(([name, t]) => [name, t.shape]));`],
  diagnoses: {
    column: {
      means: {
        en:
          "this is the shape of a column; the program works with a plain vector, which has one axis",
        es:
          "esta es la forma de una columna; el programa usa un vector simple, que tiene un solo eje",
      },
      wrong: [
        `return { X: [N, 2], weights: [2, 1], bias: [1], z: [N, 1], yPred: [N, 1], gradW: [2, 1], gradB: [1] };`,
      ],
    },
    transposed: {
      means: {
        en: "rows and columns are exchanged: a row is a point, a column a feature",
        es:
          "las filas y las columnas están intercambiadas: una fila es un punto y una columna, una característica",
      },
      wrong: [
        `return { X: [2, N], weights: [2], bias: [1], z: [N], yPred: [N], gradW: [2], gradB: [1] };`,
      ],
    },
    perPoint: {
      means: {
        en: "a gradient has the shape of its parameter: the points are summed up in it",
        es: "un gradiente tiene la forma de su parámetro: en él ya están sumados los puntos",
      },
      wrong: [
        `return { X: [N, 2], weights: [2], bias: [1], z: [N], yPred: [N], gradW: [N, 2], gradB: [N] };`,
      ],
    },
    scalar: {
      means: {
        en: "a scalar has no axis, but this tensor has one of size 1",
        es: "un escalar no tiene ejes, pero este tensor tiene uno de tamaño 1",
      },
      wrong: [
        `return { X: [N, 2], weights: [2], bias: [], z: [N], yPred: [N], gradW: [2], gradB: [] };`,
      ],
    },
  },
  async check(t) {
    const { shapes } = t.exports<{ shapes(N: number): Shapes }>("shapes");
    for (const N of [7, 3]) {
      // What the tensors of the program really have.
      const X = tf.zeros([N, 2]), weights = tf.zeros([2]), bias = tf.zeros([1]);
      const [gradW, gradB] = gradients(X, tf.zeros([N]), weights, bias);
      const yPred = forward(X, weights, bias);
      const all = { X, weights, bias, z: yPred, yPred, gradW, gradB };
      const received = await t.run(`shapes(${N})`, () => shapes(N), `N = ${N}`);
      for (const [name, { shape }] of Object.entries(all)) {
        const text = (shape: number[]) => `(${shape.join(", ")})`;
        const suspects = {
          column: text([...shape, 1]),
          transposed: text([...shape].reverse()),
          perPoint: ([got]: unknown[]) => name.startsWith("grad") && `${got}`.startsWith(`(${N}`),
          scalar: text([]),
        };
        await t.equal({
          what: `shapes(${N}).${name}`,
          got: () => text(received?.[name as keyof Shapes] ?? ["?"] as unknown as number[]),
          want: text(shape),
          input: `N = ${N}`,
          suspects,
        });
      }
    }
  },
});
