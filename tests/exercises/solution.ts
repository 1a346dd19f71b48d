/** `deno task solution NAME`: what a solution changes in the start file. */
import { createTwoFilesPatch } from "diff";
import { UsageError } from "lib/io/errors.ts";
import { answerFile, findEntry, load, startFile } from "./framework/catalog.ts";
import { exists, runCommand, studentFile } from "./framework/command.ts";
import { texts } from "./framework/texts.ts";

await runCommand({
  name: "solution",
  argument: "NAME",
  about: `
    Prints what a solution of the exercise NAME changes in the start file, or in your file (--mine), as a
    diff: lines with a minus go, lines with a plus come.`,
  defaults: { mine: false },
  comments: { mine: "compare with your file instead of the start file" },
}, async ({ argument: name, mine, language, folder }) => {
  if (name === undefined) throw new UsageError("Which exercise? deno task solution NAME");
  const entry = findEntry(name);
  const exercise = await load(entry);
  const { path, shown } = studentFile(name, folder);
  if (mine && !exists(path)) {
    throw new UsageError(texts[language].notBegun(shown, name));
  }
  const old = mine ? await Deno.readTextFile(path) : startFile(entry, exercise, language);
  const solution = answerFile(entry, exercise, exercise.solution);
  console.log(createTwoFilesPatch(shown, `solution of ${name}`, old, solution).trimEnd());
});
