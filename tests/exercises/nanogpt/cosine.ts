import { append, exercise, todo } from "../framework/exercise.ts";

type Rate = (
  iter: number,
  warmup: number,
  decay: number,
  highest: number,
  lowest: number,
) => number;

export default exercise({
  level: 1,
  title: { en: "down half a cosine", es: "bajar por medio coseno" },
  task: {
    en: `
      Write cosineRate(iter, warmup, decay, highest, lowest), iterations counted from 0: up to iteration warmup the learning
      rate grows linearly from 0 at iteration 0 to highest; from there it falls along half a cosine to lowest at iteration
      decay, and stays there.`,
    es: `
      Escribe cosineRate(iter, warmup, decay, highest, lowest), con iteraciones contadas desde 0: hasta la iteración warmup
      la tasa crece linealmente desde 0 en la iteración 0 hasta highest; desde ahí baja por medio coseno hasta lowest en la
      iteración decay, y ahí se queda.`,
  },
  hints: [
    {
      en: "Three cases; in the middle one, what share of the way from warmup to decay is done?",
      es:
        "Hay tres casos; en el del medio, ¿qué parte del camino de warmup a decay se ha recorrido?",
    },
    {
      en:
        "(1 + cos(pi share)) / 2 goes from 1 to 0: that much of the way from lowest up to highest is left.",
      es: "(1 + cos(pi parte)) / 2 va de 1 a 0: es lo que queda del camino de lowest a highest.",
    },
  ],
  look: "cosineRate(), getLr()",
  start: [append(`
    /** A linear warm-up, then half a cosine down to lowest. */
    export function cosineRate(
      iter: number,
      warmup: number,
      decay: number,
      highest: number,
      lowest: number,
    ): number {
      ${todo}
    }`)],
  solution: `
    if (iter < warmup) return highest * iter / warmup;
    if (iter > decay) return lowest;
    const share = (iter - warmup) / (decay - warmup);
    return lowest + (highest - lowest) * (1 + Math.cos(Math.PI * share)) / 2;`,
  others: [`
    const share = Math.min(1, Math.max(0, (iter - warmup) / (decay - warmup)));
    const fall = Math.cos(share * Math.PI / 2) ** 2; // the same as (1 + cos(pi share)) / 2
    return Math.min(1, iter / warmup) * (fall * highest + (1 - fall) * lowest);`],
  diagnoses: {
    toZero: {
      means: {
        en: "the rate falls to 0; the cosine lies between highest and lowest",
        es: "la tasa baja hasta 0; el coseno va de highest a lowest",
      },
      wrong: [`
        if (iter < warmup) return highest * iter / warmup;
        if (iter > decay) return lowest;
        return highest * (1 + Math.cos(Math.PI * (iter - warmup) / (decay - warmup))) / 2;`],
    },
    fromZero: {
      means: {
        en: "the cosine begins at iteration 0, not at the end of the warm-up",
        es: "el coseno empieza en la iteración 0 y no al final del calentamiento",
      },
      wrong: [`
        if (iter < warmup) return highest * iter / warmup;
        if (iter > decay) return lowest;
        return lowest + (highest - lowest) * (1 + Math.cos(Math.PI * iter / decay)) / 2;`],
    },
    linear: {
      means: {
        en: "the rate falls in a straight line",
        es: "la tasa baja en línea recta",
      },
      wrong: [`
        if (iter < warmup) return highest * iter / warmup;
        if (iter > decay) return lowest;
        return highest + (lowest - highest) * (iter - warmup) / (decay - warmup);`],
    },
    risesAgain: {
      means: {
        en: "after iteration decay the cosine goes on and the rate rises again",
        es: "tras la iteración decay el coseno continúa y la tasa vuelve a subir",
      },
      wrong: [`
        if (iter < warmup) return highest * iter / warmup;
        const share = (iter - warmup) / (decay - warmup);
        return lowest + (highest - lowest) * (1 + Math.cos(Math.PI * share)) / 2;`],
    },
    oneAhead: {
      means: {
        en:
          "the warm-up is one iteration ahead, as nanoGPT's is; here the rate of iteration 0 is 0",
        es: "el calentamiento va una iteración por delante, como el de nanoGPT; aquí empieza en 0",
      },
      wrong: [`
        if (iter < warmup) return highest * (iter + 1) / (warmup + 1);
        if (iter > decay) return lowest;
        const share = (iter - warmup) / (decay - warmup);
        return lowest + (highest - lowest) * (1 + Math.cos(Math.PI * share)) / 2;`],
    },
    noWarmup: {
      means: {
        en: "there is no warm-up",
        es: "no hay calentamiento",
      },
      wrong: [`
        if (iter > decay) return lowest;
        const share = Math.max(0, iter - warmup) / (decay - warmup);
        return lowest + (highest - lowest) * (1 + Math.cos(Math.PI * share)) / 2;`],
    },
  },
  async check(t) {
    const { cosineRate } = t.exports<{ cosineRate: Rate }>("cosineRate");
    const iters = [0, 1, 3, 4, 6, 7, 10, 13, 16, 20, 22];
    // By hand: 4 steps up; then the cosines of 0, 30, 45, 90, 135 and 180 degrees; warmup 4, decay 16.
    const share = [
      0,
      0.25,
      0.75,
      1,
      (1 + Math.sqrt(3) / 2) / 2,
      (1 + Math.SQRT1_2) / 2,
      0.5,
      (1 - Math.SQRT1_2) / 2,
      0,
      0,
      0,
    ];
    const [highest, lowest] = [1, 0.2];
    const want = share.map((x, i) => i < 3 ? x : lowest + (highest - lowest) * x);
    const then = (f: (iter: number) => number) =>
      iters.map((iter, i) => i < 3 ? share[i] : iter > 16 ? lowest : f(iter));
    await t.equal({
      what: `cosineRate(iter, 4, 16, ${highest}, ${lowest}) at ${iters.join(", ")}`,
      got: () => Promise.all(iters.map((iter) => cosineRate(iter, 4, 16, highest, lowest))),
      want,
      suspects: {
        noWarmup: (data) => data[0] === highest,
        oneAhead: (data) => data[0] > 0 && data[0] < data[1] && data[1] < highest,
        toZero: then((iter) => (1 + Math.cos(Math.PI * (iter - 4) / 12)) / 2),
        fromZero: then((iter) =>
          lowest + (highest - lowest) * (1 + Math.cos(Math.PI * iter / 16)) / 2
        ),
        linear: then((iter) => highest - (highest - lowest) * (iter - 4) / 12),
        risesAgain: (data) => data[10] > data[8] + 1e-6,
      },
    });
  },
});
