/** `deno task hint NAME`: the next hint to an exercise. */
import { dirname, join } from "node:path";
import { UsageError } from "lib/io/errors.ts";
import { findEntry, load } from "./framework/catalog.ts";
import { paragraph, runCommand, studentFile } from "./framework/command.ts";

const words = {
  en: {
    hint: (i: number, n: number) => `Hint ${i} of ${n}:`,
    more: "Ask again for the next one.",
    last: (name: string) => `That was the last one. A solution: deno task solution ${name}`,
  },
  es: {
    hint: (i: number, n: number) => `Pista ${i} de ${n}:`,
    more: "Vuelve a pedirla para ver la siguiente.",
    last: (name: string) => `Era la última. Una solución: deno task solution ${name}`,
  },
};

await runCommand({
  name: "hint",
  argument: "NAME",
  about: `
    Prints the next hint to the exercise NAME, from a nudge to almost the answer; after the last one,
    the last one again. What you have seen is noted in my/.hints.json.`,
  defaults: { all: false },
  comments: { all: "all hints so far and to come" },
}, async ({ argument: name, all, language, folder }) => {
  if (name === undefined) throw new UsageError("Which exercise? deno task hint NAME");
  const { hints } = await load(findEntry(name));
  const w = words[language];
  const notes = join(dirname(studentFile(name, folder).path), ".hints.json");
  const seen = await readSeen(notes);
  const next = Math.min((seen[name] ?? 0) + 1, hints.length);
  const shown = all ? hints.length : next;
  for (let i = all ? 1 : shown; i <= shown; i++) {
    console.log(`${w.hint(i, hints.length)}\n${paragraph(hints[i - 1], language, "  ")}`);
  }
  console.log(shown === hints.length ? w.last(name) : w.more);
  await Deno.mkdir(dirname(notes), { recursive: true });
  await Deno.writeTextFile(notes, `${JSON.stringify({ ...seen, [name]: shown }, null, 2)}\n`);
});

/** How many hints were given to each exercise; none, if the notes cannot be read. */
async function readSeen(path: string): Promise<Record<string, number>> {
  try {
    const seen = JSON.parse(await Deno.readTextFile(path));
    return Object.fromEntries(
      Object.entries(seen).filter(([, n]) => Number.isInteger(n)),
    ) as Record<string, number>;
  } catch {
    return {};
  }
}
