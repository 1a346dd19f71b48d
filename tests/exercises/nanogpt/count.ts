import { append, exercise, todo } from "../framework/exercise.ts";

interface Sizes {
  n_layer: number;
  n_embd: number;
  vocab_size: number;
  block_size: number;
  bias: boolean;
}

export default exercise({
  level: 2,
  title: { en: "how many parameters does a GPT have?", es: "¿cuántos parámetros tiene un GPT?" },
  task: {
    en: `
      Write parameterCount({ n_layer, n_embd, vocab_size, block_size, bias }) as a formula, without making a model: all
      parameters of nanoGPT's GPT, the embedding that is also the output layer once, the positions included. With bias
      false, linear layers and layer norms have no bias. Check it with GPT-2's sizes: 12, 768, 50257, 1024, true.`,
    es: `
      Escribe parameterCount({ n_layer, n_embd, vocab_size, block_size, bias }) como fórmula, sin crear un modelo: todos los
      parámetros del GPT de nanoGPT, con el embedding que también es la capa de salida una vez y las posiciones incluidas. Con
      bias false, las capas lineales y las normalizaciones no tienen sesgo. Pruébala con GPT-2: 12, 768, 50257, 1024, true.`,
  },
  hints: [
    {
      en:
        "List the parts: wte, wpe, in each block two norms and four linear layers, and the last norm.",
      es:
        "Enumera las partes: wte, wpe, en cada bloque dos normalizaciones y cuatro capas lineales, y la última normalización.",
    },
    {
      en: "The weights of a block's linear layers are 3 C^2, C^2, 4 C^2 and 4 C^2.",
      es: "Los pesos de las capas lineales de un bloque son 3 C^2, C^2, 4 C^2 y 4 C^2.",
    },
    {
      en:
        "Biases of a block: 3 C, C, 4 C, C in the linear layers and C in each norm; a norm's weight is C.",
      es:
        "Sesgos de un bloque: 3 C, C, 4 C y C en las capas lineales y C en cada normalización, cuyo peso es C.",
    },
  ],
  look: "parameterCount(), Block, MLP, CausalSelfAttention",
  start: [append(`
    /** How many numbers the parameters of a GPT of this size hold. */
    export function parameterCount(
      { n_layer, n_embd, vocab_size, block_size, bias }: {
        n_layer: number;
        n_embd: number;
        vocab_size: number;
        block_size: number;
        bias: boolean;
      },
    ): number {
      ${todo}
    }`)],
  solution: `
    const C = n_embd;
    const norm = bias ? 2 * C : C;
    const linear = 12 * C * C + (bias ? 9 * C : 0);
    return (vocab_size + block_size) * C + n_layer * (2 * norm + linear) + norm;`,
  others: [`
    const layer = (inputs: number, outputs: number) => outputs * (inputs + Number(bias));
    const C = n_embd;
    const norm = layer(1, C);
    const attention = layer(C, 3 * C) + layer(C, C), mlp = layer(C, 4 * C) + layer(4 * C, C);
    return vocab_size * C + block_size * C + n_layer * (norm + attention + norm + mlp) + norm;`],
  diagnoses: {
    headTwice: {
      means: {
        en: "the output layer was counted too: it is the embedding itself",
        es: "también se ha contado la capa de salida: es el propio embedding",
      },
      wrong: [`
        const C = n_embd, norm = bias ? 2 * C : C, linear = 12 * C * C + (bias ? 9 * C : 0);
        return (2 * vocab_size + block_size) * C + n_layer * (2 * norm + linear) + norm;`],
    },
    noPositions: {
      means: {
        en: "the embedding of the positions is missing",
        es: "falta el embedding de las posiciones",
      },
      wrong: [`
        const C = n_embd, norm = bias ? 2 * C : C, linear = 12 * C * C + (bias ? 9 * C : 0);
        return vocab_size * C + n_layer * (2 * norm + linear) + norm;`],
    },
    lastNorm: {
      means: {
        en: "the norm after the last block, ln_f, is missing",
        es: "falta la normalización tras el último bloque, ln_f",
      },
      wrong: [`
        const C = n_embd, norm = bias ? 2 * C : C, linear = 12 * C * C + (bias ? 9 * C : 0);
        return (vocab_size + block_size) * C + n_layer * (2 * norm + linear);`],
    },
    noBiases: {
      means: {
        en: "the biases are missing, or are counted whether there are any or not",
        es: "faltan los sesgos, o se cuentan tanto si los hay como si no",
      },
      wrong: [
        `const C = n_embd;
         return (vocab_size + block_size) * C + n_layer * (2 * C + 12 * C * C) + C;`,
        `const C = n_embd;
         return (vocab_size + block_size) * C + n_layer * (4 * C + 12 * C * C + 9 * C) + 2 * C;`,
      ],
    },
  },
  async check(t) {
    type Script = typeof import("scripts/nanogpt.ts") & { parameterCount(sizes: Sizes): number };
    const { parameterCount, GPT } = t.exports<Script>("parameterCount", "GPT");
    for (const bias of [true, false]) {
      const sizes = { n_layer: 2, n_embd: 6, vocab_size: 11, block_size: 5, bias };
      const model = new GPT({ ...sizes, n_head: 2, dropout: 0, gelu: "none" });
      const want = model.countParameters(); // of a model that was really made
      model.dispose();
      const C = 6, norm = bias ? 2 * C : C, all = 2 * (4 * C + 9 * C) + 2 * C;
      await t.equal({
        what: "parameterCount(sizes)",
        got: () => parameterCount(sizes),
        want,
        input: JSON.stringify(sizes),
        suspects: {
          headTwice: want + 11 * C,
          noPositions: want - 5 * C,
          lastNorm: want - norm,
          noBiases: ([got]) => Math.abs(got - want) === all - 2 * 2 * C - C,
        },
      });
    }
    await t.equal({
      what: "parameterCount(GPT-2's sizes)",
      got: () =>
        parameterCount({
          n_layer: 12,
          n_embd: 768,
          vocab_size: 50257,
          block_size: 1024,
          bias: true,
        }),
      want: 124439808, // as published
    });
  },
});
