/** Checks the checker: for every exercise its start file, solution, second solutions and wrong answers. */
import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { answerFile, loadAll, root, startFile } from "./framework/catalog.ts";
import { type Code, EditError } from "./framework/exercise.ts";
import { runCheck } from "./framework/run_check.ts";

const all = await loadAll();
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

for (const script of new Set(all.map(({ script }) => script))) {
  Deno.test({
    name: `the checks of the exercises on ${script} tell right from wrong`,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      for (const entry of all.filter((entry) => entry.script === script)) {
        await t.step(`${entry.name}`, async (t) => {
          const { name, exercise } = entry;
          const check = async (variant: string, text: string) => {
            const path = await write(`${folder}${name}/${variant}.ts`, text);
            return await runCheck(name, exercise, { path, shown: `my/${name}.ts` }, "en");
          };
          const answer = (code: Code) => {
            try {
              return answerFile(entry, exercise, code);
            } catch (error) {
              if (!(error instanceof EditError)) throw error;
              throw new Error(
                `The exercise ${name} does not fit today's scripts/${script}.ts: ${error.message}; ` +
                  `mend the edits in tests/exercises/${script}/${name}.ts`,
              );
            }
          };
          await t.step("the start file waits for an answer", async () => {
            for (const language of ["en", "es"] as const) {
              const text = startFile(entry, exercise, language);
              const result = await check(`start_${language}`, text);
              assertEquals(result.state, "not started", result.report);
            }
          });
          for (const [i, code] of [exercise.solution, ...exercise.others ?? []].entries()) {
            await t.step(
              i === 0 ? "the solution passes" : `right answer ${i + 1} passes`,
              async () => {
                const { state, report } = await check(`right${i + 1}`, answer(code));
                assertEquals(state, "passed", report);
              },
            );
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
            const wrong = diagnoses.flatMap(([, { wrong }]) => wrong);
            assert(wrong.length >= 3, "want three typical wrong answers at least");
            assert(
              diagnoses.every(([, { wrong }]) => wrong.length > 0),
              "each diagnosis needs one",
            );
          });
        });
      }
    },
  });
}
