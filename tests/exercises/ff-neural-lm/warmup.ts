import { append, exercise, todo } from "../framework/exercise.ts";

export default exercise({
  level: 2,
  title: {
    en: "a learning rate that warms up and then falls",
    es: "una tasa de aprendizaje que se calienta y luego baja",
  },
  task: {
    en: `
      Write learningRate(step, warmup, peak), steps counted from 1: it grows linearly to peak at step warmup, and
      then falls with the inverse square root of the step, without a jump (Vaswani et al. 2017, section 5.3). Then
      set optimizer.groups[0].lr by it in the loop.`,
    es: `
      Escribe learningRate(step, warmup, peak), con pasos contados desde 1: crece linealmente hasta peak en el paso
      warmup y después baja con la inversa de la raíz cuadrada del paso, sin saltos (Vaswani et al. 2017, sección
      5.3). Después úsala en el bucle para cambiar optimizer.groups[0].lr.`,
  },
  hints: [
    {
      en: "What is the rate at step warmup, seen from the left and from the right?",
      es: "¿Cuánto vale la tasa en el paso warmup, vista desde la izquierda y desde la derecha?",
    },
    {
      en:
        "On the left peak step / warmup; on the right a constant divided by the square root of step.",
      es:
        "A la izquierda, peak step / warmup; a la derecha, una constante dividida por la raíz de step.",
    },
    {
      en:
        "The constant is peak sqrt(warmup): peak times the smaller of step / warmup and sqrt(warmup / step).",
      es:
        "La constante es peak sqrt(warmup): peak por el menor de step / warmup y sqrt(warmup / step).",
    },
  ],
  look: "learningRate()",
  start: [append(`
    /** Linear warm-up to peak, then a fall with 1 / sqrt(step); steps count from 1. */
    export function learningRate(step: number, warmup: number, peak: number): number {
      ${todo}
    }`)],
  solution: `return peak * Math.min(step / warmup, Math.sqrt(warmup / step));`,
  others: [`
    if (step <= warmup) return peak * step / warmup;
    return peak * warmup ** 0.5 * step ** -0.5;`],
  diagnoses: {
    late: {
      means: {
        en: "the first step has rate 0, or the peak comes a step late: steps count from 1",
        es:
          "el primer paso tiene tasa 0, o el máximo llega un paso tarde: los pasos se cuentan desde 1",
      },
      wrong: [`
        return peak * Math.min((step - 1) / warmup, Math.sqrt(warmup / step));`],
    },
    jump: {
      means: {
        en: "the rate jumps after the warm-up: at step warmup both formulas must give peak",
        es:
          "la tasa salta tras el calentamiento: en el paso warmup las dos fórmulas deben dar peak",
      },
      wrong: [
        `return step <= warmup ? peak * step / warmup : peak / Math.sqrt(step);`,
        `return step <= warmup ? peak * step / warmup : peak / Math.sqrt(step - warmup + 1);`,
      ],
    },
    linearFall: {
      means: {
        en: "the rate falls with 1 / step; the square root is missing",
        es: "la tasa baja con 1 / step; falta la raíz cuadrada",
      },
      wrong: [`return peak * Math.min(step / warmup, warmup / step);`],
    },
    noFall: {
      means: {
        en: "the rate stays at the peak after the warm-up",
        es: "la tasa se queda en el máximo tras el calentamiento",
      },
      wrong: [`return peak * Math.min(step / warmup, 1);`],
    },
    noWarmup: {
      means: {
        en: "there is no warm-up: up to step warmup the rate is to grow",
        es: "no hay calentamiento: hasta el paso warmup la tasa debe crecer",
      },
      wrong: [`return peak * Math.min(1, Math.sqrt(warmup / step));`],
    },
  },
  async check(t) {
    type Rate = (step: number, warmup: number, peak: number) => number;
    const { learningRate } = t.exports<{ learningRate: Rate }>("learningRate");
    const [warmup, peak] = [4, 0.5];
    const steps = [1, 2, 3, 4, 5, 9, 16, 64, 400];
    // By hand: quarters of the peak; then the peak times sqrt(4 / step).
    const want = [0.125, 0.25, 0.375, 0.5, 0.5 * Math.sqrt(0.8), 1 / 3, 0.25, 0.125, 0.05];
    const rise = want.slice(0, 4), fall = steps.slice(4);
    const then = (f: (step: number) => number) => [...rise, ...fall.map(f)];
    await t.equal({
      what: `learningRate(step, ${warmup}, ${peak}) for the steps ${steps.join(", ")}`,
      got: () => Promise.all(steps.map((step) => learningRate(step, warmup, peak))),
      want,
      suspects: {
        noWarmup: (data) => data[0] === peak,
        linearFall: then((step) => peak * warmup / step),
        noFall: then(() => peak),
        jump: (data) => rise.every((x, i) => Math.abs(x - data[i]) < 1e-6),
        late: (data) => data[0] === 0,
      },
    });
  },
});
