import { append, exercise, todo } from "../framework/exercise.ts";
import { random, slowSoftmax } from "../framework/tools.ts";

type Next = (beginning: number[]) => number[];
type Beam = (next: Next, beam_size: number, tgt_len: number, end: number) => number[];

/** All that may be wrong with a beam search, in one. */
function search(
  next: Next,
  beam_size: number,
  tgt_len: number,
  end: number,
  { dropEnded = false, noEnd = false, probabilities = false, onePerBeam = false } = {},
): number[] {
  let beams: { words: number[]; score: number }[] = [{ words: [], score: 0 }];
  let bestEnded = beams[0];
  for (let t = 0; t < tgt_len; t++) {
    const isEnded = ({ words }: typeof beams[0]) => !noEnd && words.at(-1) === end;
    const longer = beams.filter((beam) => !isEnded(beam)).flatMap(({ words, score }) => {
      const all = next(words).map((logp, word) => ({
        words: [...words, word],
        score: score + (probabilities ? Math.exp(logp) : logp),
      }));
      return onePerBeam && t > 0 ? all.sort((a, b) => b.score - a.score).slice(0, 1) : all;
    });
    const ended = dropEnded ? [] : beams.filter(isEnded);
    if (longer.length === 0) break;
    beams = [...ended, ...longer].sort((a, b) => b.score - a.score).slice(0, beam_size);
    if (beams.some(isEnded)) bestEnded = beams.find(isEnded)!;
  }
  return (beams[0] ?? bestEnded).words;
}

/** The most probable of all sequences, by trying each. */
function bruteForce(next: Next, tgt_len: number, end: number): number[] {
  let best = { words: [] as number[], score: -Infinity };
  const visit = (words: number[], score: number) => {
    if (words.at(-1) === end || words.length === tgt_len) {
      if (score > best.score) best = { words, score };
      return;
    }
    next(words).forEach((logp, word) => visit([...words, word], score + logp));
  };
  visit([], 0);
  return best.words;
}

