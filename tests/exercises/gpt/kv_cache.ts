import type { GPT } from "scripts/gpt.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { countTokens, tinyGPT } from "../framework/models.ts";
import { tensor } from "../framework/tools.ts";

type Continue = (model: GPT, prompt: number[], count: number) => Promise<number[]>;

export default exercise({
  level: 3,
  title: { en: "no token twice: the cache", es: "ningún elemento dos veces: la caché" },
  task: {
    en: `
      Write continueGreedy(model, prompt, count): the count most probable tokens after the prompt, one after the other.
      model.forward(ids, cache) takes a cache, at first a new KVCache(), in which it keeps the keys and values of all tokens
      so far; ids are then only the tokens that are new. Each token may go into the model once. All fits into
      the block.`,
    es: `
      Escribe continueGreedy(model, prompt, count): los count elementos más probables tras la entrada, uno tras otro.
      model.forward(ids, cache) admite una caché, al principio new KVCache(), en la que guarda las claves y valores de los
      elementos vistos; ids son entonces solo los elementos nuevos. Cada elemento puede entrar en el modelo una vez.
      Todo cabe en el bloque.`,
  },
  hints: [
    {
      en: "What is new at the first pass, and what at each later one?",
      es: "¿Qué es nuevo en la primera pasada y qué lo es en las siguientes?",
    },
    {
      en:
        "First the whole prompt with the empty cache; then only the token that was chosen last, with the same cache.",
      es:
        "Primero toda la entrada con la caché vacía; después solo el último elemento elegido, con la misma caché.",
    },
    {
      en: "const cache = new KVCache(); fresh = prompt, then [token].",
      es: "const cache = new KVCache(); fresh = prompt y luego [token].",
    },
  ],
  look: "continueGreedy(), CausalSelfAttention.forward()",
  start: [append(`
    /** The most probable continuation of a prompt; each token goes into the model once. */
    export async function continueGreedy(model: GPT, prompt: number[], count: number): Promise<number[]> {
      ${todo}
    }`)],
  solution: `
    const cache = new KVCache();
    const written: number[] = [];
    let fresh = prompt;
    while (written.length < count) {
      const logits = model.forward(tf.tensor2d([fresh], undefined, "int32"), cache); // (1, T, V)
      const [rows] = await logits.argMax(2).array() as number[][];
      fresh = [rows.at(-1)!];
      written.push(...fresh);
    }
    return written;`,
  others: [
    `
    const all = await model.generate(tf.tensor2d([prompt], undefined, "int32"), count);
    return all[0].slice(prompt.length);`,
    `
    const cache = new KVCache();
    const feed = async (id: number) => {
      const logits = await model.forward(tf.tensor2d([[id]], undefined, "int32"), cache).data();
      return logits.indexOf(Math.max(...logits));
    };
    let next = -1;
    for (const id of prompt) next = await feed(id);
    const written = [next];
    while (written.length < count) written.push(next = await feed(next));
    return written;`,
  ],
  diagnoses: {
    noCache: {
      means: {
        en:
          "the tokens are right, but the whole text goes into the model at each step: the work grows with its square",
        es:
          "los elementos son correctos, pero en cada paso entra todo el texto en el modelo: el trabajo crece con su cuadrado",
      },
      wrong: [`
        const ids = [...prompt];
        for (let i = 0; i < count; i++) {
          const [rows] = await model.forward(tf.tensor2d([ids], undefined, "int32")).argMax(2).array() as number[][];
          ids.push(rows.at(-1)!);
        }
        return ids.slice(prompt.length);`],
    },
    forgotten: {
      means: {
        en:
          "the model sees only the newest token: without the same cache at every pass it forgets the text",
        es:
          "el modelo solo ve el elemento más nuevo: sin la misma caché en cada pasada olvida el texto",
      },
      wrong: [
        `const written: number[] = [];
         let fresh = prompt;
         while (written.length < count) {
           const [rows] = await model.forward(tf.tensor2d([fresh], undefined, "int32")).argMax(2).array() as number[][];
           fresh = [rows.at(-1)!];
           written.push(...fresh);
         }
         return written;`,
        `const written: number[] = [];
         let fresh = prompt;
         while (written.length < count) {
           const cache = new KVCache();
           const [rows] = await model.forward(tf.tensor2d([fresh], undefined, "int32"), cache).argMax(2).array() as number[][];
           fresh = [rows.at(-1)!];
           written.push(...fresh);
         }
         return written;`,
      ],
    },
    again: {
      means: {
        en: "tokens that are in the cache go into the model again, so it sees them twice",
        es:
          "elementos que ya están en la caché vuelven a entrar en el modelo, que los ve dos veces",
      },
      wrong: [`
        const cache = new KVCache();
        const ids = [...prompt];
        for (let i = 0; i < count; i++) {
          const fresh = i === 0 ? ids : ids.slice(-2);
          const [rows] = await model.forward(tf.tensor2d([fresh], undefined, "int32"), cache).argMax(2).array() as number[][];
          ids.push(rows.at(-1)!);
        }
        return ids.slice(prompt.length);`],
    },
    withPrompt: {
      means: {
        en: "the prompt is part of the result; only what follows it is asked for",
        es: "la entrada forma parte del resultado; solo se pide lo que la sigue",
      },
      wrong: [`
        const [all] = await model.generate(tf.tensor2d([prompt], undefined, "int32"), count);
        return all;`],
    },
  },
  async check(t) {
    type Script = typeof import("scripts/gpt.ts") & { continueGreedy: Continue };
    const { continueGreedy, GPT } = t.exports<Script>("continueGreedy", "GPT");
    const model = tinyGPT(GPT);
    const argMax = async (ids: number[]) =>
      ((await model.forward(tensor([ids], "int32")).argMax(2).array()) as number[][])[0].at(-1)!;
    for (
      const [prompt, count] of [[[1, 5, 2], 5], [[6, 0, 4, 1], 4], [[3], 6]] as [number[], number][]
    ) {
      /** Without any cache; `seen` is what the model sees of the text at each step. */
      const slow = async (seen: (ids: number[]) => number[]) => {
        const ids = [...prompt];
        while (ids.length < prompt.length + count) ids.push(await argMax(seen(ids)));
        return ids.slice(prompt.length);
      };
      const want = await slow((ids) => ids);
      const input = `a tiny GPT, prompt [${prompt}], count ${count}`;
      const what = `continueGreedy(model, prompt, ${count})`;
      const passes = countTokens(model);
      const tokens = () => passes.reduce((a, b) => a + b, 0);
      let run = 0;
      await t.equal({
        what,
        got: async () => {
          const result = await continueGreedy(model, [...prompt], count);
          run = tokens();
          return result;
        },
        want,
        input,
        suspects: {
          withPrompt: [...prompt, ...want],
          forgotten: () => slow((ids) => ids.length === prompt.length ? ids : ids.slice(-1)),
        },
        otherwise: "again",
      });
      t.that(run <= prompt.length + count, {
        what: `${what}, tokens that went into the model`,
        stage: "cost",
        expected: prompt.length + count,
        received: run,
        input,
        diagnosis: "noCache",
      });
    }
  },
});
