import { append, exercise, todo } from "../framework/exercise.ts";

type Penalise = (logits: number[], ids: number[], penalty: number) => number[];

export default exercise({
  level: 2,
  title: { en: "against repetition", es: "contra la repetición" },
  task: {
    en: `
      Greedy texts go in circles. Write penalise(logits, ids, penalty) (Keskar et al. 2019): the logit of each token that is
      already in the text ids becomes less probable: divided by penalty (above 1) if it is positive, multiplied by it if it is
      negative. A token counts once, however often it has come.`,
    es: `
      Los textos voraces dan vueltas. Escribe penalise(logits, ids, penalty) (Keskar et al. 2019): el logit de cada elemento que ya
      está en el texto ids se hace menos probable: dividido por penalty (mayor que 1) si es positivo y multiplicado si es
      negativo. Un elemento cuenta una vez, por muchas que haya aparecido.`,
  },
  hints: [
    {
      en: "What happens to the probability if a logit of -2 is divided by 2?",
      es: "¿Qué le pasa a la probabilidad si un logit de -2 se divide por 2?",
    },
    {
      en:
        "Make a set of the ids, then go through the logits: x > 0 ? x / penalty : x * penalty for those in the set.",
      es:
        "Crea un conjunto con los ids y recorre los logits: x > 0 ? x / penalty : x * penalty para los que estén en él.",
    },
  ],
  look: "penalise()",
  start: [append(`
    /** The logits with those of the tokens in ids made less probable. */
    export function penalise(logits: number[], ids: number[], penalty: number): number[] {
      ${todo}
    }`)],
  solution: `
    const seen = new Set(ids);
    return logits.map((x, id) => !seen.has(id) ? x : x > 0 ? x / penalty : x * penalty);`,
  others: [`
    const result = [...logits];
    for (const id of new Set(ids)) result[id] = Math.min(logits[id] * penalty, logits[id] / penalty);
    return result;`],
  diagnoses: {
    negative: {
      means: {
        en: "negative logits were divided too: that makes these tokens more probable",
        es: "también se han dividido los logits negativos: eso hace más probables esos elementos",
      },
      wrong: [`
        const seen = new Set(ids);
        return logits.map((x, id) => seen.has(id) ? x / penalty : x);`],
    },
    each: {
      means: {
        en: "tokens that came more than once were penalised more than once",
        es: "los elementos repetidos se han penalizado varias veces",
      },
      wrong: [`
        const result = [...logits];
        for (const id of ids) result[id] = result[id] > 0 ? result[id] / penalty : result[id] * penalty;
        return result;`],
    },
    all: {
      means: {
        en: "all logits were penalised, also those of tokens that have not come yet",
        es: "se han penalizado todos los logits, también los de elementos que aún no han aparecido",
      },
      wrong: [`return logits.map((x) => x > 0 ? x / penalty : x * penalty);`],
    },
    reversed: {
      means: {
        en: "multiplied and divided the wrong way round: that makes these tokens more probable",
        es: "se ha multiplicado y dividido al revés: eso hace más probables esos elementos",
      },
      wrong: [`
        const seen = new Set(ids);
        return logits.map((x, id) => !seen.has(id) ? x : x > 0 ? x * penalty : x / penalty);`],
    },
    subtracted: {
      means: {
        en: "the penalty was subtracted; here logits are divided or multiplied by it",
        es: "se ha restado la penalización; aquí los logits se dividen o multiplican por ella",
      },
      wrong: [`return logits.map((x, id) => ids.includes(id) ? x - penalty : x);`],
    },
    forbidden: {
      means: {
        en: "the tokens in the text were forbidden; they are only to become less probable",
        es: "se han prohibido los elementos del texto; solo deben ser menos probables",
      },
      wrong: [`return logits.map((x, id) => ids.includes(id) ? -Infinity : x);`],
    },
  },
  async check(t) {
    const { penalise } = t.exports<{ penalise: Penalise }>("penalise");
    const logits = [3, -2, 1, -4, 0.5], ids = [0, 3, 0, 2];
    await t.equal({
      what: `penalise([${logits}], [${ids}], 2)`,
      got: () => penalise([...logits], [...ids], 2),
      want: [1.5, -2, 0.5, -8, 0.5],
      suspects: {
        negative: [1.5, -2, 0.5, -2, 0.5],
        each: [0.75, -2, 0.5, -8, 0.5],
        all: [1.5, -4, 0.5, -8, 0.25],
        reversed: [6, -2, 2, -2, 0.5],
        subtracted: [1, -2, -1, -6, 0.5],
        forbidden: (data) => data.includes(-Infinity),
      },
    });
  },
});
