import type { GPT } from "scripts/gpt.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { countTokens, tinyGPT } from "../framework/models.ts";
import { tensor } from "../framework/tools.ts";

type LastLogits = (model: GPT, prompts: number[][]) => Promise<number[][]>;

export default exercise({
  level: 3,
  title: {
    en: "a batch of prompts of different lengths",
    es: "un lote de entradas de distinta longitud",
  },
  task: {
    en: `
      Write lastLogits(model, prompts): for prompts (lists of token ids) of different lengths the logits (V) of the
      token that follows each, with a single forward pass of the model over all of them, padded to one length. Each
      must get what it gets alone. The model is in evaluation mode and has no mask for padding: do you need one?`,
    es: `
      Escribe lastLogits(model, prompts): para entradas (listas de identificadores) de distinta longitud, los logits
      (V) del elemento que sigue a cada una, con una sola pasada del modelo sobre todas, rellenadas a la misma
      longitud. Cada una debe recibir lo mismo que sola. El modelo está en modo de evaluación y no tiene máscara de
      relleno: ¿hace falta?`,
  },
  hints: [
    {
      en:
        "In a causal model no token sees what stands to its right. On which side is padding harmless?",
      es:
        "En un modelo causal ningún elemento ve lo que tiene a su derecha. ¿En qué lado es inofensivo el relleno?",
    },
    {
      en:
        "With padding on the right, the logits that you need stand at the last token of each prompt, not at -1.",
      es:
        "Con el relleno a la derecha, los logits que necesitas están en el último elemento de cada entrada, no en -1.",
    },
    {
      en:
        "Read the whole (B, T, V) with await logits.array() and take rows[b][prompts[b].length - 1].",
      es: "Lee todo (B, T, V) con await logits.array() y toma filas[b][prompts[b].length - 1].",
    },
  ],
  look: "lastLogits(), GPT.forward()",
  start: [append(`
    /** The logits (V) of the token after each prompt, in one forward pass. */
    export async function lastLogits(model: GPT, prompts: number[][]): Promise<number[][]> {
      ${todo}
    }`)],
  solution: `
    const T = Math.max(...prompts.map((prompt) => prompt.length));
    const padded = prompts.map((prompt) => [...prompt, ...new Array(T - prompt.length).fill(0)]);
    const logits = model.forward(tf.tensor2d(padded, [prompts.length, T], "int32")); // (B, T, V)
    const all = await logits.array() as number[][][];
    return prompts.map((prompt, b) => all[b][prompt.length - 1]);`,
  others: [`
    const T = Math.max(...prompts.map((prompt) => prompt.length));
    const ids = prompts.map((prompt) => Array.from({ length: T }, (_, i) => prompt[i] ?? prompt[0]));
    const x = model.hidden(tf.tensor2d(ids, undefined, "int32")); // (B, T, C)
    const last = tf.gatherND(x, tf.tensor2d(prompts.map((prompt, b) => [b, prompt.length - 1]), undefined, "int32"));
    return await model.lm_head.forward(last).array() as number[][];`],
  diagnoses: {
    lastColumn: {
      means: {
        en:
          "the logits were read at the last place of the row, which is padding for the shorter prompts",
        es:
          "los logits se han leído en el último lugar de la fila, que es relleno para las entradas cortas",
      },
      wrong: [`
        const T = Math.max(...prompts.map((prompt) => prompt.length));
        const padded = prompts.map((prompt) => [...prompt, ...new Array(T - prompt.length).fill(0)]);
        const all = await model.forward(tf.tensor2d(padded, undefined, "int32")).array() as number[][][];
        return all.map((rows) => rows[T - 1]);`],
    },
    leftPadded: {
      means: {
        en: "the padding stands on the left: the tokens see it, and their positions are shifted",
        es: "el relleno está a la izquierda: los elementos lo ven y sus posiciones se desplazan",
      },
      wrong: [`
        const T = Math.max(...prompts.map((prompt) => prompt.length));
        const padded = prompts.map((prompt) => [...new Array(T - prompt.length).fill(0), ...prompt]);
        const all = await model.forward(tf.tensor2d(padded, undefined, "int32")).array() as number[][][];
        return all.map((rows) => rows[T - 1]);`],
    },
    oneByOne: {
      means: {
        en: "the model ran once for each prompt; one pass over a batch is what makes a GPU busy",
        es:
          "el modelo se ha ejecutado una vez por entrada; una pasada sobre un lote es lo que ocupa a una GPU",
      },
      wrong: [`
        return await Promise.all(prompts.map(async (prompt) => {
          const logits = await model.forward(tf.tensor2d([prompt], undefined, "int32")).array() as number[][][];
          return logits[0].at(-1)!;
        }));`],
    },
    cut: {
      means: {
        en: "the longer prompts were cut to the length of the shortest",
        es: "las entradas largas se han cortado a la longitud de la más corta",
      },
      wrong: [`
        const T = Math.min(...prompts.map((prompt) => prompt.length));
        const cut = prompts.map((prompt) => prompt.slice(0, T));
        const all = await model.forward(tf.tensor2d(cut, undefined, "int32")).array() as number[][][];
        return all.map((rows) => rows[T - 1]);`],
    },
  },
  async check(t) {
    type Script = typeof import("scripts/gpt.ts") & { lastLogits: LastLogits };
    const { lastLogits, GPT } = t.exports<Script>("lastLogits", "GPT");
    const prompts = [[3, 1, 4], [1, 5, 2, 6, 5], [2]];
    const model = tinyGPT(GPT);
    const logitsOf = async (ids: number[]) =>
      (await model.forward(tensor([ids], "int32")).array() as number[][][])[0];
    const alone = await Promise.all(
      prompts.map(async (prompt) => (await logitsOf(prompt)).at(-1)!),
    );
    const T = Math.max(...prompts.map((prompt) => prompt.length));
    const padding = (prompt: number[]) => new Array(T - prompt.length).fill(0);
    const input = `a tiny GPT, prompts = ${JSON.stringify(prompts)}`;

    const passes = countTokens(model);
    await t.equal({
      what: "lastLogits(model, prompts)",
      got: () => lastLogits(model, structuredClone(prompts)),
      want: alone,
      input,
      suspects: {
        lastColumn: () =>
          Promise.all(prompts.map(async (p) => (await logitsOf([...p, ...padding(p)])).at(-1)!)),
        leftPadded: () =>
          Promise.all(prompts.map(async (p) => (await logitsOf([...padding(p), ...p])).at(-1)!)),
        cut: () => Promise.all(prompts.map(async (p) => (await logitsOf(p.slice(0, 1))).at(-1)!)),
      },
    });
    t.that(passes.length <= 1, {
      what: "lastLogits(model, prompts)",
      stage: "cost",
      expected: 1,
      received: passes.length,
      input,
      diagnosis: "oneByOne",
    });
  },
});
