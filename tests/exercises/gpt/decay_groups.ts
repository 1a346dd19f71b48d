import type { GPT } from "scripts/gpt.ts";
import { append, exercise, todo } from "../framework/exercise.ts";
import { tinyGPT } from "../framework/models.ts";

export default exercise({
  level: 2,
  title: { en: "which parameters decay?", es: "¿qué parámetros decaen?" },
  task: {
    en: `
      minGPT pulls the weights of its linear layers towards 0, and nothing else: no biases, no layer norms, no
      embeddings. Write decaying(model): the names of the parameters that decay, as in model.namedParameters().`,
    es: `
      minGPT atrae hacia 0 los pesos de sus capas lineales y nada más: ni sesgos, ni normalizaciones, ni embeddings.
      Escribe decaying(model): los nombres de los parámetros que decaen, como en model.namedParameters().`,
  },
  hints: [
    {
      en: "Print the names and shapes first: which kinds of parameters are there?",
      es: "Imprime primero los nombres y las formas: ¿qué clases de parámetros hay?",
    },
    {
      en:
        "namedModules() gives each module with its name, and instanceof nn.Linear tells whether it is linear.",
      es: "namedModules() da cada módulo con su nombre, e instanceof nn.Linear dice si es lineal.",
    },
  ],
  look: "decaying(), GPT.configureOptimizers()",
  start: [append(`
    /** The names of the parameters that decay: the weights of linear layers. */
    export function decaying(model: GPT): string[] {
      ${todo}
    }`)],
  solution: `
    return model.namedModules().filter(([, module]) => module instanceof nn.Linear)
      .map(([name]) => \`\${name}.weight\`);`,
  others: [`
    return model.namedParameters().filter(([name, p]) => p.shape.length === 2 && !/\\.w[tp]e\\./.test(name))
      .map(([name]) => name);`],
  diagnoses: {
    embeddings: {
      means: {
        en: "the embeddings decay too: they are matrices, but not linear layers",
        es: "también decaen los embeddings: son matrices, pero no capas lineales",
      },
      wrong: [`
        return model.namedParameters().filter(([, p]) => p.shape.length === 2).map(([name]) => name);`],
    },
    norms: {
      means: {
        en: "layer norms decay too: their weights are to stay near 1",
        es: "también decaen las normalizaciones: sus pesos deben quedarse cerca de 1",
      },
      wrong: [`
        return model.namedParameters().map(([name]) => name)
          .filter((name) => name.endsWith("weight") && !/\\.w[tp]e\\./.test(name));`],
    },
    biases: {
      means: {
        en: "biases decay too",
        es: "también decaen los sesgos",
      },
      wrong: [`
        const linear = model.namedModules().filter(([, module]) => module instanceof nn.Linear);
        return linear.flatMap(([name, module]) =>
          module.namedParameters().map(([path]) => \`\${name}.\${path}\`));`],
    },
    head: {
      means: {
        en: "the output layer lm_head is missing: it is a linear layer as well",
        es: "falta la capa de salida lm_head: también es una capa lineal",
      },
      wrong: [`
        return model.transformer.namedModules().filter(([, module]) => module instanceof nn.Linear)
          .map(([name]) => \`transformer.\${name}.weight\`);`],
    },
  },
  async check(t) {
    type Script = typeof import("scripts/gpt.ts") & { decaying(model: GPT): string[] };
    const { decaying, GPT } = t.exports<Script>("decaying", "GPT");
    const model = tinyGPT(GPT);
    const linear = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"];
    const want = [0, 1].flatMap((i) => linear.map((name) => `transformer.h.${i}.${name}.weight`));
    const all = [...want, "lm_head.weight"];
    const has = (data: unknown[], pattern: RegExp) => data.some((name) => pattern.test(`${name}`));
    await t.equal({
      what: "decaying(model), sorted",
      got: async () => [...await decaying(model)].sort(),
      want: all.sort(),
      input: "a GPT of two blocks",
      suspects: {
        embeddings: (data) => has(data, /\.w[tp]e\./),
        norms: (data) => has(data, /ln_/),
        biases: (data) => has(data, /bias$/),
        head: (data) => !has(data, /lm_head/),
      },
    });
  },
});
