/**
 * Checks files in a process of their own, with narrow permissions and limits of time and memory, so that whatever a file
 * does, the check of it ends with a report.
 */
import { dirname } from "node:path";
import { findEntry, load } from "./catalog.ts";
import type { Language } from "./language.ts";
import { failed, type Reason, type Result, type StudentFile } from "./report.ts";
import { type Limits, Process } from "./process.ts";
import { texts } from "./texts.ts";

/** Settings of a {@linkcode Checker}; those of its process have defaults: 2048 megabytes, the first file's folder. */
export interface CheckerOptions extends Partial<Limits> {
  language: Language;
  /** Seconds for one check; 10 by default. */
  seconds?: number;
}

/** One process that checks files one after the other; a new one takes its place if a file ends it. */
export class Checker {
  readonly #options: CheckerOptions;
  #process?: Promise<Process>;
  /** What the process checks: it knows one exercise only. */
  #exercise?: string;

  constructor(options: CheckerOptions) {
    this.#options = options;
  }

  /** Starts the process, if there is none, so that the next check of a file in this folder need not wait for it. */
  start(folder: string): Promise<Process> {
    const onPrint = (text: string) => console.log(text);
    const limits = { megabytes: 2048, readable: folder, onPrint, ...this.#options };
    return this.#process ??= Process.start(limits);
  }

  /** Checks a file as the answer to an exercise. */
  async check(name: string, file: StudentFile): Promise<Result> {
    const { language, seconds = 10, megabytes = 2048 } = this.#options;
    const t = texts[language];
    if (this.#exercise !== undefined && this.#exercise !== name) await this.close();
    this.#exercise = name;
    const process = await this.start(dirname(file.path));
    const outcome = await process.ask({ name, file, language }, seconds);
    if ("answer" in outcome) {
      const answer = outcome.answer as Result | { broken: string };
      if ("broken" in answer) throw new Error(`The check of ${name} is broken: ${answer.broken}`);
      return answer;
    }
    this.#process = undefined;
    const { look } = await load(findEntry(name));
    const ended = (reason: Omit<Reason, "stage">, stage: Reason["stage"] = "crash") =>
      failed(name, { look, shown: file.shown }, { stage, ...reason }, language);
    const why = {
      time: () => ended({ message: t.endless(seconds), means: t.unknownEndless }, "endless loop"),
      memory: () => ended({ message: t.crash(t.memory(megabytes)), means: t.unknownCrash }),
      flood: () => ended({ message: t.crash(t.flood), means: t.unknownEndless }),
      exit: () => ended({ message: t.crash(t.exit(outcome.code)), means: t.unknownCrash }),
    };
    return why[outcome.end]();
  }

  /** Ends the process. */
  async close(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await (await process)?.kill();
  }
}
