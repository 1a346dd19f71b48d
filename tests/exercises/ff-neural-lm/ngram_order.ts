import { append, exercise, todo } from "../framework/exercise.ts";

export default exercise({
  level: 1,
  title: { en: "n-grams of any order", es: "n-gramas de cualquier orden" },
  task: {
    en: `
      The course's sentences have three words: two go in, the third is predicted. Write ngrams(ids, n_step) for a
      text of any length: an object with inputs, a list of lists of n_step token ids, and targets, the id after
      each. All windows that fit are used, in their order.`,
    es: `
      Las frases del curso tienen tres palabras: entran dos y se predice la tercera. Escribe ngrams(ids, n_step)
      para un texto de cualquier longitud: un objeto con inputs, una lista de listas de n_step identificadores, y
      targets, el identificador que sigue a cada una. Se usan todas las ventanas que caben, en su orden.`,
  },
  hints: [
    {
      en: "How many windows are there in 5 tokens if n_step is 2? Write them down.",
      es: "¿Cuántas ventanas hay en 5 elementos si n_step es 2? Escríbelas.",
    },
    {
      en: "Window i has the tokens i to i + n_step - 1, and token i + n_step is its target.",
      es:
        "La ventana i tiene los elementos i a i + n_step - 1, y el elemento i + n_step es su objetivo.",
    },
  ],
  look: "ngrams(), makeBatch()",
  start: [append(`
    /** All windows of n_step tokens with the token after each. */
    export function ngrams(ids: number[], n_step: number): { inputs: number[][]; targets: number[] } {
      ${todo}
    }`)],
  solution: `
    const targets = ids.slice(n_step);
    return { inputs: targets.map((_, i) => ids.slice(i, i + n_step)), targets };`,
  others: [`
    const inputs: number[][] = [], targets: number[] = [];
    for (let end = n_step; end < ids.length; end++) {
      inputs.push(ids.slice(end - n_step, end));
      targets.push(ids[end]);
    }
    return { inputs, targets };`],
  diagnoses: {
    last: {
      means: {
        en: "a window at the end is missing or has no target: n tokens have n - n_step windows",
        es:
          "falta una ventana al final o hay una sin objetivo: n elementos tienen n - n_step ventanas",
      },
      wrong: [
        `const inputs: number[][] = [], targets: number[] = [];
         for (let i = 0; i + n_step + 1 < ids.length; i++) {
           inputs.push(ids.slice(i, i + n_step));
           targets.push(ids[i + n_step]);
         }
         return { inputs, targets };`,
        `const inputs: number[][] = [], targets: number[] = [];
         for (let i = 0; i + n_step <= ids.length; i++) {
           inputs.push(ids.slice(i, i + n_step));
           targets.push(ids[i + n_step]);
         }
         return { inputs, targets };`,
      ],
    },
    cheating: {
      means: {
        en: "the target is the last token of its own window: the model would only have to copy it",
        es:
          "el objetivo es el último elemento de su propia ventana: al modelo le bastaría con copiarlo",
      },
      wrong: [`
        const inputs: number[][] = [], targets: number[] = [];
        for (let i = 0; i + n_step < ids.length; i++) {
          inputs.push(ids.slice(i + 1, i + n_step + 1));
          targets.push(ids[i + n_step]);
        }
        return { inputs, targets };`],
    },
    apart: {
      means: {
        en: "the windows stand side by side; they are to overlap, each one token further",
        es: "las ventanas están una tras otra; deben solaparse y avanzar un elemento cada vez",
      },
      wrong: [`
        const inputs: number[][] = [], targets: number[] = [];
        for (let i = 0; i + n_step < ids.length; i += n_step) {
          inputs.push(ids.slice(i, i + n_step));
          targets.push(ids[i + n_step]);
        }
        return { inputs, targets };`],
    },
    reversed: {
      means: {
        en: "the tokens of a window are in the reversed order",
        es: "los elementos de cada ventana están en orden inverso",
      },
      wrong: [`
        const targets = ids.slice(n_step);
        return { inputs: targets.map((_, i) => ids.slice(i, i + n_step).reverse()), targets };`],
    },
  },
  async check(t) {
    type Ngrams = (ids: number[], n_step: number) => { inputs: number[][]; targets: number[] };
    const { ngrams } = t.exports<{ ngrams: Ngrams }>("ngrams");
    const ids = [4, 7, 1, 9, 3, 8, 2];
    const byHand = {
      2: [[4, 7, 1], [7, 1, 9], [1, 9, 3], [9, 3, 8], [3, 8, 2]],
      4: [[4, 7, 1, 9, 3], [7, 1, 9, 3, 8], [1, 9, 3, 8, 2]],
      1: [[4, 7], [7, 1], [1, 9], [9, 3], [3, 8], [8, 2]],
    };
    for (const [order, rows] of Object.entries(byHand)) {
      const n = Number(order);
      const what = `ngrams([${ids}], ${n})`;
      const got = await t.run(what, () => ngrams([...ids], n));
      const inputs = rows.map((row) => row.slice(0, n));
      await t.equal({
        what: `${what}.inputs`,
        got: () => got?.inputs,
        want: inputs,
        suspects: {
          cheating: rows.map((row) => row.slice(1)),
          reversed: inputs.map((row) => [...row].reverse()),
          apart: n > 1 ? inputs.filter((_, i) => i % n === 0) : undefined,
          last: (_, shape) => Math.abs((shape?.[0] ?? 0) - rows.length) === 1,
        },
      });
      await t.equal({
        what: `${what}.targets`,
        got: () => got?.targets,
        want: rows.map((row) => row[n]),
      });
    }
  },
});
