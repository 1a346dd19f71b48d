/** `deno task check`: checks one exercise, or all that are begun. */
import { UsageError } from "lib/io/errors.ts";
import { entries, findEntry } from "./framework/catalog.ts";
import { Checker } from "./framework/checker.ts";
import { exists, runCommand, studentFile } from "./framework/command.ts";
import { texts } from "./framework/texts.ts";
import { checkFile, watchFile } from "./framework/watch.ts";

const words = {
  en: {
    which: "Flag --watch needs an exercise: deno task check NAME --watch",
    none: "No exercise is begun: deno task exercise lists them",
    passed: (n: number, all: number) => `${n} of ${all} pass`,
  },
  es: {
    which: "--watch necesita un ejercicio: deno task check NAME --watch",
    none: "No hay ningún ejercicio empezado: deno task exercise los enumera",
    passed: (n: number, all: number) => `${n} de ${all} correctos`,
  },
};

await runCommand({
  name: "check",
  argument: "NAME",
  about: `
    Checks my/NAME.ts: says what is wrong first, what that means and where to go on. Without a NAME,
    checks all exercises that are begun. The exit code is 0 if all is right, else 1.`,
  defaults: { watch: false },
  comments: { watch: "check the file again whenever it is saved" },
}, async ({ argument: name, watch, language, folder }) => {
  const w = words[language];
  const checker = new Checker({ language });
  try {
    if (name === undefined) {
      if (watch) throw new UsageError(w.which);
      return await checkAll();
    }
    const file = studentFile(findEntry(name).name, folder);
    if (!exists(file.path)) throw new UsageError(texts[language].notBegun(file.shown, name));
    if (watch) return await watchFile(name, file, language);
    const { state } = await checkFile(name, file, checker, language);
    return state === "passed" ? 0 : 1;
  } finally {
    await checker.close();
  }

  async function checkAll() {
    const begun = entries().map(({ name }) => ({ name, file: studentFile(name, folder) }))
      .filter(({ file }) => exists(file.path));
    if (begun.length === 0) throw new UsageError(w.none);
    let passed = 0;
    for (const { name, file } of begun) {
      const { state, report } = await checker.check(name, file);
      if (state === "passed") passed++;
      console.log(report);
    }
    console.log(w.passed(passed, begun.length));
    return passed === begun.length ? 0 : 1;
  }
});
