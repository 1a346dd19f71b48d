/** How a check ends, and what a student reads of it. */
import type { Language } from "./language.ts";
import { texts } from "./texts.ts";

/** Where a check fails: the first of these that does. */
export type Stage =
  | "not started"
  | "does not load"
  | "missing export"
  | "throws"
  | "shape"
  | "NaN"
  | "value"
  | "gradient"
  | "cost"
  | "endless loop"
  | "forbidden"
  | "crash";

/** Why a check fails. The first line is `message`, the others follow in this order. */
export interface Reason {
  stage: Stage;
  message: string;
  detail?: string;
  input?: string;
  means: string;
  /** The diagnosis of the exercise that `means` is. */
  diagnosis?: string;
}

/** Ends a check. */
export class Failure extends Error {
  override name = "Failure";
  constructor(readonly reason: Reason) {
    super(reason.message);
  }
}

/** A file of a student, and how reports call it. */
export interface StudentFile {
  path: string;
  shown: string;
}

/** How a check ended. */
export interface Result {
  exercise: string;
  state: "passed" | "failed" | "not started";
  /** Where it failed. */
  stage?: Stage;
  /** The name of the diagnosis, if the exercise has one that fits. */
  diagnosis?: string;
  /** What a student reads, several lines. */
  report: string;
}

/** The result of a check that found nothing wrong. */
export function passed(name: string, language: Language): Result {
  return { exercise: name, state: "passed", report: `${name}: ${texts[language].passed}` };
}

/**
 * The result of a check that failed, with its report: what, where, from which input, what it means, and where to look
 * next.
 *
 * @param name The exercise
 * @param options.look What the exercise points to
 * @param options.shown The student's file
 */
export function failed(
  name: string,
  { look, shown }: { look: string; shown: string },
  { stage, message, detail, input, means, diagnosis }: Reason,
  language: Language,
): Result {
  const t = texts[language];
  const lines = [
    `${name}: ${message}`,
    ...detail ? [detail] : [],
    ...input ? [`${t.input}: ${input}`] : [],
    `${t.means}: ${means}`,
    `${t.next}: ${shown}, ${look}   ${t.hint}: deno task hint ${name}`,
    `${t.check}: deno task check ${name}`,
  ];
  return {
    exercise: name,
    state: stage === "not started" ? "not started" : "failed",
    stage,
    diagnosis,
    report: lines.join("\n  "),
  };
}
