/** `deno task grade DIR`: checks the files of all students in a folder and writes a table. */
import { join } from "node:path";
import { stringify } from "@std/csv";
import { InputError, UsageError } from "lib/io/errors.ts";
import { writeFileAtomic } from "lib/io/files.ts";
import { entries, findEntry } from "./framework/catalog.ts";
import { Checker } from "./framework/checker.ts";
import { fromHere, runCommand } from "./framework/command.ts";
import { fetchPackages } from "./framework/deno.ts";
import type { Language } from "./framework/language.ts";
import type { Result } from "./framework/report.ts";

type Grade = {
  student: string;
  exercise: string;
  state: Result["state"];
  stage: string;
  report: string;
};

await runCommand({
  name: "grade",
  argument: "DIR",
  about: `
    Checks the exercises of many students: each folder in DIR is a student, whose files NAME.ts are in the
    folder itself or in its folder my/. Each student's files run in processes of their own, which have no
    network, no environment, no other process, read only that student's files and the project's, write only
    to a temporary folder, and are stopped after some time or memory. Writes grades.csv and grades.md
    (student, exercise, state, first failing stage), and the reports to reports.md.`,
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
  await writeFileAtomic(join(target, "grades.csv"), stringify(all, { columns }));
  await writeFileAtomic(join(target, "grades.md"), markdown(columns, all));
  await writeFileAtomic(join(target, "reports.md"), reports(all));
  console.log(`${join(out, "grades.csv")}, ${join(out, "grades.md")}, ${join(out, "reports.md")}`);
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
    const files = (await readFolder(place)).filter(({ name, isFile }) =>
      isFile && name.endsWith(".ts") && known.has(name.slice(0, -3))
    );
    students.push({
      name: entry.name,
      folder: place,
      files: new Map(files.map(({ name }) => [name.slice(0, -3), name])),
    });
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
    await checker.close();
    await Deno.remove(temporary, { recursive: true });
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
