/** `deno task exercise`: lists the exercises, begins one, and checks it. */
import { dirname } from "node:path";
import { UsageError } from "lib/io/errors.ts";
import { findEntry, load, loadAll, startFile } from "./framework/catalog.ts";
import { Checker } from "./framework/checker.ts";
import { exists, paragraph, runCommand, studentFile } from "./framework/command.ts";
import type { Language } from "./framework/language.ts";
import { checkFile, watchFile } from "./framework/watch.ts";

const words = {
  en: {
    exercise: "exercise",
    level: "level",
    state: "state",
    title: "what",
    levels: ["", "first steps", "thought", "hard"],
    states: { passed: "done", failed: "not right yet", "not started": "begun", none: "" },
    begin: (name: string) => `Begin with: deno task exercise ${name}`,
    written: (file: string) => `Your file is ${file}; the place for your code is marked with TODO.`,
    check: (name: string) =>
      `Check it with: deno task check ${name}   or at each save: deno task check ${name} --watch`,
    hint: (name: string) => `If you are stuck: deno task hint ${name}`,
    done: (name: string) => `Compare with another solution: deno task solution ${name}`,
  },
  es: {
    exercise: "ejercicio",
    level: "nivel",
    state: "estado",
    title: "de qué trata",
    levels: ["", "inicial", "medio", "difícil"],
    states: { passed: "hecho", failed: "aún no", "not started": "empezado", none: "" },
    begin: (name: string) => `Empieza con: deno task exercise ${name}`,
    written: (file: string) =>
      `Tu fichero es ${file}; el lugar para tu código está marcado con TODO.`,
    check: (name: string) =>
      `Compruébalo con: deno task check ${name}   o cada vez que guardes: deno task check ${name} --watch`,
    hint: (name: string) => `Si te atascas: deno task hint ${name}`,
    done: (name: string) => `Compara con otra solución: deno task solution ${name}`,
  },
};

await runCommand({
  name: "exercise",
  argument: "NAME",
  about: `
    Without a NAME: lists the exercises and how far you are. With one: copies its script to
    my/NAME.ts with a TODO where the work is, and prints the task; if the file is there already,
    prints the task and checks the file. To begin anew, delete the file.`,
  defaults: { watch: false },
  comments: { watch: "check the file again whenever it is saved" },
}, async ({ argument: name, watch, language, folder }) => {
  if (name === undefined) {
    if (watch) {
      throw new UsageError("Flag --watch needs an exercise: deno task exercise NAME --watch");
    }
    return await list(language, folder);
  }
  const w = words[language];
  const entry = findEntry(name);
  const exercise = await load(entry);
  const file = studentFile(name, folder);
  const begun = exists(file.path);
  if (!begun) {
    const text = startFile(entry, exercise, language);
    await Deno.mkdir(dirname(file.path), { recursive: true });
    await Deno.writeTextFile(file.path, text, { createNew: true });
  }
  console.log(
    `${name} (${entry.script}, ${w.levels[exercise.level]}): ${exercise.title[language]}\n`,
  );
  console.log(paragraph(exercise.task, language, "  "));
  console.log();
  if (!begun) console.log([w.written(file.shown), w.check(name), w.hint(name)].join("\n"));
  if (watch) return await watchFile(name, file, language);
  if (!begun) return;
  const checker = new Checker({ language });
  const result = await checkFile(name, file, checker, language).finally(() => checker.close());
  if (result.state !== "passed") return 1;
  console.log(w.done(name));
});

async function list(language: Language, folder: string) {
  const w = words[language];
  const all = await loadAll();
  const checker = new Checker({ language, onPrint: () => {} });
  const rows: string[][] = [];
  let script = "";
  for (const entry of all) {
    const { name, exercise } = entry;
    const file = studentFile(name, folder);
    const state = exists(file.path) ? (await checker.check(name, file)).state : "none";
    if (entry.script !== script) rows.push([`${script = entry.script}`]);
    rows.push([`  ${name}`, w.levels[exercise.level], w.states[state], exercise.title[language]]);
  }
  await checker.close();
  const header = [`${w.exercise}`, w.level, w.state, w.title];
  const width = (i: number) => Math.max(...[header, ...rows].map((row) => (row[i] ?? "").length));
  for (const row of [header, ...rows]) {
    console.log(
      row.map((cell, i) => row.length > 1 ? cell.padEnd(width(i)) : cell).join("  ").trimEnd(),
    );
  }
  const next = all.find(({ name }) => !exists(studentFile(name, folder).path));
  if (next) console.log(`\n${w.begin(next.name)}`);
}
