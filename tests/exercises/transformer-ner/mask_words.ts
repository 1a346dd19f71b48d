import { append, exercise, todo } from "../framework/exercise.ts";
import { random } from "../framework/tools.ts";

type Mask = (ids: number[], random: () => number) => { inputs: number[]; targets: number[] };

export default exercise({
  level: 2,
  title: {
    en: "pretraining: restore masked words",
    es: "preentrenamiento: recuperar palabras ocultas",
  },
  task: {
    en: `
      To pretrain the tagger's encoder as BERT is, write maskWords(ids, random) for a row of word ids, 0 at padding:
      each real word is chosen if random() < 0.15, called once for each real word in order. In inputs a chosen word is 3,
      [MASK]; in targets it is the word's id, and 0 everywhere else, so that it does not count in the loss.`,
    es: `
      Para preentrenar el codificador del etiquetador como BERT, escribe maskWords(ids, random) para una fila de
      identificadores, 0 en el relleno: cada palabra real se elige si random() < 0.15, con una llamada por palabra real y en
      orden. En inputs, una palabra elegida es 3, [MASK]; en targets es su identificador, y 0 en lo demás, para que no cuente.`,
  },
  hints: [
    {
      en: "Which positions are asked for at all? Decide first, then build both lists.",
      es: "¿Por qué posiciones se pregunta? Decide primero y construye después las dos listas.",
    },
    {
      en:
        "const chosen = ids.map((id) => id !== 0 && random() < 0.15); the && keeps random from being called at padding.",
      es:
        "const chosen = ids.map((id) => id !== 0 && random() < 0.15); el && evita llamar a random en el relleno.",
    },
  ],
  look: "maskWords()",
  start: [append(`
    /** Hides 15% of the words of a row: inputs with 3 in their place, targets with their ids and 0 elsewhere. */
    export function maskWords(ids: number[], random: () => number): { inputs: number[]; targets: number[] } {
      ${todo}
    }`)],
  solution: `
    const chosen = ids.map((id) => id !== 0 && random() < 0.15);
    return {
      inputs: ids.map((id, i) => chosen[i] ? 3 : id),
      targets: ids.map((id, i) => chosen[i] ? id : 0),
    };`,
  others: [`
    const inputs = [...ids], targets = new Array(ids.length).fill(0);
    for (let i = 0; i < ids.length; i++) {
      if (ids[i] === 0 || random() >= 0.15) continue;
      [inputs[i], targets[i]] = [3, ids[i]];
    }
    return { inputs, targets };`],
  diagnoses: {
    padding: {
      means: {
        en: "padding is masked too, or random() is called for it",
        es: "también se oculta el relleno, o se llama a random() para él",
      },
      wrong: [`
        const chosen = ids.map(() => random() < 0.15);
        return { inputs: ids.map((id, i) => chosen[i] ? 3 : id), targets: ids.map((id, i) => chosen[i] ? id : 0) };`],
    },
    allTargets: {
      means: {
        en: "all words are targets: the model would also be trained to copy what it sees",
        es: "todas las palabras son objetivos: el modelo también aprendería a copiar lo que ve",
      },
      wrong: [`
        return { inputs: ids.map((id) => id !== 0 && random() < 0.15 ? 3 : id), targets: ids };`],
    },
    masksAsTargets: {
      means: {
        en: "the targets hold [MASK] itself: the id has to be kept before it is hidden",
        es:
          "los objetivos contienen el propio [MASK]: hay que guardar el identificador antes de ocultarlo",
      },
      wrong: [`
        const inputs = ids.map((id) => id !== 0 && random() < 0.15 ? 3 : id);
        return { inputs, targets: inputs.map((id) => id === 3 ? id : 0) };`],
    },
    mostHidden: {
      means: {
        en: "85% of the words are hidden; the chosen ones are those with random() < 0.15",
        es: "se oculta el 85% de las palabras; las elegidas son aquellas con random() < 0.15",
      },
      wrong: [`
        const chosen = ids.map((id) => id !== 0 && random() > 0.15);
        return { inputs: ids.map((id, i) => chosen[i] ? 3 : id), targets: ids.map((id, i) => chosen[i] ? id : 0) };`],
    },
    twice: {
      means: {
        en: "inputs and targets were drawn apart: other words are hidden than asked for",
        es:
          "inputs y targets se han sorteado por separado: se ocultan palabras distintas de las que se piden",
      },
      wrong: [`
        return {
          inputs: ids.map((id) => id !== 0 && random() < 0.15 ? 3 : id),
          targets: ids.map((id) => id !== 0 && random() < 0.15 ? id : 0),
        };`],
    },
  },
  async check(t) {
    const { maskWords } = t.exports<{ maskWords: Mask }>("maskWords");
    const draws = (random(72, 200) as number[]).map((x) => (x + 1) / 2);
    const ids = Array.from({ length: 60 }, (_, i) => i % 5 === 4 ? 0 : 4 + i);
    const source = () => {
      let next = 0;
      return () => draws[next++];
    };
    const row = (choose: (r: () => number) => (id: number) => boolean) => {
      const chooses = choose(source());
      const chosen = ids.map((id) => chooses(id));
      return {
        inputs: ids.map((id, i) => chosen[i] ? 3 : id),
        targets: ids.map((id, i) => chosen[i] ? id : 0),
      };
    };
    const want = row((r) => (id) => id !== 0 && r() < 0.15);
    const again = source();
    const twice = {
      inputs: ids.map((id) => id !== 0 && again() < 0.15 ? 3 : id),
      targets: ids.map((id) => id !== 0 && again() < 0.15 ? id : 0),
    };
    await t.equal({
      what: "maskWords(ids, random)",
      got: () => maskWords([...ids], source()),
      want,
      input: "seed 72, a row of 60 ids, every fifth of them padding",
      suspects: {
        padding: row((r) => () => r() < 0.15),
        allTargets: { inputs: want.inputs, targets: ids },
        masksAsTargets: { inputs: want.inputs, targets: want.targets.map((id) => id ? 3 : 0) },
        mostHidden: row((r) => (id) => id !== 0 && r() > 0.15),
        twice,
      },
    });
  },
});
