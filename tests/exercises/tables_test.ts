/** Tests of the tables of a class, and of what finds answers that are alike. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { similarPairs, tokens } from "./framework/similar.ts";
import {
  changes,
  exerciseOf,
  type Grade,
  gradesCSV,
  page,
  totals,
  totalsCSV,
} from "./framework/tables.ts";

const grade = (student: string, exercise: string, state: Grade["state"], stage = ""): Grade => ({
  student,
  exercise,
  state,
  stage,
  report: "",
});
const grades = [
  grade("ana", "top_k", "passed"),
  grade("ana", "top_p", "failed", "value"),
  grade("<b>", "top_k", "not started"),
  grade("<b>", "top_p", "passed"),
];

Deno.test("exerciseOf() knows the names that browsers and systems give to copies", () => {
  const names = ["top_p.ts", "top_p (1).ts", "top_p(12).ts", "top_p - Copy.ts", "top_p copy 2.ts"];
  const more = ["top_p - copia (2).ts", "top_p - Copy (3).ts"];
  for (const name of [...names, ...more]) assertEquals(exerciseOf(name), "top_p", name);
  assertEquals(exerciseOf("top_p.txt"), undefined);
  assertEquals(exerciseOf("top_p_2.ts"), "top_p_2"); // another name, not a copy
});

Deno.test("totals() has a row for each student, a column for each exercise, and their sums", () => {
  assertEquals(totals(grades), [
    ["student", "top_k", "top_p", "passed"],
    ["ana", "passed", "value", "1"],
    ["<b>", "not started", "passed", "1"],
    ["passed", "1", "1", "2"],
  ]);
  assertEquals(parse(totalsCSV(grades)), totals(grades));
});

Deno.test("no name is a formula in a spreadsheet", () => {
  for (const name of ["=1+1", "+1", "-1", "@A1", "\t=1", '=HYPERLINK("http://a","b")']) {
    const rows = parse(gradesCSV([grade(name, "top_k", "passed")]), { skipFirstRow: true });
    assertEquals((rows as Record<string, string>[])[0].student, `'${name}`);
    assert(parse(totalsCSV([grade(name, "top_k", "passed")]))[1][0].startsWith("'"));
  }
});

Deno.test("changes() says what is other than in an earlier run", () => {
  const old = gradesCSV([...grades.slice(0, 3), grade("=x", "top_k", "passed")]);
  const now = [...grades, grade("=x", "top_k", "failed", "NaN")];
  assertEquals(changes(old, grades.slice(0, 3)), []);
  assertEquals(changes(old, now), ["<b>, top_p: not graded -> passed", "=x, top_k: passed -> NaN"]);
});

Deno.test("page() shows names as texts", () => {
  const own: [string, string] = ["a < b", "c < d"];
  const pair = {
    exercise: "top_k",
    students: ["ana", "<b>"] as [string, string],
    similarity: 1,
    own,
  };
  const html = page(grades, ["<b>: x -> y"], [pair]);
  assert(!/<b>/.test(html), html);
  for (const text of ["&lt;b&gt;: x -&gt; y", "a &lt; b", "100 %", "proves nothing"]) {
    assertStringIncludes(html, text);
  }
});

Deno.test("answers are alike whatever their names, comments and layout are", () => {
  assertEquals(tokens("let a1 = 'x'; // no\nreturn a1 * 2.5e3;"), [
    ...["let", "x", "=", '""', ";", "return", "x", "*", "0", ";"],
  ]);
  const start = "export function f(x: number[]) {\n  throw 1;\n}\n";
  const one = `export function f(x: number[]) {
    let sum = 0;
    for (const value of x) if (value > 0) sum += value * value;
    return Math.sqrt(sum) / (x.length + 1);
  }`;
  const renamed = one.replaceAll("sum", "total").replaceAll("value", "v").replace(
    "let",
    "/* a */ let",
  )
    .replaceAll("\n", "\r\n\r\n");
  const other = `export function f(x: number[]) {
    const kept = x.filter((each) => each > 0).map((each) => each ** 2);
    return kept.reduce((a, b) => a + b, 0) ** 0.5 / (1 + x.length);
  }`;
  const answers = new Map(
    Object.entries({ ana: one, ben: renamed, carla: other, dan: start, eva: start }),
  );
  const pairs = similarPairs("f", answers, start);
  assertEquals(pairs.map(({ students, similarity }) => [students, similarity]), [[
    ["ana", "ben"],
    1,
  ]]);
  assertStringIncludes(pairs[0].own[0], "let sum = 0;");
  assert(!pairs[0].own[0].includes("export function"), "what all began with is left out");
});
