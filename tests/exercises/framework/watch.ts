/** Checks files for the commands: once, or whenever they are saved. */
import { dirname } from "node:path";
import { Checker } from "./checker.ts";
import { typeError } from "./deno.ts";
import type { Language } from "./language.ts";
import type { Result, StudentFile } from "./report.ts";
import { texts } from "./texts.ts";

/** Checks a file, prints the report and then, where the check failed, the first type error, which takes longer to find. */
export async function checkFile(
  name: string,
  file: StudentFile,
  checker: Checker,
  language: Language,
  heading = "",
): Promise<Result> {
  const result = await checker.check(name, file);
  console.log(heading + result.report);
  if (result.state === "failed") {
    const types = await typeError(file);
    if (types) console.log(`  ${texts[language].types}: ${types}`);
  }
  return result;
}

/**
 * Checks a file now and after each save, without end. The text itself is read again and again: unlike the system's
 * events, which get lost when there are many, that misses no save, however an editor makes it.
 */
export async function watchFile(name: string, file: StudentFile, language: Language) {
  console.log(texts[language].watching(file.shown));
  let checked: string | undefined;
  for (;;) {
    // Each check has a process of its own, which loads the file anew; it starts before it is needed.
    const checker = new Checker({ language });
    await checker.start(dirname(file.path));
    checked = await nextText(file.path, checked);
    await checkFile(name, file, checker, language, `\n[${new Date().toLocaleTimeString()}] `);
    await checker.close();
  }
}

/** Waits until a file's text is another one than `old`, and stays the same while it could be being written. */
async function nextText(path: string, old: string | undefined): Promise<string> {
  for (let last = old;;) {
    // While an editor replaces the file, there is none.
    const text = await Deno.readTextFile(path).catch(() => old);
    if (text !== undefined && text !== old && text === last) return text;
    last = text;
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
