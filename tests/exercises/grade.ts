/** `deno task grade DIR`: checks the files of all students in a folder and writes a table. */
import { join } from "node:path";
import { InputError, UsageError } from "lib/io/errors.ts";
import { writeFileAtomic } from "lib/io/files.ts";
import { entries, findEntry, load, startFile } from "./framework/catalog.ts";
import { Checker } from "./framework/checker.ts";
import { fromHere, runCommand } from "./framework/command.ts";
import { fetchPackages } from "./framework/deno.ts";
import type { Language } from "./framework/language.ts";
import type { Result } from "./framework/report.ts";
import { type Pair, similarPairs } from "./framework/similar.ts";
import {
  changes,
  exerciseOf,
  type Grade,
  gradesCSV,
  page,
  totalsCSV,
  warning,
} from "./framework/tables.ts";

/** What ends the processes and removes the folders that are in use. */
const open = new Set<() => Promise<void>>();

// Stopped from outside: nothing stays behind.
const signals = { SIGINT: 130, ...Deno.build.os === "windows" ? {} : { SIGTERM: 143 } };
for (const [signal, code] of Object.entries(signals)) {
  Deno.addSignalListener(signal as Deno.Signal, async () => {
    await Promise.allSettled([...open].map((clean) => clean()));
    Deno.exit(code);
  });
}

await runCommand({
  name: "grade",
  argument: "DIR",
  about: `
    Checks the exercises of many students: each folder in DIR is a student, whose files NAME.ts are in the
    folder itself or in its folder my/. Each student's files run in processes of their own, which have no
    network, no environment, no other process, read only that student's files and the project's, write only
    to a temporary folder, and are stopped after some time or memory. Writes grades.csv and grades.md
    (student, exercise, state, first failing stage), totals.csv and grades.html (a row for each student,
    what has changed since the last run, answers that are alike), and the reports to reports.md.`,
  defaults: { out: "out/grade", exercises: "", seconds: 10, megabytes: 1024, jobs: 2 },
  comments: {
    out: "folder for the tables",
    exercises: "names with commas between them; by default those that any student has begun",
    seconds: "limit of time for each check",
    megabytes: "limit of memory for each student's process",
    jobs: "students at the same time",
  },
}, async ({ argument, language, out, exercises, seconds, megabytes, jobs }) => {
  if (argument === undefined) throw new UsageError("Which folder? deno task grade DIR");
  for (const [name, value] of Object.entries({ seconds, megabytes, jobs })) {
    if (!(value > 0)) {
      throw new UsageError(`Flag --${name} expects a number above 0: given '${value}'`);
    }
  }
  const folder = fromHere(argument);
  const known = new Set(entries().map(({ name }) => name));
  const wanted = exercises.split(",").filter(Boolean).map((name) => findEntry(name).name);
  const students = await findStudents(folder, known);
  if (students.length === 0) {
    throw new InputError(`Cannot grade '${argument}': there is no folder in it`);
  }
  const begun = new Set(students.flatMap(({ files }) => [...files.keys()]));
  const asked = [...known].filter((name) =>
    wanted.length ? wanted.includes(name) : begun.has(name)
  );

  await fetchPackages(new Set(asked.map((name) => findEntry(name).script)));
  const grades = new Map<string, Grade[]>();
  const queue = [...students];
  const work = async () => {
    for (let student; (student = queue.shift());) {
      const rows = await gradeStudent(student, asked, { language, seconds, megabytes });
      grades.set(student.name, rows);
      const passed = rows.filter(({ state }) => state === "passed").length;
      console.log(`${student.name}: ${passed}/${rows.length}`);
    }
  };
  await Promise.all(Array.from({ length: Math.ceil(jobs) }, work));

  const all = students.flatMap(({ name }) => grades.get(name)!);
  const target = fromHere(out);
  await Deno.mkdir(target, { recursive: true });
  const columns = ["student", "exercise", "state", "stage"] as const;
  const old = await Deno.readTextFile(join(target, "grades.csv")).catch(() => undefined);
  const changed = old === undefined ? [] : changes(old, all);
  const pairs = await alike(students, asked, language);
  await writeFileAtomic(join(target, "grades.csv"), gradesCSV(all));
  await writeFileAtomic(join(target, "totals.csv"), totalsCSV(all));
  await writeFileAtomic(join(target, "grades.html"), page(all, changed, pairs));
  await writeFileAtomic(join(target, "grades.md"), markdown(columns, all));
  await writeFileAtomic(join(target, "reports.md"), reports(all));
  for (const line of changed) console.log(`changed: ${line}`);
  for (const { exercise, students, similarity } of pairs) {
    console.log(`alike: ${exercise}: ${students.join(", ")} (${Math.round(100 * similarity)} %)`);
  }
  if (pairs.length > 0) console.log(warning);
  const names = ["grades.csv", "grades.md", "grades.html", "totals.csv", "reports.md"];
  console.log(names.map((name) => join(out, name)).join(", "));
});

