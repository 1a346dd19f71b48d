import { append, exercise, todo } from "../framework/exercise.ts";

type Pair = (
  a: number[],
  b: number[],
  maxlen: number,
) => { input_ids: number[]; segment_ids: number[] };

export default exercise({
  level: 1,
  title: { en: "two sentences in one row", es: "dos frases en una fila" },
  task: {
    en: `
      Write makeRow(a, b, maxlen) for two sentences of word ids: input_ids is [CLS] a [SEP] b [SEP], filled up to maxlen
      with [PAD]; segment_ids is 0 up to and including the first [SEP], 1 for b and the second [SEP], and 0 at padding.
      [PAD], [CLS], [SEP], [MASK] are 0, 1, 2, 3.`,
    es: `
      Escribe makeRow(a, b, maxlen) para dos frases de identificadores: input_ids es [CLS] a [SEP] b [SEP], completada hasta
      maxlen con [PAD]; segment_ids es 0 hasta el primer [SEP] inclusive, 1 para b y el segundo [SEP], y 0 en el relleno.
      [PAD], [CLS], [SEP] y [MASK] son 0, 1, 2 y 3.`,
  },
  hints: [
    {
      en: "How many places does each part have? a.length + 2, b.length + 1, and the rest.",
      es: "¿Cuántos lugares tiene cada parte? a.length + 2, b.length + 1 y el resto.",
    },
    {
      en:
        "new Array(n).fill(x) makes a list of n times x; three of them one after the other are segment_ids.",
      es: "new Array(n).fill(x) crea una lista con n veces x; tres seguidas forman segment_ids.",
    },
  ],
  look: "makeRow(), makeBatch()",
  start: [append(`
    /** [CLS] a [SEP] b [SEP] and padding, and the segment of each place. */
    export function makeRow(
      a: number[],
      b: number[],
      maxlen: number,
    ): { input_ids: number[]; segment_ids: number[] } {
      ${todo}
    }`)],
  solution: `
    const ids = [CLS, ...a, SEP, ...b, SEP];
    const padding = new Array(maxlen - ids.length).fill(PAD);
    const second = (i: number) => i > a.length + 1 && i < ids.length ? 1 : 0;
    const input_ids = [...ids, ...padding];
    return { input_ids, segment_ids: input_ids.map((_, i) => second(i)) };`,
  others: [`
    const input_ids = new Array(maxlen).fill(0), segment_ids = new Array(maxlen).fill(0);
    [1, ...a, 2].forEach((id, i) => input_ids[i] = id);
    [...b, 2].forEach((id, i) => {
      input_ids[a.length + 2 + i] = id;
      segment_ids[a.length + 2 + i] = 1;
    });
    return { input_ids, segment_ids };`],
  diagnoses: {
    separator: {
      means: {
        en: "the first [SEP] belongs to the first segment, the second one to the second",
        es: "el primer [SEP] pertenece al primer segmento y el segundo, al segundo",
      },
      wrong: [`
        const ids = [CLS, ...a, SEP, ...b, SEP];
        const input_ids = [...ids, ...new Array(maxlen - ids.length).fill(PAD)];
        return { input_ids, segment_ids: input_ids.map((_, i) => i > a.length && i < ids.length ? 1 : 0) };`],
    },
    padding: {
      means: {
        en: "the padding has segment 1",
        es: "el relleno tiene segmento 1",
      },
      wrong: [`
        const ids = [CLS, ...a, SEP, ...b, SEP];
        const input_ids = [...ids, ...new Array(maxlen - ids.length).fill(PAD)];
        return { input_ids, segment_ids: input_ids.map((_, i) => i > a.length + 1 ? 1 : 0) };`],
    },
    lastSeparator: {
      means: {
        en: "the [SEP] behind the second sentence is missing",
        es: "falta el [SEP] que va detrás de la segunda frase",
      },
      wrong: [`
        const ids = [CLS, ...a, SEP, ...b];
        const input_ids = [...ids, ...new Array(maxlen - ids.length).fill(PAD)];
        return { input_ids, segment_ids: input_ids.map((_, i) => i > a.length + 1 && i < ids.length ? 1 : 0) };`],
    },
    notPadded: {
      means: {
        en: "the row is not filled up to maxlen",
        es: "la fila no está completada hasta maxlen",
      },
      wrong: [`
        const input_ids = [CLS, ...a, SEP, ...b, SEP];
        return { input_ids, segment_ids: input_ids.map((_, i) => i > a.length + 1 ? 1 : 0) };`],
    },
  },
  async check(t) {
    const { makeRow } = t.exports<{ makeRow: Pair }>("makeRow");
    for (
      const [a, b, maxlen] of [[[7, 8, 9], [5, 6], 11], [[4], [9, 9, 9], 7]] as [
        number[],
        number[],
        number,
      ][]
    ) {
      const [n, m] = [a.length, b.length];
      const all = [1, ...a, 2, ...b, 2, ...new Array(maxlen - n - m - 3).fill(0)];
      const segments = (from: number, to: number, length = maxlen) =>
        Array.from({ length }, (_, i) => i >= from && i < to ? 1 : 0);
      const row = (input_ids: number[], segment_ids: number[]) => ({ input_ids, segment_ids });
      await t.equal({
        what: `makeRow([${a}], [${b}], ${maxlen})`,
        got: () => makeRow([...a], [...b], maxlen),
        want: row(all, segments(n + 2, n + m + 3)),
        suspects: {
          separator: (data) =>
            data.length === 2 * maxlen &&
            data.slice(0, maxlen).every((x, i) => x === all[i]) && data[maxlen + n + 1] === 1,
          padding: row(all, segments(n + 2, maxlen)),
          lastSeparator: (data) => data[n + m + 2] === 0,
          notPadded: (data) => data.length === 2 * (n + m + 3) && n + m + 3 < maxlen,
        },
      });
    }
  },
});
