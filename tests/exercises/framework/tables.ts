/** The tables of a class: each student's exercises with totals, and what has changed since last time. */
import { parse, stringify } from "@std/csv";
import type { Result } from "./report.ts";
import type { Pair } from "./similar.ts";

/** How a student's answer to an exercise was graded. */
export type Grade = {
  student: string;
  exercise: string;
  state: Result["state"];
  /** Where it failed, else "". */
  stage: string;
  report: string;
};

const columns = ["student", "exercise", "state", "stage"] as const;

/** The name of the exercise that a file is an answer to: browsers and systems number their copies. */
export function exerciseOf(file: string): string | undefined {
  return /^(.+?)(?: ?\(\d+\)|[ -]+(?:copy|copia)(?: ?\(?\d+\)?)?)?\.ts$/i.exec(file)?.[1];
}

/** A cell that a spreadsheet shows and does not work out: `=1+1` is a formula there. */
function safe(cell: string): string {
  return /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
}

/** A row for each student and exercise. */
export function gradesCSV(grades: Grade[]): string {
  return stringify(
    grades.map((grade) => Object.fromEntries(columns.map((name) => [name, safe(grade[name])]))),
    { columns },
  );
}

/** A row for each student, a column for each exercise, and how many passed, of students and exercises. */
export function totals(grades: Grade[]): string[][] {
  const students = [...new Set(grades.map(({ student }) => student))];
  const exercises = [...new Set(grades.map(({ exercise }) => exercise))];
  const passed = (rows: Grade[]) => String(rows.filter(({ state }) => state === "passed").length);
  const of = (key: "student" | "exercise", name: string) =>
    grades.filter((grade) => grade[key] === name);
  return [
    ["student", ...exercises, "passed"],
    ...students.map((student) => [
      student,
      ...exercises.map((exercise) => {
        const grade = of("student", student).find((grade) => grade.exercise === exercise);
        return grade ? grade.stage || grade.state : "";
      }),
      passed(of("student", student)),
    ]),
    ["passed", ...exercises.map((exercise) => passed(of("exercise", exercise))), passed(grades)],
  ];
}

/** The same as a file for a spreadsheet. */
export function totalsCSV(grades: Grade[]): string {
  return stringify(totals(grades).map((row) => row.map(safe)));
}

/** What is other than in the grades.csv of an earlier run, a line each. */
export function changes(old: string, grades: Grade[]): string[] {
  const before = new Map<string, string>();
  for (const row of parse(old, { skipFirstRow: true }) as Record<string, string>[]) {
    before.set(JSON.stringify([row.student, row.exercise]), row.stage || row.state);
  }
  return grades.flatMap(({ student, exercise, state, stage }) => {
    const was = before.get(JSON.stringify([safe(student), exercise])) ?? "not graded";
    const is = stage || state;
    return was === is ? [] : [`${student}, ${exercise}: ${was} -> ${is}`];
  });
}

/** One page with all: totals, changes, answers that are alike. */
export function page(grades: Grade[], changed: string[], pairs: Pair[]): string {
  const [head, ...rows] = totals(grades);
  const cells = (row: string[], tag: string) =>
    `<tr>${
      row.map((text) =>
        `<${tag} class="${text === "passed" ? "passed" : ""}">${escape(text)}</${tag}>`
      ).join("")
    }</tr>`;
  const alike = pairs.map(({ exercise, students, similarity, own }) =>
    `<h3>${escape(exercise)}: ${students.map(escape).join(", ")}: ${
      Math.round(100 * similarity)
    } %</h3>
<table><tr>${own.map((text) => `<td><pre>${escape(text)}</pre></td>`).join("")}</tr></table>`
  );
  return `<!doctype html>
<meta charset="utf-8">
<title>Grades</title>
<style>
  body { font: 14px sans-serif } table { border-collapse: collapse }
  th, td { border: 1px solid #bbb; padding: 3px 8px; vertical-align: top } td.passed { background: #d6f0d6 }
</style>
<h1>Grades</h1>
<table>${cells(head, "th")}
${rows.map((row) => cells(row, "td")).join("\n")}</table>
<h2>Changes since the last run</h2>
<ul>${changed.map((line) => `<li>${escape(line)}</li>`).join("") || "<li>none</li>"}</ul>
<h2>Answers that are alike</h2>
<p>${warning}</p>
${alike.join("\n") || "<p>none</p>"}
`;
}

/** What has to be said wherever answers that are alike are listed. */
export const warning =
  "Similarity proves nothing: a short exercise has few right answers, and students learn together.";

function escape(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (c) => entities[c]);
}
