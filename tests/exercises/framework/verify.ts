/** Checks the check of an exercise: on its start file, its solutions and its wrong answers. */
import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { answerFile, type Entry, root, startFile } from "./catalog.ts";
import { type Code, EditError } from "./edits.ts";
import type { Exercise } from "./exercise.ts";
import { runCheck } from "./run_check.ts";

const folder = fileURLToPath(new URL("out/exercises/", root));

/** Writes a file of the workspace, unless it is there already, so that Deno compiles it once. */
async function write(path: string, text: string): Promise<string> {
  const old = await Deno.readTextFile(path).catch(() => undefined);
  if (old === text) return path;
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(temporary, text);
  await Deno.rename(temporary, path);
  return path;
}

/** Registers a step for each thing that a check must tell right from wrong. */
export async function verify(entry: Entry, exercise: Exercise, t: Deno.TestContext): Promise<void> {
  const { name, script } = entry;
  const check = async (variant: string, text: string) => {
    const path = await write(`${folder}${name}/${variant}.ts`, text);
    return await runCheck(name, exercise, { path, shown: `my/${name}.ts` }, "en");
  };
  /** The text of a file, or what is to be mended if the script has changed. */
  const edited = (make: () => string) => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof EditError)) throw error;
      throw new Error(
        `The exercise ${name} does not fit today's scripts/${script}.ts: ${error.message}; ` +
          `mend the edits in tests/exercises/${script}/${name}.ts`,
      );
    }
  };
  const answer = (code: Code) => edited(() => answerFile(entry, exercise, code));

  await t.step("the start file waits for an answer", async () => {
    for (const language of ["en", "es"] as const) {
      const text = edited(() => startFile(entry, exercise, language));
      const { state, report } = await check(`start_${language}`, text);
      assertEquals(state, "not started", report);
    }
  });
  for (const [i, code] of [exercise.solution, ...exercise.others ?? []].entries()) {
    await t.step(i === 0 ? "the solution passes" : `right answer ${i + 1} passes`, async () => {
      const { state, report } = await check(`right${i + 1}`, answer(code));
      assertEquals(state, "passed", report);
    });
  }
  const diagnoses = Object.entries(exercise.diagnoses);
  for (const [diagnosis, { wrong }] of diagnoses) {
    for (const [i, code] of wrong.entries()) {
      await t.step(`wrong answer '${diagnosis}' is recognised (${i + 1})`, async () => {
        const result = await check(`wrong_${diagnosis}${i + 1}`, answer(code));
        assertEquals(result.state, "failed", `passes: ${code}`);
        assertEquals(result.diagnosis, diagnosis, result.report);
      });
    }
  }
  await t.step("the texts are there in both languages", () => {
    const texts = [exercise.title, exercise.task, ...exercise.hints];
    for (const { en, es } of [...texts, ...diagnoses.map(([, { means }]) => means)]) {
      assert(en.trim() && es.trim() && en !== es, `${en} / ${es}`);
    }
    assert(exercise.hints.length >= 2, "want two hints at least");
    assert(
      diagnoses.flatMap(([, { wrong }]) => wrong).length >= 3,
      "want three wrong answers at least",
    );
    assert(
      diagnoses.every(([, { wrong }]) => wrong.length > 0),
      "each diagnosis needs a wrong answer",
    );
  });
}
