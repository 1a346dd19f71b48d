import type { Tensor } from "lib/tensor.ts";
import { body, exercise } from "../framework/exercise.ts";
import { random, tensor } from "../framework/tools.ts";

export default exercise({
  level: 1,
  title: { en: "GPT-2's activation", es: "la activación de GPT-2" },
  task: {
    en: `
      Write gelu(x) as GPT-2 has it: x times the normal distribution function, approximated by
      0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). The parameter exact may be left alone.`,
    es: `
      Escribe gelu(x) como en GPT-2: x por la función de distribución normal, aproximada por
      0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). El parámetro exact se puede dejar de lado.`,
  },
  hints: [
    {
      en:
        "Build it from the inside: first x + 0.044715 x^3, then the factor, tanh, 1 + ..., and the rest.",
      es:
        "Constrúyela desde dentro: primero x + 0.044715 x^3, luego el factor, tanh, 1 + ... y el resto.",
    },
    {
      en: "The inside: const inner = x.add(x.pow(3).mul(0.044715)).mul(Math.sqrt(2 / Math.PI)).",
      es: "Lo de dentro: const inner = x.add(x.pow(3).mul(0.044715)).mul(Math.sqrt(2 / Math.PI)).",
    },
  ],
  look: "gelu()",
  start: [body("gelu")],
  solution: `
    const inner = x.add(x.pow(3).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
    return x.mul(0.5).mul(inner.tanh().add(1));`,
  others: [`
    // (1 + tanh(z)) / 2 is sigmoid(2 z)
    return x.mul(tf.sigmoid(x.mul(x.square().mul(0.044715).add(1)).mul(2 * Math.sqrt(2 / Math.PI))));`],
  diagnoses: {
    cubic: {
      means: {
        en: "the cubic term is missing, or 0.044715 stands at the wrong place",
        es: "falta el término cúbico, o 0.044715 está en otro lugar",
      },
      wrong: [`return x.mul(0.5).mul(tf.tanh(x.mul(Math.sqrt(2 / Math.PI))).add(1));`],
    },
    factor: {
      means: {
        en: "the factor sqrt(2 / pi) in the tanh is missing",
        es: "falta el factor sqrt(2 / pi) dentro de la tanh",
      },
      wrong: [`return x.mul(0.5).mul(tf.tanh(x.add(x.pow(3).mul(0.044715))).add(1));`],
    },
    half: {
      means: {
        en: "the result is twice too large: 0.5 is missing",
        es: "el resultado es el doble: falta el 0.5",
      },
      wrong: [`
        const inner = x.add(x.pow(3).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
        return x.mul(inner.tanh().add(1));`],
    },
    relu: {
      means: {
        en: "this is ReLU: GELU is smooth, and a little below 0 for small negative x",
        es: "esto es ReLU: GELU es suave y algo menor que 0 para x negativas pequeñas",
      },
      wrong: [`return tf.relu(x);`],
    },
    noX: {
      means: {
        en: "this is the distribution function alone: it is to be multiplied by x",
        es: "esto es solo la función de distribución: hay que multiplicarla por x",
      },
      wrong: [`
        const inner = x.add(x.pow(3).mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
        return inner.tanh().add(1).mul(0.5);`],
    },
  },
  async check(t) {
    const { gelu } = t.exports<{ gelu(x: Tensor): Tensor }>("gelu");
    const x: number[][] = (random(92, 3, 4) as number[][]).map((row) =>
      row.map((value) => 3 * value)
    );
    const each = (f: (x: number) => number) => x.map((row) => row.map(f));
    const tanh = (z: number) => 1 - 2 / (Math.exp(2 * z) + 1);
    const inner = (x: number) => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    await t.equal({
      what: "gelu(x)",
      got: () => gelu(tensor(x)),
      want: each((x) => 0.5 * x * (1 + tanh(inner(x)))),
      input: "seed 92, x (3, 4) from -3 to 3",
      tolerance: 1e-5,
      suspects: {
        cubic: each((x) => 0.5 * x * (1 + tanh(Math.sqrt(2 / Math.PI) * x))),
        factor: each((x) => 0.5 * x * (1 + tanh(x + 0.044715 * x ** 3))),
        half: each((x) => x * (1 + tanh(inner(x)))),
        relu: each((x) => Math.max(0, x)),
        noX: each((x) => 0.5 * (1 + tanh(inner(x)))),
      },
    });
  },
});
