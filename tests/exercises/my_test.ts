/** Checks the exercises that have been begun: my/NAME.ts; the others are skipped. */
import { loadAll } from "./framework/catalog.ts";
import { Checker } from "./framework/checker.ts";
import { exists, studentFile } from "./framework/command.ts";
import { typeError } from "./framework/deno.ts";
import { environmentLanguage } from "./framework/language.ts";
import { texts } from "./framework/texts.ts";

const language = environmentLanguage();
const checker = new Checker({ language });
const all = (await loadAll()).map(({ name }) => ({ name, file: studentFile(name) }))
  .map((each) => ({ ...each, begun: exists(each.file.path) }));

for (const { name, file, begun } of all) {
  Deno.test({
    name: `${file.shown}${begun ? "" : ` [not started: deno task exercise ${name}]`}`,
    ignore: !begun,
    // The process that checks serves all tests.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const result = await checker.check(name, file);
      if (result.state === "passed") return;
      const types = result.stage === "not started" ? undefined : await typeError(file);
      const report = types
        ? `${result.report}\n  ${texts[language].types}: ${types}`
        : result.report;
      // An Error would be shown with a stack trace, which says nothing here.
      throw { [Symbol.for("Deno.customInspect")]: () => `CheckError: ${report}` };
    },
  });
}

Deno.test.afterAll(() => checker.close());