export default exercise({
  level: 3,
  title: { en: "beam search", es: "búsqueda en haz" },
  task: {
    en: `
      Write beam(next, beam_size, tgt_len, end): next(beginning) gives log p of each next word as a list. Begin with
      the empty beginning; at each step lengthen each beginning that does not end in the word 'end' by every word, and
      keep the beam_size most probable of these and of those that have ended. Stop if all have ended or at tgt_len
      words; return the most probable. With beam_size 1 it is greedy; wide enough, it finds the best of all.`,
    es: `
      Escribe beam(next, beam_size, tgt_len, end): next(beginning) da log p de cada palabra siguiente como lista.
      Empieza con el comienzo vacío; en cada paso alarga con cada palabra cada comienzo que no acabe en la palabra
      'end' y conserva los beam_size más probables entre estos y los ya acabados. Para si todos han acabado o al llegar
      a tgt_len palabras; devuelve el más probable. Con beam_size 1 es voraz; si es ancho, encuentra el mejor de todos.`,
  },
  hints: [
    {
      en:
        "Keep a list of { words, score }; the score of a beginning is the sum of its log probabilities.",
      es:
        "Guarda una lista de { words, score }; la puntuación de un comienzo es la suma de sus log probabilidades.",
    },
    {
      en:
        "A step: split the list into ended and open, flatMap the open ones, sort both together, slice.",
      es:
        "Un paso: separa la lista en acabados y abiertos, aplica flatMap a los abiertos, ordena todos juntos y corta.",
    },
    {
      en:
        "The loop: for (let t = 0; t < tgt_len && beams.some(isOpen); t++); at the end return beams[0].words.",
      es:
        "El bucle: for (let t = 0; t < tgt_len && beams.some(abierto); t++); al final, return beams[0].words.",
    },
  ],
  look: "beam(), greedyDecoder()",
  start: [append(`
    /** The most probable sequence that a beam of this width finds; next gives log p of each next word. */
    export function beam(
      next: (beginning: number[]) => number[],
      beam_size: number,
      tgt_len: number,
      end: number,
    ): number[] {
      ${todo}
    }`)],
  solution: `
    let beams = [{ words: [] as number[], score: 0 }];
    const isOpen = ({ words }: typeof beams[0]) => words.at(-1) !== end;
    for (let t = 0; t < tgt_len && beams.some(isOpen); t++) {
      const longer = beams.filter(isOpen).flatMap(({ words, score }) =>
        next(words).map((logp, word) => ({ words: [...words, word], score: score + logp }))
      );
      const ended = beams.filter((beam) => !isOpen(beam));
      beams = [...ended, ...longer].sort((a, b) => b.score - a.score).slice(0, beam_size);
    }
    return beams[0].words;`,
  others: [`
    let open: [number, number[]][] = [[0, []]], ended: [number, number[]][] = [];
    while (open.length > 0 && open[0][1].length < tgt_len) {
      const candidates = [...ended];
      for (const [score, words] of open) {
        const logp = next(words);
        for (let word = 0; word < logp.length; word++) candidates.push([score + logp[word], words.concat(word)]);
      }
      candidates.sort(([a], [b]) => b - a);
      const kept = candidates.slice(0, beam_size);
      ended = kept.filter(([, words]) => words[words.length - 1] === end);
      open = kept.filter(([, words]) => words[words.length - 1] !== end);
    }
    return [...ended, ...open].reduce((best, other) => other[0] > best[0] ? other : best)[1];`],
  diagnoses: {
    greedy: {
      means: {
        en: "this is the greedy answer: beam_size has no effect",
        es: "esta es la respuesta voraz: beam_size no tiene efecto",
      },
      wrong: [`
        const words: number[] = [];
        while (words.length < tgt_len && words.at(-1) !== end) {
          const logp = next(words);
          words.push(logp.indexOf(Math.max(...logp)));
        }
        return words;`],
    },
    noEnd: {
      means: {
        en: "the search goes on behind the word 'end'",
        es: "la búsqueda continúa tras la palabra 'end'",
      },
      wrong: [`
        let beams = [{ words: [] as number[], score: 0 }];
        for (let t = 0; t < tgt_len; t++) {
          beams = beams.flatMap(({ words, score }) =>
            next(words).map((logp, word) => ({ words: [...words, word], score: score + logp }))
          ).sort((a, b) => b.score - a.score).slice(0, beam_size);
        }
        return beams[0].words;`],
    },
    dropEnded: {
      means: {
        en:
          "sequences that have ended are lost in the next step; they stay in the beam with their score",
        es:
          "las secuencias acabadas se pierden en el paso siguiente; siguen en el haz con su puntuación",
      },
      wrong: [`
        let beams = [{ words: [] as number[], score: 0 }];
        for (let t = 0; t < tgt_len; t++) {
          const longer = beams.filter(({ words }) => words.at(-1) !== end).flatMap(({ words, score }) =>
            next(words).map((logp, word) => ({ words: [...words, word], score: score + logp }))
          );
          if (longer.length === 0) break;
          beams = longer.sort((a, b) => b.score - a.score).slice(0, beam_size);
        }
        return beams[0].words;`],
    },
    probabilities: {
      means: {
        en:
          "probabilities were added up; those of a sequence multiply, so their logarithms are added",
        es:
          "se han sumado probabilidades; las de una secuencia se multiplican, así que se suman sus logaritmos",
      },
      wrong: [`
        let beams = [{ words: [] as number[], score: 0 }];
        const isOpen = ({ words }: typeof beams[0]) => words.at(-1) !== end;
        for (let t = 0; t < tgt_len && beams.some(isOpen); t++) {
          const longer = beams.filter(isOpen).flatMap(({ words, score }) =>
            next(words).map((logp, word) => ({ words: [...words, word], score: score + Math.exp(logp) }))
          );
          const ended = beams.filter((beam) => !isOpen(beam));
          beams = [...ended, ...longer].sort((a, b) => b.score - a.score).slice(0, beam_size);
        }
        return beams[0].words;`],
    },
    onePerBeam: {
      means: {
        en:
          "each beginning keeps only its own best word: compare all longer beginnings with each other",
        es:
          "cada comienzo conserva solo su mejor palabra: compara entre sí todos los comienzos alargados",
      },
      wrong: [`
        let beams = [{ words: [] as number[], score: 0 }];
        const isOpen = ({ words }: typeof beams[0]) => words.at(-1) !== end;
        for (let t = 0; t < tgt_len && beams.some(isOpen); t++) {
          const longer = beams.filter(isOpen).flatMap(({ words, score }) => {
            const all = next(words).map((logp, word) => ({ words: [...words, word], score: score + logp }));
            return t === 0 ? all : all.sort((a, b) => b.score - a.score).slice(0, 1);
          });
          const ended = beams.filter((beam) => !isOpen(beam));
          beams = [...ended, ...longer].sort((a, b) => b.score - a.score).slice(0, beam_size);
        }
        return beams[0].words;`],
    },
  },
  async check(t) {
    const { beam } = t.exports<{ beam: Beam }>("beam");
    const [V, end] = [4, 3];
    /** Log probabilities that depend on the beginning and on the seed. */
    const nextOf = (seed: number): Next => (beginning) => {
      const key = beginning.reduce((sum, word) => sum * (V + 1) + word + 1, 0);
      const scores: number[] = random(seed * 1009 + key, V);
      return slowSoftmax(scores.map((x) => 2 * x)).map(Math.log);
    };
    // One case each: narrow and wide beams, the last as wide as all sequences together.
    const cases = Array.from({ length: 40 }, (_, i) => {
      const tgt_len = 2 + i % 4;
      return { next: nextOf(i), width: [1, 2, 3, V ** tgt_len][Math.floor(i / 4) % 4], tgt_len };
    });
    const text = (words: unknown) => Array.isArray(words) ? `[${words.join(", ")}]` : words;
    const all = (options: Parameters<typeof search>[4] = {}, width?: number) =>
      cases.map((c) => text(search(c.next, width ?? c.width, c.tgt_len, end, options)));
    const received: unknown[] = [];
    await t.equal({
      what: "beam(next, beam_size, tgt_len, 3)",
      got: async () => {
        for (const { next, width, tgt_len } of cases) {
          received.push(text(await beam((beginning) => next([...beginning]), width, tgt_len, end)));
        }
        return received;
      },
      want: cases.map(({ next, width, tgt_len }) =>
        text(
          width === V ** tgt_len
            ? bruteForce(next, tgt_len, end)
            : search(next, width, tgt_len, end),
        )
      ),
      input:
        "40 cases of 4 words: tgt_len 2, 3, 4, 5 in turns, beam_size 1, 2, 3 and 4^tgt_len for four cases each",
      suspects: {
        greedy: () => all({}, 1),
        noEnd: () => all({ noEnd: true }),
        dropEnded: () => all({ dropEnded: true }),
        probabilities: () => all({ probabilities: true }),
        onePerBeam: () => all({ onePerBeam: true }),
      },
    });
  },
});
