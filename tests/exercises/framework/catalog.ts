/** The exercises that there are: the files tests/exercises/SCRIPT/NAME.ts. */
import { InputError, UsageError } from "lib/io/errors.ts";
import { distance } from "fastest-levenshtein";
import type { Code } from "./edits.ts";
import { applyCode, applyStart, type Exercise } from "./exercise.ts";
import type { Language } from "./language.ts";

export const root = new URL("../../../", import.meta.url);
const folder = new URL("../", import.meta.url);

/** An exercise in its place. */
export interface Entry {
  name: string;
  /** The script that it changes: scripts/SCRIPT.ts. */
  script: string;
  url: URL;
}

// From the simplest model to the largest. Scripts that are not named here come after these.
const order = [
  "logistic-regressor",
  "softmax-regressor",
  "skipgrams-jurafsky",
  "skipgrams-original",
  "ff-neural-lm",
  "transformer",
  "bert",
  "transformer-ner",
  "gpt",
  "generate",
  "chargpt",
  "adder",
  "nanogpt",
  "picogpt",
];

/** All exercises, by script. */
export function entries(): Entry[] {
  const place = (script: string) =>
    order.indexOf(script) < 0 ? order.length : order.indexOf(script);
  const scripts = [...Deno.readDirSync(folder)]
    .filter((entry) => entry.isDirectory && entry.name !== "framework").map(({ name }) => name)
    .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  return scripts.flatMap((script) => {
    const url = new URL(`${script}/`, folder);
    return [...Deno.readDirSync(url)].filter((file) => file.isFile && file.name.endsWith(".ts"))
      .map(({ name }) => ({ name: name.slice(0, -3), script, url: new URL(name, url) }))
      .sort((a, b) => a.name < b.name ? -1 : 1);
  });
}

/** @throws {UsageError} If there is no such exercise; names the nearest one. */
export function findEntry(name: string): Entry {
  const all = entries();
  const found = all.find((entry) => entry.name === name);
  if (found) return found;
  const nearest = all.reduce((a, b) => distance(b.name, name) < distance(a.name, name) ? b : a);
  throw new UsageError(
    `There is no exercise '${name}': did you mean ${nearest.name}? (deno task exercise lists all)`,
  );
}

/** The exercise itself. */
export async function load({ url, name }: Entry): Promise<Exercise> {
  const module = await import(url.href);
  if (typeof module.default?.check !== "function") {
    throw new InputError(`Cannot use the exercise ${name}: ${url.pathname} has no default export`);
  }
  return module.default;
}

/** All exercises, in the order in which a student meets them: by script, the easy ones first. */
export async function loadAll(): Promise<(Entry & { exercise: Exercise })[]> {
  const all = await Promise.all(
    entries().map(async (entry) => ({ ...entry, exercise: await load(entry) })),
  );
  const scripts = [...new Set(all.map(({ script }) => script))];
  return all.sort((a, b) =>
    scripts.indexOf(a.script) - scripts.indexOf(b.script) || a.exercise.level - b.exercise.level
  );
}

/** The text of a script, its lines ended as the edits expect it, whatever the checkout does. */
function source(script: string): string {
  const text = Deno.readTextFileSync(new URL(`scripts/${script}.ts`, root));
  return text.replace(/^\ufeff/, "").replaceAll("\r\n", "\n");
}

/** The script as a student gets it, with the TODO. */
export function startFile({ name, script }: Entry, exercise: Exercise, language: Language): string {
  return applyStart(source(script), exercise, name, language);
}

/** The script with an answer. */
export function answerFile({ script }: Entry, exercise: Exercise, code: Code): string {
  return applyCode(source(script), exercise, code);
}
