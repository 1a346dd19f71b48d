/** What an exercise is made of, and the files that are made of it; exercises import all they need from here. */
import type { Check } from "./check.ts";
import { type Code, type Edit, EditError, fill } from "./edits.ts";
import type { Language, Text } from "./language.ts";

export { append, body, imports, replace, todo } from "./edits.ts";
export type { Code } from "./edits.ts";
export type { Text } from "./language.ts";

/** What a wrong answer means, in one sentence, and the answers that the checker must recognise by it. */
export interface Diagnosis {
  means: Text;
  wrong: Code[];
}

/** An exercise: a file tests/exercises/SCRIPT/NAME.ts exports one as its default. */
export interface Exercise<D extends string = string> {
  /** 1: first steps, 2: needs thought, 3: hard. */
  level: 1 | 2 | 3;
  title: Text;
  /** What is to be written: a few lines. */
  task: Text;
  /** From a nudge to almost the answer. */
  hints: Text[];
  /** What a failing check points to: a function, or a section of a paper. */
  look: string;
  /** Edits that make the start file of the script. */
  start: Edit[];
  solution: Code;
  /** Right answers that are written in another way. */
  others?: Code[];
  diagnoses: Record<D, Diagnosis>;
  /** Throws, through the methods of `t`, at the first thing that is not right. */
  check(t: Check<D>): void | Promise<void>;
}

/** An exercise with the names of its diagnoses checked. */
export function exercise<const D extends string>(e: Exercise<D>): Exercise<D> {
  return e;
}

/** The text of a script with an exercise's answer in the place of its TODO. */
export function applyCode(source: string, { start }: Exercise, code: Code): string {
  return fill(source, start, (i, count) => {
    const codes = [code].flat();
    if (codes.length !== count) {
      throw new EditError(`there are ${count} TODOs, but code for ${codes.length}`);
    }
    return codes[i];
  });
}

/** The text of a script in which an exercise is still to be done. */
export function applyStart(
  source: string,
  { start, title }: Exercise,
  name: string,
  language: Language,
): string {
  return fill(source, start, (_i, _count, old) => {
    const comment = `// TODO ${name}: ${title[language]}\nthrow new Error("TODO ${name}"); // `;
    const take = {
      en: old ? "take this line away and change what follows" : "your code instead of this line",
      es: old ? "quita esta línea y cambia lo que sigue" : "tu código en lugar de esta línea",
    };
    return `${comment}${take[language]}${old ? `\n${old}` : ""}`;
  });
}
