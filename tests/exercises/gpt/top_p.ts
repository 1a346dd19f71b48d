import { append, exercise, todo } from "../framework/exercise.ts";
import { random, slowSoftmax } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "the fewest tokens of mass p", es: "los menos elementos con masa p" },
  task: {
    en: `
      Write topP(probabilities, p) (nucleus sampling, Holtzman et al. 2020): keep the fewest most probable tokens whose
      probabilities sum up to p or more, set the others to 0, and divide so that the sum is 1 again.`,
    es: `
      Escribe topP(probabilities, p) (muestreo de núcleo, Holtzman et al. 2020): conserva los menos elementos más
      probables cuyas probabilidades sumen p o más, pon los demás a 0 y divide para que la suma vuelva a ser 1.`,
  },
  hints: [
    {
      en: "Go through the tokens from the most probable on and add up; when do you stop?",
      es: "Recorre los elementos desde el más probable y ve sumando; ¿cuándo paras?",
    },
    {
      en:
        "A token is kept if the mass before it is still below p: so the one that crosses p is kept too.",
      es:
        "Un elemento se conserva si la masa anterior a él aún es menor que p: el que cruza p también se queda.",
    },
    {
      en:
        "Sort the indices by probability, keep a running sum, write into a list of zeros, divide by what was kept.",
      es:
        "Ordena los índices por probabilidad, lleva una suma, escribe en una lista de ceros y divide por lo conservado.",
    },
  ],
  look: "topP(); nextToken() of lib/sampling.ts",
  start: [append(`
    /** The fewest most probable tokens of mass p or more, with sum 1 again; the others are 0. */
    export function topP(probabilities: number[], p: number): number[] {
      ${todo}
    }`)],
  solution: `
    const order = [...probabilities.keys()].sort((i, j) => probabilities[j] - probabilities[i]);
    const kept = new Array(probabilities.length).fill(0);
    let mass = 0;
    for (const i of order) {
      if (mass >= p) break;
      kept[i] = probabilities[i];
      mass += probabilities[i];
    }
    return kept.map((x) => x / mass);`,
  others: [`
    const before = (x: number) => probabilities.filter((other) => other > x).reduce((a, b) => a + b, 0);
    const kept = probabilities.map((x) => before(x) < p ? x : 0);
    return kept.map((x) => x / kept.reduce((a, b) => a + b, 0));`],
  diagnoses: {
    tooFew: {
      means: {
        en: "the token that crosses p is left out: what is kept has less mass than p",
        es: "se ha omitido el elemento que cruza p: lo conservado tiene menos masa que p",
      },
      wrong: [`
        const order = [...probabilities.keys()].sort((i, j) => probabilities[j] - probabilities[i]);
        const kept = new Array(probabilities.length).fill(0);
        let mass = 0;
        for (const [rank, i] of order.entries()) {
          if (rank > 0 && mass + probabilities[i] > p) break;
          kept[i] = probabilities[i];
          mass += probabilities[i];
        }
        return kept.map((x) => x / mass);`],
    },
    tooMany: {
      means: {
        en: "more tokens than needed are kept: stop as soon as their mass is p",
        es: "se conservan más elementos de los necesarios: para en cuanto su masa sea p",
      },
      wrong: [`
        const order = [...probabilities.keys()].sort((i, j) => probabilities[j] - probabilities[i]);
        const kept = new Array(probabilities.length).fill(0);
        let mass = 0;
        for (const i of order) {
          if (mass > p) break;
          kept[i] = probabilities[i];
          mass += probabilities[i];
        }
        return kept.map((x) => x / mass);`],
    },
    unnormalised: {
      means: {
        en: "the sum is not 1: divide by the mass that was kept",
        es: "la suma no es 1: divide por la masa conservada",
      },
      wrong: [`
        const before = (x: number) => probabilities.filter((other) => other > x).reduce((a, b) => a + b, 0);
        return probabilities.map((x) => before(x) < p ? x : 0);`],
    },
    unsorted: {
      means: {
        en: "the tokens were added up in the order of their ids, not from the most probable on",
        es: "los elementos se han sumado por orden de identificador y no desde el más probable",
      },
      wrong: [`
        let mass = 0;
        const kept = probabilities.map((x) => {
          if (mass >= p) return 0;
          mass += x;
          return x;
        });
        return kept.map((x) => x / mass);`],
    },
    order: {
      means: {
        en: "the right probabilities, but from the largest on: each has to stay at its token",
        es: "las probabilidades correctas, pero de mayor a menor: cada una debe seguir en su sitio",
      },
      wrong: [`
        let mass = 0;
        const kept = probabilities.sort((a, b) => b - a).map((x) => {
          if (mass >= p) return 0;
          mass += x;
          return x;
        });
        return kept.map((x) => x / mass);`],
    },
    threshold: {
      means: {
        en: "each probability was compared with a bound; p is a bound for their sum",
        es: "cada probabilidad se ha comparado con un límite; p es un límite para su suma",
      },
      wrong: [
        `const kept = probabilities.map((x) => x >= 1 - p ? x : 0);
         return kept.map((x) => x / kept.reduce((a, b) => a + b, 0));`,
        `const most = Math.max(...probabilities);
         const kept = probabilities.map((x) => x >= (1 - p) * most ? x : 0);
         return kept.map((x) => x / kept.reduce((a, b) => a + b, 0));`,
      ],
    },
  },
  async check(t) {
    const { topP } = t.exports<{ topP(probabilities: number[], p: number): number[] }>("topP");
    const seeded = slowSoftmax((random(52, 10) as number[]).map((x) => 3 * x));
    const byHand = [0.05, 0.3, 0.1, 0.35, 0.2];
    // What is kept by hand: the ids of 0.35, 0.3, 0.2 (0.65 < 0.7 <= 0.85); then 0.35; then all.
    const cases: [number[], number, number[], string][] = [
      [byHand, 0.7, [3, 1, 4], ""],
      [byHand, 0.2, [3], ""],
      [byHand, 0.999, [0, 1, 2, 3, 4], ""],
      [[0.125, 0.125, 0.5, 0.25], 0.75, [2, 3], ""], // exactly p, without a rounding error
    ];
    // The smallest set by trying all sets of ten tokens: the fewest, and among these the heaviest.
    const sets = Array.from(
      { length: 1024 },
      (_, bits) => [...seeded.keys()].filter((i) => bits >> i & 1),
    );
    const massOf = (of: number[], ids: number[]) => ids.reduce((sum, i) => sum + of[i], 0);
    for (const p of [0.5, 0.9]) {
      const enough = sets.filter((ids) => massOf(seeded, ids) >= p);
      const best = enough.sort((a, b) =>
        a.length - b.length || massOf(seeded, b) - massOf(seeded, a)
      )[0];
      cases.push([seeded, p, best, "seed 52"]);
    }
    const unit = (x: number[]) => {
      const sum = x.reduce((a, b) => a + b, 0);
      return x.map((value) => value / sum);
    };
    for (const [x, p, ids, name] of cases) {
      const keep = (ids: number[]) => x.map((value, i) => ids.includes(i) ? value : 0);
      let mass = 0;
      const firstIds = [...x.keys()].filter((i) => mass < p && ((mass += x[i]), true));
      await t.equal({
        what: `topP(probabilities, ${p})`,
        got: () => topP([...x], p),
        want: unit(keep(ids)),
        input: name || `probabilities = [${x}]`,
        suspects: {
          unnormalised: keep(ids),
          unsorted: unit(keep(firstIds)),
          order: unit(keep(ids)).sort((a, b) => b - a),
          threshold: (data) =>
            [
              unit(x.map((value) => value >= 1 - p ? value : 0)),
              unit(x.map((value) => value >= (1 - p) * Math.max(...x) ? value : 0)),
            ]
              .some((other) => other.every((value, i) => Math.abs(value - data[i]) < 1e-6)),
          tooFew: (data) => data.filter((value) => value > 0).length < ids.length,
          tooMany: (data) => data.filter((value) => value > 0).length > ids.length,
        },
      });
    }
  },
});
