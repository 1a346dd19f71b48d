import { append, exercise, todo } from "../framework/exercise.ts";

export default exercise({
  level: 1,
  title: { en: "where a text ends", es: "dónde acaba un texto" },
  task: {
    en: `
      A batch is generated until its last row is done, so other rows go on behind their end. Write untilStop(rows, prompt, stop):
      each row without its first 'prompt' tokens, up to the first token 'stop' among the rest, which is left out; a row
      without it stays whole. The prompt may contain 'stop' as well.`,
    es: `
      Un lote se genera hasta que acaba su última fila, así que otras continúan tras su final. Escribe untilStop(rows, prompt,
      stop): cada fila sin sus primeros 'prompt' elementos, hasta el primer 'stop' del resto, que se omite; una fila que no lo
      tenga se queda entera. La entrada también puede contener 'stop'.`,
  },
  hints: [
    {
      en: "Cut off the prompt first, then look for the stop.",
      es: "Quita primero la entrada y busca después el final.",
    },
    {
      en: "indexOf gives -1 if there is none, and slice(0, -1) would take the last token away.",
      es: "indexOf da -1 si no está, y slice(0, -1) quitaría el último elemento.",
    },
  ],
  look: "untilStop()",
  start: [append(`
    /** What each row has behind its prompt, up to the stop token. */
    export function untilStop(rows: number[][], prompt: number, stop: number): number[][] {
      ${todo}
    }`)],
  solution: `
    return rows.map((row) => {
      const written = row.slice(prompt);
      return written.includes(stop) ? written.slice(0, written.indexOf(stop)) : written;
    });`,
  others: [`
    return rows.map((row) => {
      const written: number[] = [];
      for (let i = prompt; i < row.length && row[i] !== stop; i++) written.push(row[i]);
      return written;
    });`],
  diagnoses: {
    lastLost: {
      means: {
        en: "rows without a stop token lose their last token: indexOf gives -1 for them",
        es: "las filas sin elemento final pierden el último: indexOf da -1 para ellas",
      },
      wrong: [`return rows.map((row) => {
        const written = row.slice(prompt);
        return written.slice(0, written.indexOf(stop));
      });`],
    },
    included: {
      means: {
        en: "the stop token itself is in the result",
        es: "el propio elemento final está en el resultado",
      },
      wrong: [`return rows.map((row) => {
        const written = row.slice(prompt);
        return written.includes(stop) ? written.slice(0, written.indexOf(stop) + 1) : written;
      });`],
    },
    inPrompt: {
      means: {
        en: "a stop token in the prompt ended the row: only the tokens behind the prompt count",
        es:
          "un elemento final de la entrada ha acabado la fila: solo cuentan los que van detrás de ella",
      },
      wrong: [`return rows.map((row) => {
        const end = row.indexOf(stop);
        return row.slice(prompt, end < 0 ? undefined : end);
      });`],
    },
    filtered: {
      means: {
        en: "the stop tokens were taken out, but what follows them is still there",
        es: "se han quitado los elementos finales, pero sigue lo que viene detrás",
      },
      wrong: [`return rows.map((row) => row.slice(prompt).filter((id) => id !== stop));`],
    },
  },
  async check(t) {
    type Until = (rows: number[][], prompt: number, stop: number) => number[][];
    const { untilStop } = t.exports<{ untilStop: Until }>("untilStop");
    const rows = [[1, 2, 3, 4, 9, 5], [1, 2, 3, 4, 5, 6], [1, 9, 7, 9, 8, 9], [1, 2, 9, 3, 3, 3]];
    await t.equal({
      what: "untilStop(rows, 2, 9)",
      got: () => untilStop(structuredClone(rows), 2, 9),
      want: [[3, 4], [3, 4, 5, 6], [7], []],
      input: `rows = ${JSON.stringify(rows)}`,
      suspects: {
        lastLost: [[3, 4], [3, 4, 5], [7], []],
        included: [[3, 4, 9], [3, 4, 5, 6], [7, 9], [9]],
        inPrompt: [[3, 4], [3, 4, 5, 6], [], []],
        filtered: [[3, 4, 5], [3, 4, 5, 6], [7, 8], [3, 3, 3]],
      },
    });
  },
});
