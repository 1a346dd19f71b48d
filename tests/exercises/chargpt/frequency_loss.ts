import { append, exercise, todo } from "../framework/exercise.ts";

export default exercise({
  level: 2,
  title: { en: "the loss to beat", es: "la pérdida que hay que superar" },
  task: {
    en: `
      Is a loss of 2.5 good? Write frequencyLoss(ids, vocab_size): the mean of -log p(id) over a text, in natural logarithms, of a
      model that knows nothing but how often each id occurs in that text (its p). What is log(vocab_size) for comparison?`,
    es: `
      ¿Es buena una pérdida de 2.5? Escribe frequencyLoss(ids, vocab_size): la media de -log p(id) en un texto, con logaritmos
      naturales, de un modelo que solo sabe con qué frecuencia aparece cada índice en ese texto (su p). ¿Cuánto es
      log(vocab_size), para comparar?`,
  },
  hints: [
    {
      en:
        "Count the ids; p is count / length; then a mean over the text, or a sum over the vocabulary.",
      es:
        "Cuenta los índices; p es recuento / longitud; luego, una media sobre el texto o una suma sobre el vocabulario.",
    },
    {
      en:
        "It is the entropy: minus the sum of p log p, over the ids that occur (0 log 0 counts as 0).",
      es:
        "Es la entropía: menos la suma de p log p, sobre los índices que aparecen (0 log 0 cuenta como 0).",
    },
  ],
  look: "frequencyLoss()",
  start: [append(`
    /** The mean of -log p(id) over a text, with p the frequencies in it. */
    export function frequencyLoss(ids: number[], vocab_size: number): number {
      ${todo}
    }`)],
  solution: `
    const counts = new Array(vocab_size).fill(0);
    for (const id of ids) counts[id]++;
    return ids.reduce((sum, id) => sum - Math.log(counts[id] / ids.length), 0) / ids.length;`,
  others: [`
    const p = Array.from({ length: vocab_size }, (_, v) => ids.filter((id) => id === v).length / ids.length);
    return p.filter((x) => x > 0).reduce((sum, x) => sum - x * Math.log(x), 0);`],
  diagnoses: {
    uniform: {
      means: {
        en: "this is log(vocab_size): the frequencies have no effect",
        es: "esto es log(vocab_size): las frecuencias no tienen efecto",
      },
      wrong: [`return Math.log(vocab_size);`],
    },
    bits: {
      means: {
        en: "this is in bits: the loss of the program is in natural logarithms",
        es: "esto está en bits: la pérdida del programa usa logaritmos naturales",
      },
      wrong: [`
        const counts = new Array(vocab_size).fill(0);
        for (const id of ids) counts[id]++;
        return ids.reduce((sum, id) => sum - Math.log2(counts[id] / ids.length), 0) / ids.length;`],
    },
    overVocabulary: {
      means: {
        en: "each id counts once; it is to count as often as it occurs",
        es: "cada índice cuenta una vez; debe contar tantas veces como aparece",
      },
      wrong: [`
        const present = [...new Set(ids)];
        const p = present.map((v) => ids.filter((id) => id === v).length / ids.length);
        return p.reduce((sum, x) => sum - Math.log(x), 0) / p.length;`],
    },
    zero: {
      means: {
        en: "ids that never occur give 0 times minus infinity, which is NaN: leave them out",
        es: "los índices que no aparecen dan 0 por menos infinito, que es NaN: omítelos",
      },
      wrong: [`
        const p = Array.from({ length: vocab_size }, (_, v) => ids.filter((id) => id === v).length / ids.length);
        return p.reduce((sum, x) => sum - x * Math.log(x), 0);`],
    },
    negative: {
      means: {
        en: "the sign is missing: a loss is positive",
        es: "falta el signo: una pérdida es positiva",
      },
      wrong: [`
        const counts = new Array(vocab_size).fill(0);
        for (const id of ids) counts[id]++;
        return ids.reduce((sum, id) => sum + Math.log(counts[id] / ids.length), 0) / ids.length;`],
    },
  },
  async check(t) {
    type Loss = (ids: number[], vocab_size: number) => number;
    const { frequencyLoss } = t.exports<{ frequencyLoss: Loss }>("frequencyLoss");
    // By hand: half of the ids are 0, a quarter 1, an eighth each 2 and 4; 3 does not occur.
    const ids = [0, 1, 0, 2, 0, 1, 0, 4];
    const want = Math.LN2 * (1 / 2 + 2 / 4 + 3 / 8 + 3 / 8);
    await t.equal({
      what: `frequencyLoss([${ids}], 5)`,
      got: () => frequencyLoss([...ids], 5),
      want,
      suspects: {
        uniform: Math.log(5),
        bits: want / Math.LN2,
        overVocabulary: Math.LN2 * (1 + 2 + 3 + 3) / 4,
        zero: NaN,
        negative: -want,
      },
    });
    await t.equal({
      what: "frequencyLoss([3, 3, 3], 9)",
      got: () => frequencyLoss([3, 3, 3], 9),
      want: 0,
    });
  },
});
