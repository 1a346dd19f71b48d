/** How alike two answers are, by their tokens: renamed variables, comments and layout do not count. */

/** Two students' answers to one exercise that are alike. */
export interface Pair {
  exercise: string;
  students: [string, string];
  /** From 0 to 1: how many of the runs of tokens in either answer stand in both. */
  similarity: number;
  /** The lines of each that are not in the exercise's start file. */
  own: [string, string];
}

const words = new Set(
  ("async await break case catch class const continue default delete do else export extends " +
    "false finally for function if import in instanceof let new null of return static super " +
    "switch this throw true try typeof undefined var void while yield").split(" "),
);

/** The tokens of a program: every name that is no word of the language is `x`, every number 0. */
export function tokens(source: string): string[] {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|[\p{L}_$][\p{L}\d_$]*|\d[\w.]*|[^\s\w]/gu;
  return [...source.matchAll(token)].map(([text]) => text)
    .filter((text) => !/^\/[/*]/.test(text))
    .map((text) => {
      if (/^["'`]/.test(text)) return '""';
      if (/^\d/.test(text)) return "0";
      return /^[\p{L}_$]/u.test(text) && !words.has(text) ? "x" : text;
    });
}

/** The runs of `length` tokens in a program that are not in `start` as well. */
function runs(source: string, start: Set<string>, length: number): Set<string> {
  const all = tokens(source);
  const found = new Set<string>();
  for (let i = 0; i + length <= all.length; i++) {
    const run = all.slice(i, i + length).join(" ");
    if (!start.has(run)) found.add(run);
  }
  return found;
}

/**
 * The pairs of answers to an exercise that are alike, the most alike first.
 *
 * @param answers The students' files by their names
 * @param start What all of them began with: it does not count
 * @param options.least The least similarity (default 0.8)
 * @param options.shortest Answers with fewer runs of tokens of their own are alike by necessity
 * (default 20)
 */
export function similarPairs(
  exercise: string,
  answers: Map<string, string>,
  start: string,
  { least = 0.8, shortest = 20, length = 6 } = {},
): Pair[] {
  const begun = runs(start, new Set(), length);
  const lines = new Set(start.split(/\r?\n/).map((line) => line.trim()));
  const own = (text: string) =>
    text.split(/\r?\n/).filter((line) => line.trim() && !lines.has(line.trim())).join("\n");
  const all = [...answers].map(([student, text]) => ({
    student,
    runs: runs(text, begun, length),
    own: own(text),
  })).filter(({ runs }) => runs.size >= shortest);
  const pairs: Pair[] = [];
  for (const [i, a] of all.entries()) {
    for (const b of all.slice(i + 1)) {
      const both = a.runs.intersection(b.runs).size;
      const similarity = both / (a.runs.size + b.runs.size - both);
      if (similarity < least) continue;
      pairs.push({ exercise, students: [a.student, b.student], similarity, own: [a.own, b.own] });
    }
  }
  return pairs.sort((a, b) => b.similarity - a.similarity);
}
