import { append, exercise, todo } from "../framework/exercise.ts";
import { random } from "../framework/tools.ts";

type Mask = (id: number, vocab_size: number, random: () => number) => number;

export default exercise({
  level: 2,
  title: { en: "80, 10 and 10 percent", es: "el 80, el 10 y el 10 por ciento" },
  task: {
    en: `
      A word that BERT has to restore becomes [MASK] (3) in 80% of the cases, in 10% a random word of the vocabulary (any
      index from 0 to vocab_size - 1), and in 10% it stays. Write maskToken(id, vocab_size, random), random() from 0 to 1
      as often as you need it. Why not always [MASK]?`,
    es: `
      Una palabra que BERT debe recuperar se convierte en [MASK] (3) en el 80% de los casos, en una palabra al azar del
      vocabulario (cualquier índice de 0 a vocab_size - 1) en el 10% y se queda como está en el 10%. Escribe
      maskToken(id, vocab_size, random), con random() de 0 a 1 tantas veces como quieras. ¿Por qué no siempre [MASK]?`,
  },
  hints: [
    {
      en: "One draw can decide among all three: below 0.8, from 0.8 to 0.9, above.",
      es: "Un solo sorteo puede decidir entre los tres: menos de 0.8, de 0.8 a 0.9 y más.",
    },
    {
      en:
        "Keep it in a variable: each call of random() is a new draw. A second draw picks the random word.",
      es:
        "Guárdalo en una variable: cada llamada a random() es otro sorteo. Un segundo sorteo escoge la palabra.",
    },
  ],
  look: "maskToken(), makeBatch()",
  start: [append(`
    /** What stands in the place of a word that is to be restored. */
    export function maskToken(id: number, vocab_size: number, random: () => number): number {
      ${todo}
    }`)],
  solution: `
    const draw = random();
    if (draw < 0.8) return MASK;
    return draw < 0.9 ? Math.floor(random() * vocab_size) : id;`,
  others: [`
    if (random() >= 0.2) return 3;
    return random() < 0.5 ? id : Math.floor(random() * vocab_size);`],
  diagnoses: {
    onlyMask: {
      means: {
        en: "words become [MASK] or stay, but never another word",
        es: "las palabras pasan a [MASK] o se quedan, pero nunca se convierten en otra",
      },
      wrong: [`return random() < 0.8 ? MASK : id;`],
    },
    neverKept: {
      means: {
        en: "words become [MASK] or another word, but practically never stay",
        es: "las palabras pasan a [MASK] o a otra palabra, pero casi nunca se quedan",
      },
      wrong: [`return random() < 0.8 ? MASK : Math.floor(random() * vocab_size);`],
    },
    twoDraws: {
      means: {
        en:
          "the shares are not 10 and 10: was a new number drawn for the second question, and compared with 0.9?",
        es:
          "las proporciones no son 10 y 10: ¿se sorteó otro número para la segunda pregunta y se comparó con 0.9?",
      },
      wrong: [`
        if (random() < 0.8) return MASK;
        return random() < 0.9 ? Math.floor(random() * vocab_size) : id;`],
    },
    always: {
      means: {
        en: "the word always becomes [MASK]; at work the model never sees that token",
        es: "la palabra siempre pasa a [MASK]; al usar el modelo ese elemento no aparece nunca",
      },
      wrong: [`return MASK;`],
    },
    noMask: {
      means: {
        en: "the share of [MASK] is not 80%",
        es: "la proporción de [MASK] no es del 80%",
      },
      wrong: [`
        const draw = random();
        if (draw > 0.8) return MASK;
        return draw < 0.1 ? Math.floor(random() * vocab_size) : id;`],
    },
    range: {
      means: {
        en: "the random words are not evenly spread over all indices from 0 to vocab_size - 1",
        es: "las palabras al azar no se reparten por igual entre los índices de 0 a vocab_size - 1",
      },
      wrong: [`
        const draw = random();
        if (draw < 0.8) return MASK;
        return draw < 0.9 ? Math.floor(draw * vocab_size) : id;`],
    },
    noIndex: {
      means: {
        en: "some results are no index of a word: want whole numbers from 0 to vocab_size - 1",
        es: "algún resultado no es índice de una palabra: deben ser enteros de 0 a vocab_size - 1",
      },
      wrong: [
        `const draw = random();
         if (draw < 0.8) return MASK;
         return draw < 0.9 ? Math.floor(random() * (vocab_size + 1)) : id;`,
        `const draw = random();
         if (draw < 0.8) return MASK;
         return draw < 0.9 ? Math.round(random() * vocab_size) : id;`,
        `const draw = random();
         if (draw < 0.8) return MASK;
         return draw < 0.9 ? random() * vocab_size : id;`,
      ],
    },
    foreign: {
      means: {
        en: "the same draws give other results: every draw has to come from the given random",
        es: "los mismos sorteos dan otros resultados: todos deben venir del random que se recibe",
      },
      wrong: [
        `const draw = Math.random();
         if (draw < 0.8) return MASK;
         return draw < 0.9 ? Math.floor(random() * vocab_size) : id;`,
        `const draw = random();
         if (draw < 0.8) return MASK;
         return draw < 0.9 ? Math.floor(Math.random() * vocab_size) : id;`,
      ],
    },
  },
  async check(t) {
    const { maskToken } = t.exports<{ maskToken: Mask }>("maskToken");
    const [N, V, id] = [20_000, 50, 20];
    const draws = (random(81, 3 * N) as number[]).map((x) => (x + 1) / 2);
    let next = 0;
    const counts = new Array(V).fill(0);
    const what = `maskToken(${id}, ${V}, random), ${N} times`;
    const input = "seed 81";
    const draw = () => draws[next++ % draws.length];
    const again = (times: number) => {
      next = 0;
      return Array.from({ length: times }, () => maskToken(id, V, draw));
    };
    const [first, second] = await t.run(what, () => [again(2000), again(2000)], input);
    const other = first.findIndex((result, i) => !Object.is(result, second[i]));
    t.that(other < 0, {
      what: `maskToken(${id}, ${V}, random), called again with the same draws`,
      expected: first[other],
      received: second[other],
      input,
      diagnosis: "foreign",
    });
    const outside = first.filter((result) => !(result in counts));
    t.that(outside.length === 0, {
      what: `maskToken(${id}, ${V}, random), 2000 times`,
      expected: `whole numbers from 0 to ${V - 1}`,
      received: outside[0],
      input,
      diagnosis: "noIndex",
    });
    next = 0;
    await t.run(what, () => {
      for (let i = 0; i < N; i++) {
        const result = maskToken(id, V, draw);
        if (result in counts) counts[result]++;
      }
    }, input);
    // Expected shares; 0.01 is more than three standard deviations of each.
    const [masked, kept] = [counts[3] / N, counts[id] / N];
    const others = counts.filter((_, word) => word !== 3 && word !== id);
    const changed = others.reduce((a, b) => a + b, 0) / N;
    const close = (x: number, y: number) => Math.abs(x - y) < 0.01;
    await t.equal({
      what: `${what}: shares of [MASK], of the word itself, of other words`,
      got: () => [masked, kept, changed],
      want: [0.8 + 0.1 / V, 0.1 + 0.1 / V, 0.1 * (1 - 2 / V)],
      input,
      tolerance: 0.009,
      suspects: {
        always: () => masked > 0.99 ? [masked, kept, changed] : [],
        noMask: () => !close(masked, 0.802) ? [masked, kept, changed] : [],
        onlyMask: () => changed === 0 ? [masked, kept, changed] : [],
        neverKept: () => kept < 0.01 ? [masked, kept, changed] : [],
      },
      otherwise: "twoDraws",
    });
    // 2000 random words over 48 indices: 40 each, standard deviation 6.4.
    const [least, most] = [Math.min(...others), Math.max(...others)];
    t.that(least > 10 && most < 75, {
      what: `${what}: how often each other word comes`,
      expected: "40, give or take 25",
      received: `${least} to ${most}`,
      input,
      diagnosis: "range",
    });
  },
});