interface Student {
  name: string;
  folder: string;
  /** The files of exercises by name. */
  files: Map<string, string>;
}

/** The folders in a folder, with the exercises that are in each. Links are not followed: they may lead to others' files. */
async function findStudents(folder: string, known: Set<string>): Promise<Student[]> {
  const students: Student[] = [];
  for (const entry of await readFolder(folder)) {
    if (!entry.isDirectory || entry.name.startsWith(".")) continue;
    const own = join(folder, entry.name);
    const hasMy = (await readFolder(own)).some(({ name, isDirectory }) =>
      name === "my" && isDirectory
    );
    const place = hasMy ? join(own, "my") : own;
    const files = new Map<string, string>();
    // By length: the file of the exercise's own name goes before its numbered copies.
    const names = (await readFolder(place)).filter(({ isFile }) => isFile).map(({ name }) => name)
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    for (const name of names) {
      const exercise = exerciseOf(name);
      if (exercise === undefined || !known.has(exercise)) continue;
      const taken = files.get(exercise);
      if (taken !== undefined) {
        console.log(`${entry.name}: ${name} is left out, ${taken} is checked`);
        continue;
      }
      if (name !== `${exercise}.ts`) {
        console.log(`${entry.name}: ${name} is taken for ${exercise}.ts`);
      }
      files.set(exercise, name);
    }
    students.push({ name: entry.name, folder: place, files });
  }
  return students.sort((a, b) => a.name < b.name ? -1 : 1);
}

async function readFolder(path: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(path));
  } catch (error) {
    throw new InputError(`Cannot read the folder '${path}': ${(error as Error).message}`);
  }
}

/** The answers that are alike, of all exercises. */
async function alike(students: Student[], asked: string[], language: Language): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const exercise of asked) {
    const entry = findEntry(exercise);
    const answers = new Map<string, string>();
    for (const { name, folder, files } of students) {
      const file = files.get(exercise);
      const path = file && join(folder, file);
      if (path && (await Deno.lstat(path)).size < 1_000_000) {
        answers.set(name, await Deno.readTextFile(path));
      }
    }
    pairs.push(...similarPairs(exercise, answers, startFile(entry, await load(entry), language)));
  }
  return pairs;
}

/** Checks a student's files, in a copy of the folder, so that its paths and links lead nowhere else. */
async function gradeStudent(
  { name: student, folder, files }: Student,
  asked: string[],
  limits: { language: Language; seconds: number; megabytes: number },
): Promise<Grade[]> {
  const temporary = await Deno.realPath(await Deno.makeTempDir());
  const [copy, writable] = [join(temporary, "my"), join(temporary, "tmp")];
  await copyFolder(folder, copy);
  await Deno.mkdir(writable);
  const checker = new Checker({
    ...limits,
    readable: temporary,
    writable,
    fetchPackages: false,
    onPrint: () => {},
  });
  const grades: Grade[] = [];
  const clean = async () => {
    open.delete(clean);
    await checker.close();
    await Deno.remove(temporary, { recursive: true });
  };
  open.add(clean);
  try {
    for (const exercise of asked) {
      const file = files.get(exercise);
      const result: Result = file
        ? await checker.check(exercise, { path: join(copy, file), shown: `my/${file}` })
          .catch((error) => brokenCheck(exercise, error))
        : { exercise, state: "not started", report: "" };
      const stage = result.state === "failed" ? result.stage! : "";
      grades.push({ student, exercise, state: result.state, stage, report: result.report });
    }
  } finally {
    if (open.has(clean)) await clean();
  }
  return grades;
}

/** What is graded if a check breaks on an answer that it does not foresee; the class goes on. */
function brokenCheck(exercise: string, error: unknown): Result {
  return { exercise, state: "failed", stage: "crash", report: `${exercise}: ${error}` };
}

/** Copies plain files and folders, no links, and no file that is too large to be an answer. */
async function copyFolder(from: string, to: string, depth = 0): Promise<void> {
  await Deno.mkdir(to);
  for (const { name, isFile, isDirectory } of await readFolder(from)) {
    const source = join(from, name);
    if (isFile && (await Deno.lstat(source)).size < 1_000_000) {
      await Deno.copyFile(source, join(to, name));
    } else if (isDirectory && depth < 3) await copyFolder(source, join(to, name), depth + 1);
  }
}

function markdown(columns: readonly (keyof Grade)[], grades: Grade[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const row = (cells: string[]) => `| ${cells.map(cell).join(" | ")} |\n`;
  const body = grades.map((grade) => row(columns.map((column) => grade[column])));
  return row([...columns]) + row(columns.map(() => "---")) + body.join("");
}

function reports(grades: Grade[]): string {
  return grades.filter(({ report, state }) => report && state !== "passed")
    .map(({ student, report }) => `## ${student}\n\n\`\`\`\n${report}\n\`\`\`\n`).join("\n");
}
