import { body, exercise } from "../framework/exercise.ts";

export default exercise({
  level: 3,
  title: { en: "from tags to entities", es: "de etiquetas a entidades" },
  task: {
    en: `
      In BIO tags B-PER begins an entity of type PER, I-PER goes on with it, and O is outside. Write entities(tags): the
      entities as texts "TYPE first end", words counted from 0, end the word after the last one, in their order. F1 over
      entities compares these: an entity counts only if its type and both ends are right.`,
    es: `
      En las etiquetas BIO, B-PER empieza una entidad de tipo PER, I-PER la continúa y O está fuera. Escribe entities(tags):
      las entidades como textos "TIPO primera fin", con las palabras contadas desde 0 y fin la palabra siguiente a la última,
      en orden. La F1 de entidades compara esto: una entidad solo cuenta si su tipo y sus dos extremos son correctos.`,
  },
  hints: [
    {
      en:
        "Go from left to right and remember the entity that is open: its type and where it began.",
      es: "Ve de izquierda a derecha y recuerda la entidad abierta: su tipo y dónde empezó.",
    },
    {
      en: "An open entity ends at O, at the next B, and at the end of the sentence.",
      es: "Una entidad abierta acaba en O, en la siguiente B y al final de la frase.",
    },
    {
      en: 'Go through [...tags, "O"]: then the last entity ends like all others.',
      es: 'Recorre [...tags, "O"]: así la última entidad acaba como las demás.',
    },
  ],
  look: "entities()",
  start: [body("entities")],
  solution: `
    const found: string[] = [];
    let open = "", first = 0;
    for (const [i, tag] of [...tags, "O"].entries()) {
      if (open && tag === \`I-\${open}\`) continue;
      if (open) found.push(\`\${open} \${first} \${i}\`);
      [open, first] = [tag === "O" ? "" : tag.slice(2), i];
    }
    return found;`,
  others: [`
    return [...tags.join(" ").matchAll(/B-(\\S+)((?: I-\\1(?!\\S))*)/g)].map((match) => {
      const first = match.index === 0 ? 0 : tags.join(" ").slice(0, match.index - 1).split(" ").length;
      return \`\${match[1]} \${first} \${first + 1 + match[2].split(" ").length - 1}\`;
    });`],
  diagnoses: {
    lastLost: {
      means: {
        en: "an entity at the end of the sentence is lost",
        es: "se pierde una entidad que está al final de la frase",
      },
      wrong: [`
        const found: string[] = [];
        let open = "", first = 0;
        for (const [i, tag] of tags.entries()) {
          if (open && tag === \`I-\${open}\`) continue;
          if (open) found.push(\`\${open} \${first} \${i}\`);
          [open, first] = [tag === "O" ? "" : tag.slice(2), i];
        }
        return found;`],
    },
    merged: {
      means: {
        en: "two entities side by side became one: a B begins a new one, of the same type too",
        es:
          "dos entidades contiguas se han unido: una B empieza otra nueva, también si es del mismo tipo",
      },
      wrong: [`
        const found: string[] = [];
        let open = "", first = 0;
        for (const [i, tag] of [...tags, "O"].entries()) {
          if (open && tag.slice(2) === open) continue;
          if (open) found.push(\`\${open} \${first} \${i}\`);
          [open, first] = [tag === "O" ? "" : tag.slice(2), i];
        }
        return found;`],
    },
    words: {
      means: {
        en: "each word became an entity: I goes on with the one that is open",
        es: "cada palabra se ha vuelto una entidad: I continúa la que está abierta",
      },
      wrong: [`
        return tags.flatMap((tag, i) => tag === "O" ? [] : [\`\${tag.slice(2)} \${i} \${i + 1}\`]);`],
    },
    inclusive: {
      means: {
        en: "the end is the last word of the entity; it is to be the word after it",
        es: "el fin es la última palabra de la entidad; debe ser la siguiente",
      },
      wrong: [`
        const found: string[] = [];
        let open = "", first = 0;
        for (const [i, tag] of [...tags, "O"].entries()) {
          if (open && tag === \`I-\${open}\`) continue;
          if (open) found.push(\`\${open} \${first} \${i - 1}\`);
          [open, first] = [tag === "O" ? "" : tag.slice(2), i];
        }
        return found;`],
    },
  },
  async check(t) {
    const { entities } = t.exports<typeof import("scripts/transformer-ner.ts")>("entities");
    const cases: [string, string[]][] = [
      ["B-PER I-PER O B-LOC O O B-ORG I-ORG I-ORG O", ["PER 0 2", "LOC 3 4", "ORG 6 9"]],
      ["O B-PER B-PER I-PER B-LOC O", ["PER 1 2", "PER 2 4", "LOC 4 5"]],
      ["O O B-MISC I-MISC", ["MISC 2 4"]],
      ["B-PER", ["PER 0 1"]],
      ["O O O", []],
    ];
    for (const [text, want] of cases) {
      const tags = text.split(" ");
      const words = tags.flatMap((tag, i) => tag === "O" ? [] : [`${tag.slice(2)} ${i} ${i + 1}`]);
      await t.equal({
        what: "entities(tags)",
        got: () => entities([...tags]),
        want,
        input: `tags ${text}`,
        suspects: {
          words,
          inclusive: want.map((span) => span.replace(/\d+$/, (end) => `${Number(end) - 1}`)),
          lastLost: tags.at(-1) === "O" ? undefined : want.slice(0, -1),
          merged: ["PER 1 4", "LOC 4 5"],
        },
      });
    }
  },
});
