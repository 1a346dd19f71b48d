import { body, exercise } from "../framework/exercise.ts";

export default exercise({
  level: 2,
  title: { en: "positions as angles", es: "posiciones como ángulos" },
  task: {
    en: `
      Write sinusoidEncodingTable(positions, d_model) of section 3.5 of the paper, as a tensor (positions, d_model):
      PE(pos, 2i) = sin(pos / 10000^(2i / d_model)), PE(pos, 2i + 1) = cos of the same angle. Positions count from 0.
      The paper chose it since PE(pos + k) is a linear function of PE(pos); the check looks at that too.`,
    es: `
      Escribe sinusoidEncodingTable(positions, d_model) de la sección 3.5 del artículo, como tensor (positions,
      d_model): PE(pos, 2i) = sin(pos / 10000^(2i / d_model)), PE(pos, 2i + 1) = cos del mismo ángulo. Las posiciones
      se cuentan desde 0. El artículo la eligió porque PE(pos + k) es una función lineal de PE(pos); también se comprueba.`,
  },
  hints: [
    {
      en: "Channel c belongs to pair i = floor(c / 2); sine for even c, cosine for odd c.",
      es: "El canal c pertenece al par i = floor(c / 2); seno si c es par, coseno si es impar.",
    },
    {
      en: "The angle is pos / 10000 ** (2 * Math.floor(c / 2) / d_model).",
      es: "El ángulo es pos / 10000 ** (2 * Math.floor(c / 2) / d_model).",
    },
  ],
  look: "sinusoidEncodingTable()",
  start: [body("sinusoidEncodingTable")],
  solution: `
    const angle = (pos: number, c: number) => pos / 10000 ** (2 * Math.floor(c / 2) / d_model);
    const value = (pos: number, c: number) => (c % 2 ? Math.cos : Math.sin)(angle(pos, c));
    const row = (pos: number) => Array.from({ length: d_model }, (_, c) => value(pos, c));
    return tf.tensor2d(Array.from({ length: positions }, (_, pos) => row(pos)));`,
  others: [`
    const pairs = tf.range(0, d_model, 2).div(d_model).mul(-Math.log(10000)).exp(); // (C / 2)
    const angles = tf.range(0, positions).expandDims(1).mul(pairs); // (positions, C / 2)
    return tf.stack([angles.sin(), angles.cos()], 2).reshape([positions, d_model]);`],
  diagnoses: {
    halves: {
      means: {
        en: "all sines stand first and then all cosines; here they alternate",
        es: "primero están todos los senos y luego todos los cosenos; aquí se alternan",
      },
      wrong: [`
        const pairs = tf.range(0, d_model, 2).div(d_model).mul(-Math.log(10000)).exp();
        const angles = tf.range(0, positions).expandDims(1).mul(pairs);
        return tf.concat([angles.sin(), angles.cos()], 1) as tf.Tensor2D;`],
    },
    ownAngle: {
      means: {
        en: "each channel has an angle of its own; the sine and the cosine of a pair share one",
        es: "cada canal tiene su propio ángulo; el seno y el coseno de un par comparten uno",
      },
      wrong: [`
        const value = (pos: number, c: number) => (c % 2 ? Math.cos : Math.sin)(pos / 10000 ** (c / d_model));
        return tf.tensor2d(Array.from({ length: positions }, (_, pos) =>
          Array.from({ length: d_model }, (_, c) => value(pos, c))));`],
    },
    doubled: {
      means: {
        en: "2i is the number of the channel, not twice it: the exponent is twice too large",
        es: "2i es el número del canal, no su doble: el exponente es el doble de grande",
      },
      wrong: [`
        const angle = (pos: number, c: number) => pos / 10000 ** (4 * Math.floor(c / 2) / d_model);
        return tf.tensor2d(Array.from({ length: positions }, (_, pos) =>
          Array.from({ length: d_model }, (_, c) => (c % 2 ? Math.cos : Math.sin)(angle(pos, c)))));`],
    },
    halved: {
      means: {
        en: "the exponent is i / d_model: it lacks the 2 of 2i / d_model",
        es: "el exponente es i / d_model: le falta el 2 de 2i / d_model",
      },
      wrong: [`
        const angle = (pos: number, c: number) => pos / 10000 ** (Math.floor(c / 2) / d_model);
        return tf.tensor2d(Array.from({ length: positions }, (_, pos) =>
          Array.from({ length: d_model }, (_, c) => (c % 2 ? Math.cos : Math.sin)(angle(pos, c)))));`],
    },
    exchanged: {
      means: {
        en: "sine and cosine are exchanged: position 0 is to be 0, 1, 0, 1, ...",
        es: "seno y coseno están intercambiados: la posición 0 debe ser 0, 1, 0, 1, ...",
      },
      wrong: [`
        const angle = (pos: number, c: number) => pos / 10000 ** (2 * Math.floor(c / 2) / d_model);
        return tf.tensor2d(Array.from({ length: positions }, (_, pos) =>
          Array.from({ length: d_model }, (_, c) => (c % 2 ? Math.sin : Math.cos)(angle(pos, c)))));`],
    },
    fromOne: {
      means: {
        en: "the positions count from 1; the first row is that of position 0",
        es: "las posiciones se cuentan desde 1; la primera fila es la de la posición 0",
      },
      wrong: [`
        const angle = (pos: number, c: number) => (pos + 1) / 10000 ** (2 * Math.floor(c / 2) / d_model);
        return tf.tensor2d(Array.from({ length: positions }, (_, pos) =>
          Array.from({ length: d_model }, (_, c) => (c % 2 ? Math.cos : Math.sin)(angle(pos, c)))));`],
    },
  },
  async check(t) {
    type Script = typeof import("scripts/transformer.ts");
    const { sinusoidEncodingTable } = t.exports<Script>("sinusoidEncodingTable");
    const [P, C] = [7, 8];
    // The angles of pair i at position 1, by repeated multiplication: 1, 10000^(-1/4), ...
    const table = (value: (pos: number, c: number) => number) =>
      Array.from({ length: P }, (_, pos) => Array.from({ length: C }, (_, c) => value(pos, c)));
    const step = Math.sqrt(Math.sqrt(1 / 10000));
    const angle = (pos: number, pair: number) => {
      let result = pos;
      for (let k = 0; k < pair; k++) result *= step;
      return result;
    };
    const wave = (c: number, x: number) =>
      c % 2 ? Math.sqrt(1 - Math.sin(x) ** 2) * Math.sign(Math.cos(x)) : Math.sin(x);
    const want = table((pos, c) => wave(c, angle(pos, Math.floor(c / 2))));
    const input = `positions ${P}, d_model ${C}`;
    const got = () => sinusoidEncodingTable(P, C);
    await t.equal({
      what: "sinusoidEncodingTable(7, 8)",
      got,
      want,
      input,
      suspects: {
        halves: table((pos, c) => wave(c < 4 ? 0 : 1, angle(pos, c % 4))),
        ownAngle: table((pos, c) => wave(c, pos * Math.sqrt(step) ** c)),
        doubled: table((pos, c) => wave(c, angle(pos, 2 * Math.floor(c / 2)))),
        halved: table((pos, c) => wave(c, pos * Math.sqrt(step) ** Math.floor(c / 2))),
        exchanged: table((pos, c) => wave(c + 1, angle(pos, Math.floor(c / 2)))),
        fromOne: table((pos, c) => wave(c, angle(pos + 1, Math.floor(c / 2)))),
      },
    });
    // Each pair of the next position is the pair before it, turned by a fixed angle.
    const rows = await (await got()).array();
    const turned = rows.slice(0, -1).map((row) =>
      row.map((_, c) => {
        const [sin, cos] = [row[c - c % 2], row[c - c % 2 + 1]], a = angle(1, Math.floor(c / 2));
        return c % 2
          ? cos * Math.cos(a) - sin * Math.sin(a)
          : sin * Math.cos(a) + cos * Math.sin(a);
      })
    );
    await t.equal({
      what: "the table from position 1 on",
      got: () => rows.slice(1),
      want: turned,
      input,
    });
  },
});
