/** Checks one file in this process. */
import * as tf from "@tensorflow/tfjs";
import { pathToFileURL } from "node:url";
import { startDevice } from "lib/device.ts";
import { seedAll } from "lib/random.ts";
import { Check, describe, placeIn } from "./check.ts";
import type { Exercise } from "./exercise.ts";
import type { Language } from "./language.ts";
import { failed, Failure, passed, type Result, type StudentFile } from "./report.ts";
import { texts } from "./texts.ts";

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
    return failed(name, { look: exercise.look, shown: file.shown }, error.reason, language);
  } finally {
    tf.engine().endScope();
  }
}

async function loadFile(file: { url: string; shown: string }, language: Language) {
  try {
    return await import(file.url);
  } catch (error) {
    const { message } = describe(error);
    const text = message.split("\n")[0]
      .replace(/^SyntaxError: /, "").replaceAll(file.url, file.shown);
    const place = placeIn(file, error);
    // What Deno cannot read has its place in the message, what the file itself throws in the stack.
    const unreadable = error instanceof SyntaxError || message.includes("file://");
    throw new Failure({
      stage: "does not load",
      message: texts[language].doesNotLoad(text) + (place ? texts[language].at(place) : ""),
      means: unreadable ? texts[language].unknownLoad : texts[language].unknownLoadThrow,
    });
  }
}
