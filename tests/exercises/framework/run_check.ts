/** Checks one file in this process, and writes what a student reads of it. */
import * as tf from "@tensorflow/tfjs";
import { pathToFileURL } from "node:url";
import { startDevice } from "lib/device.ts";
import { seedAll } from "lib/random.ts";
import { Check, Failure, placeIn, type Reason, type Stage } from "./check.ts";
import type { Exercise, Language } from "./exercise.ts";
import { texts } from "./texts.ts";

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

/** Loads a file and checks it. Everything runs in this process: an endless loop in the file does not end. */
export async function runCheck(
  name: string,
  exercise: Exercise,
  file: StudentFile,
  language: Language,
): Promise<Result> {
  await startDevice("reference");
  seedAll(1234);
  tf.engine().startScope();
  try {
    const url = pathToFileURL(file.path).href;
    const shown = { url, shown: file.shown };
    const exports = await loadFile(shown, language);
    await exercise.check(new Check(exports, exercise.diagnoses, shown, language));
    return passed(name, language);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return failed(name, exercise, file, error.reason, language);
  } finally {
    tf.engine().endScope();
  }
}

async function loadFile(file: { url: string; shown: string }, language: Language) {
  try {
    return await import(file.url);
  } catch (error) {
    const { message } = error as Error;
    const text = (error instanceof Error ? message : String(error)).split("\n")[0]
      .replace(/^SyntaxError: /, "").replaceAll(file.url, file.shown);
    const place = placeIn(file, error);
    // What Deno cannot read has its place in the message, what the file itself throws in the stack.
    const unreadable = error instanceof SyntaxError || String(message).includes("file://");
    throw new Failure({
      stage: "does not load",
      message: texts[language].doesNotLoad(text) + (place ? texts[language].at(place) : ""),
      means: unreadable ? texts[language].unknownLoad : texts[language].unknownLoadThrow,
    });
  }
}

function passed(exercise: string, language: Language): Result {
  const text = { en: "all checks pass", es: "pasa todas las comprobaciones" }[language];
  return { exercise, state: "passed", report: `${exercise}: ${text}` };
}

/** The result with its report: what, where, from which input, what it means, and where to look next. */
export function failed(
  name: string,
  exercise: Exercise,
  { shown }: StudentFile,
  { stage, message, detail, input, means, diagnosis }: Reason,
  language: Language,
): Result {
  const t = texts[language];
  const lines = [
    `${name}: ${message}`,
    ...detail ? [detail] : [],
    ...input ? [`${t.input}: ${input}`] : [],
    `${t.means}: ${means}`,
    `${t.next}: ${shown}, ${exercise.look}   ${t.hint}: deno task hint ${name}`,
  ];
  return {
    exercise: name,
    state: stage === "not started" ? "not started" : "failed",
    stage,
    diagnosis,
    report: lines.join("\n  "),
  };
}
