import { append, exercise, todo } from "../framework/exercise.ts";
import { random } from "../framework/tools.ts";

export default exercise({
  level: 2,
  title: { en: "when to stop training", es: "cuándo parar el entrenamiento" },
  task: {
    en: `
      Write stopStep(losses, patience, min_delta): the step, counted from 1, after which training stops. A step
      improves if its loss is below best - min_delta, and its loss is then the new best (before the first step
      best is infinite). Training stops at the first step that is the patience-th in a row without improvement;
      if there is none, at the last step. Then use it in the loop of main.`,
    es: `
      Escribe stopStep(losses, patience, min_delta): el paso, contado desde 1, tras el que se para el
      entrenamiento. Un paso mejora si su pérdida está por debajo de best - min_delta, y su pérdida es entonces
      el nuevo best (antes del primer paso best es infinito). El entrenamiento se para en el primer paso que
      sea el número patience seguido sin mejora; si no lo hay, en el último. Después úsala en el bucle de main.`,
  },
  hints: [
    {
      en: "Keep two things from step to step: the best loss, and how many steps ago it was.",
      es: "Guarda dos cosas de un paso a otro: la mejor pérdida y hace cuántos pasos se obtuvo.",
    },
    {
      en:
        "If the loss improves: best = loss and waited = 0. If not: waited++, and stop if waited === patience.",
      es:
        "Si la pérdida mejora: best = loss y waited = 0. Si no: waited++, y para si waited === patience.",
    },
    {
      en:
        "The loop's index i counts from 0, the steps from 1: return i + 1; behind the loop, losses.length.",
      es:
        "El índice i del bucle cuenta desde 0 y los pasos, desde 1: return i + 1; tras el bucle, losses.length.",
    },
  ],
  look: "stopStep()",
  start: [append(`
    /** The step, counted from 1, after which training stops for lack of improvement. */
    export function stopStep(losses: number[], patience: number, min_delta = 0): number {
      ${todo}
    }`)],
  solution: `
    let best = Infinity;
    let waited = 0;
    for (const [i, loss] of losses.entries()) {
      if (loss < best - min_delta) {
        best = loss;
        waited = 0;
      } else if (++waited === patience) {
        return i + 1;
      }
    }
    return losses.length;`,
  others: [`
    let best = Infinity, bestStep = 0;
    const stop = losses.findIndex((loss, i) => {
      if (loss < best - min_delta) [best, bestStep] = [loss, i + 1];
      return i + 1 - bestStep >= patience;
    });
    return stop < 0 ? losses.length : stop + 1;`],
  diagnoses: {
    previous: {
      means: {
        en:
          "the loss was compared with the one before it: a step improves only if it beats the best so far",
        es:
          "la pérdida se ha comparado con la anterior: un paso solo mejora si supera a la mejor hasta ahora",
      },
      wrong: [`
        let waited = 0;
        for (const [i, loss] of losses.entries()) {
          if (i === 0 || loss < losses[i - 1] - min_delta) waited = 0;
          else if (++waited === patience) return i + 1;
        }
        return losses.length;`],
    },
    noReset: {
      means: {
        en:
          "the steps without improvement are counted from the beginning: an improvement starts the count anew",
        es: "los pasos sin mejora se cuentan desde el principio: una mejora pone la cuenta a cero",
      },
      wrong: [`
        let best = Infinity, waited = 0;
        for (const [i, loss] of losses.entries()) {
          if (loss < best - min_delta) best = loss;
          else if (++waited === patience) return i + 1;
        }
        return losses.length;`],
    },
    offByOne: {
      means: {
        en:
          "it stops one step too early or too late: count the steps from 1, and stop at the patience-th",
        es: "para un paso antes o después: cuenta los pasos desde 1 y para en el número patience",
      },
      wrong: [
        `let best = Infinity, waited = 0;
         for (const [i, loss] of losses.entries()) {
           if (loss < best - min_delta) [best, waited] = [loss, 0];
           else if (++waited === patience) return i;
         }
         return losses.length;`,
        `let best = Infinity, waited = 0;
         for (const [i, loss] of losses.entries()) {
           if (loss < best - min_delta) [best, waited] = [loss, 0];
           else if (++waited > patience) return i + 1;
         }
         return losses.length;`,
      ],
    },
    plateau: {
      means: {
        en: "a loss that is lower by exactly min_delta, or equal, is taken for an improvement",
        es: "una pérdida menor por exactamente min_delta, o igual, se toma por una mejora",
      },
      wrong: [`
        let best = Infinity, waited = 0;
        for (const [i, loss] of losses.entries()) {
          if (loss <= best - min_delta) [best, waited] = [loss, 0];
          else if (++waited === patience) return i + 1;
        }
        return losses.length;`],
    },
    noDelta: {
      means: {
        en:
          "min_delta has no effect: a loss that is lower by less than min_delta is no improvement",
        es: "min_delta no tiene efecto: una pérdida menor por menos de min_delta no es una mejora",
      },
      wrong: [`
        let best = Infinity, waited = 0;
        for (const [i, loss] of losses.entries()) {
          if (loss < best) [best, waited] = [loss, 0];
          else if (++waited === patience) return i + 1;
        }
        return losses.length;`],
    },
  },
  async check(t) {
    type Stop = (losses: number[], patience: number, min_delta?: number) => number;
    const { stopStep } = t.exports<{ stopStep: Stop }>("stopStep");
    /** The definition of the task as it stands, looked up anew for each step. */
    const slow = (losses: number[], patience: number, delta: number, orEqual = false) => {
      let best = Infinity;
      const improves = losses.map((loss) =>
        (loss < best - delta || orEqual && loss === best - delta) && ((best = loss), true)
      );
      const stop = losses.findIndex((_, i) =>
        i + 1 >= patience && improves.slice(i + 1 - patience, i + 1).every((x) => !x)
      );
      return stop < 0 ? losses.length : stop + 1;
    };
    const cases: [number[], number, number][] = [
      [[5, 4, 3, 2], 1, 0],
      [[5, 4, 4.5, 4.2, 4.1, 3], 2, 0],
      [[5, 6, 4, 6, 3, 6, 2], 2, 0],
      [[5, 4, 6, 6, 6, 6], 3, 0],
      [[5, 4.9, 4.8, 4.7, 4.6, 4.5], 2, 0.15],
      [[5, 4.95, 4.9, 4.85, 4.8], 2, 0.5],
      [random(2, 40), 4, 0],
      [random(9, 40), 6, 0.05],
      [[5, 4, 4, 4, 4, 4], 2, 0],
      [[4, 3.5, 3.5, 3, 3], 2, 0.5],
    ];
    for (const [losses, patience, delta] of cases) {
      const want = slow(losses, patience, delta);
      const previous = losses.map((loss, i) => i > 0 && loss >= losses[i - 1] - delta);
      const previousStop = losses.findIndex((_, i) =>
        i + 1 >= patience && previous.slice(i + 1 - patience, i + 1).every((x) => x)
      );
      let [best, waited] = [Infinity, 0];
      const noReset = losses.findIndex((loss) => {
        if (loss < best - delta) best = loss;
        else waited++;
        return waited === patience;
      });
      await t.equal({
        what: `stopStep([${
          losses.slice(0, 7).map((x) => +x.toFixed(2))
        }${losses.length > 7 ? ", ..." : ""}], ` +
          `${patience}, ${delta})`,
        got: () =>
          stopStep(losses, patience, delta),
        want,
        suspects: {
          plateau: slow(losses, patience, delta, true),
          noDelta: () => delta > 0 ? slow(losses, patience, 0) : NaN,
          noReset: noReset < 0 ? NaN : noReset + 1,
          offByOne: ([got]) => Math.abs(Number(got) - want) === 1,
          previous: previousStop < 0 ? losses.length : previousStop + 1,
        },
      });
    }
  },
});
