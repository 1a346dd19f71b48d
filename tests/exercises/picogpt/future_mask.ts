import type { Tensor } from "lib/tensor.ts";
import { append, exercise, todo } from "../framework/exercise.ts";

export default exercise({
  level: 3,
  title: { en: "the causal mask behind a cache", es: "la máscara causal tras una caché" },
  task: {
    en: `
      With a cache the T queries belong to new tokens, but the keys to all tokens, the 'seen' old ones first. Write
      cachedMask(T, seen): what is added to the scores, (T, seen + T): 0 where a query may look, -1e10 where a key is in
      its future. With seen 0 it is the usual causal mask.`,
    es: `
      Con una caché, las T consultas son de elementos nuevos, pero las claves son de todos, primero los 'seen' antiguos.
      Escribe cachedMask(T, seen): lo que se suma a las puntuaciones, (T, seen + T): 0 donde una consulta puede mirar y -1e10
      donde la clave está en su futuro. Con seen 0 es la máscara causal de siempre.`,
  },
  hints: [
    {
      en: "At which place of the text does query i stand, if 'seen' tokens came before?",
      es: "¿En qué lugar del texto está la consulta i, si antes hay 'seen' elementos?",
    },
    {
      en: "Query i stands at seen + i; key j stands at j; hidden is j > seen + i.",
      es: "La consulta i está en seen + i; la clave j está en j; se oculta j > seen + i.",
    },
  ],
  look: "cachedMask(), mha()",
  start: [append(`
    /** 0 where a new token may look, -1e10 at its future: (T, seen + T). */
    export function cachedMask(T: number, seen: number): Tensor {
      ${todo}
    }`)],
  solution: `
    const keys = tf.range(0, seen + T), queries = tf.range(seen, seen + T).expandDims(1);
    return keys.greater(queries).toFloat().mul(-1e10); // (T, seen + T)`,
  others: [`
    const past = tf.zeros([T, seen]);
    const own = tf.sub(1, tf.linalg.bandPart(tf.ones([T, T]), -1, 0)).mul(-1e10);
    return tf.concat([past, own], 1);`],
  diagnoses: {
    noOffset: {
      means: {
        en: "the queries were numbered from 0: the new tokens come behind those in the cache",
        es:
          "las consultas se han numerado desde 0: los elementos nuevos van detrás de los de la caché",
      },
      wrong: [`
        const keys = tf.range(0, seen + T), queries = tf.range(0, T).expandDims(1);
        return keys.greater(queries).toFloat().mul(-1e10);`],
    },
    nothing: {
      means: {
        en: "nothing is hidden: that is right for one new token only",
        es: "no se oculta nada: eso solo vale para un único elemento nuevo",
      },
      wrong: [`return tf.zeros([T, seen + T]);`],
    },
    itself: {
      means: {
        en: "a token is hidden from itself",
        es: "un elemento no se ve a sí mismo",
      },
      wrong: [`
        const keys = tf.range(0, seen + T), queries = tf.range(seen, seen + T).expandDims(1);
        return keys.greaterEqual(queries).toFloat().mul(-1e10);`],
    },
    onlyNew: {
      means: {
        en: "the mask has no columns for the tokens in the cache",
        es: "la máscara no tiene columnas para los elementos de la caché",
      },
      wrong: [`return tf.sub(1, tf.linalg.bandPart(tf.ones([T, T]), -1, 0)).mul(-1e10);`],
    },
  },
  async check(t) {
    const { cachedMask } = t.exports<{ cachedMask(T: number, seen: number): Tensor }>("cachedMask");
    // The last T rows of the whole text's mask, row by row; by hand for the first case.
    const byHand = [[0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]];
    for (const [T, seen] of [[3, 2], [4, 0], [1, 5], [2, 3]]) {
      const mask = (hidden: (i: number, j: number) => boolean) =>
        Array.from(
          { length: T },
          (_, i) => Array.from({ length: seen + T }, (_, j) => hidden(i, j) ? 1 : 0),
        );
      const whole = Array.from(
        { length: seen + T },
        (_, i) => Array.from({ length: seen + T }, (_, j) => Number(j > i)),
      );
      const isHidden = (x: Tensor) => x.less(-1e4).toInt(); // any large negative number hides
      await t.equal({
        what: `cachedMask(${T}, ${seen}), 1 where it hides`,
        got: async () => isHidden(await cachedMask(T, seen)),
        want: T === 3 ? byHand : whole.slice(seen),
        suspects: {
          noOffset: mask((i, j) => j > i),
          nothing: mask(() => false),
          itself: mask((i, j) => j >= seen + i),
          onlyNew: (_, shape) => shape?.[1] === T && seen > 0,
        },
      });
    }
  },
});
