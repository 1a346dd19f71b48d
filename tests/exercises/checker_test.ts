/** Checks the checker: each exercise tells right answers from wrong ones, and fits today's scripts. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath, pathToFileURL } from "node:url";
import { applyStart, body, type Exercise, replace } from "./framework/exercise.ts";
import { loadAll, root } from "./framework/catalog.ts";
import { verify } from "./framework/verify.ts";

const all = await loadAll();

for (const script of new Set(all.map(({ script }) => script))) {
  Deno.test({
    name: `the checks of the exercises on ${script} tell right from wrong`,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      for (const entry of all.filter((entry) => entry.script === script)) {
        await t.step(entry.name, (t) => verify(entry, entry.exercise, t));
      }
    },
  });
}

Deno.test("there are enough exercises, under names of their own, three to six a script", async () => {
  assert(all.length >= 36, `${all.length} exercises`);
  assertEquals(new Set(all.map(({ name }) => name)).size, all.length);
  const readme = await Deno.readTextFile(new URL("README.md", root));
  assertStringIncludes(readme, `There are ${all.length} exercises`);
  const perScript = Object.groupBy(all, ({ script }) => script);
  for (const [script, exercises] of Object.entries(perScript)) {
    assert(exercises!.length >= 3 && exercises!.length <= 6, `${script}: ${exercises!.length}`);
  }
  const others = all.filter(({ exercise }) => (exercise.others ?? []).length > 0);
  assert(others.length >= 10, "want second solutions");
});

Deno.test({
  name: "the example for teachers in README.md is an exercise",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const readme = await Deno.readTextFile(new URL("./README.md", import.meta.url));
    const code = /```ts\n(import[\s\S]*?)```/.exec(readme)![1];
    assert(code.split("\n").length <= 50, "the example is to be short");
    const framework = new URL("./framework/", import.meta.url).href;
    const folder = fileURLToPath(new URL("out/exercises/readme/", root));
    await Deno.mkdir(folder, { recursive: true });
    const path = `${folder}accuracy.ts`;
    await Deno.writeTextFile(path, code.replaceAll("../framework/", framework));
    const url = pathToFileURL(path);
    const { default: exercise } = await import(url.href);
    await verify({ name: "accuracy", script: "logistic-regressor", url }, exercise, t);
  },
});

Deno.test("an edit that no longer fits the script says so", () => {
  const source = "export function f() {\n  return 1;\n}\n";
  const edits = [[body("g"), "no g()"], [body("C.f"), "no class C"], [
    replace("2", "3"),
    "0 times",
  ]] as const;
  for (const [edit, message] of edits) {
    const exercise = { start: [edit], title: { en: "", es: "" } } as unknown as Exercise;
    try {
      applyStart(source, exercise, "x", "en");
      throw new Error("applied");
    } catch (error) {
      assertStringIncludes((error as Error).message, message);
    }
  }
});
