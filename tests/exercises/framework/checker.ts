/**
 * Checks files in a process of their own, with narrow permissions and limits of time and memory, so that whatever a file
 * does, the check of it ends with a report.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "lib/io/errors.ts";
import { findEntry, load, root } from "./catalog.ts";
import type { Reason } from "./check.ts";
import type { Language } from "./exercise.ts";
import { failed, type Result, type StudentFile } from "./run_check.ts";
import { texts } from "./texts.ts";

/** Settings of a {@linkcode Checker}. */
export interface CheckerOptions {
  language: Language;
  /** Seconds for one check; 10 by default. */
  seconds?: number;
  /** Megabytes of memory of the process; 2048 by default. */
  megabytes?: number;
  /** The only folder that files may read beside the project's; by default that of the first file. */
  readable?: string;
  /** The only folder that files may write to; none by default. */
  writable?: string;
  /** Whether packages that are not there yet may be fetched for a file, as `deno run` does; true by default. */
  fetchPackages?: boolean;
  /** Gets what the files print; by default it goes to the terminal. */
  onPrint?: (text: string) => void;
}

type Settings =
  & CheckerOptions
  & Required<Pick<CheckerOptions, "seconds" | "megabytes" | "onPrint">>;

const enough = 10_000_000; // characters that a file may print

/** One process that checks files one after the other; a new one takes its place if a file ends it. */
export class Checker {
  readonly #options: Settings;
  #process?: Process;

  constructor(options: CheckerOptions) {
    const onPrint = (text: string) => console.log(text);
    this.#options = { seconds: 10, megabytes: 2048, onPrint, ...options };
  }

  /** Checks a file as the answer to an exercise. */
  async check(name: string, file: StudentFile): Promise<Result> {
    const { language, seconds, megabytes } = this.#options;
    const t = texts[language];
    this.#process ??= await Process.start(this.#options, dirname(file.path));
    const outcome = await this.#process.ask({ name, file, language }, seconds);
    if ("answer" in outcome) {
      const answer = outcome.answer as Result | { broken: string };
      if ("broken" in answer) throw new Error(`The check of ${name} is broken: ${answer.broken}`);
      return answer;
    }
    this.#process = undefined;
    const exercise = await load(findEntry(name));
    const ended = (reason: Omit<Reason, "stage">, stage: Reason["stage"] = "crash") =>
      failed(name, exercise, file, { stage, ...reason }, language);
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
    await this.#process?.kill();
    this.#process = undefined;
  }
}

type Outcome = { answer: unknown } | { end: "time" | "memory" | "flood" | "exit"; code: number };

class Process {
  readonly #child: Deno.ChildProcess;
  readonly #key: string;
  readonly #output: AsyncGenerator<string>;
  readonly #watch: ReturnType<typeof setInterval>;
  #end?: "time" | "memory" | "flood";

  private constructor(child: Deno.ChildProcess, key: string, options: Settings) {
    this.#child = child;
    this.#key = key;
    this.#output = this.#lines(options.onPrint);
    this.#watch = setInterval(() => {
      const used = residentMegabytes(child.pid);
      if (used !== undefined && used > options.megabytes) this.#stop("memory");
    }, 200);
  }

  static async start(options: Settings, folder: string): Promise<Process> {
    const path = (name: string) => fileURLToPath(new URL(name, root));
    const read = [path("lib"), path("scripts"), path("tests"), options.readable ?? folder];
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        ...options.fetchPackages === false ? ["--cached-only"] : [],
        "--deny-import",
        `--config=${path("deno.json")}`,
        `--allow-read=${read.join(",")}`,
        ...options.writable ? [`--allow-write=${options.writable}`] : [],
        `--v8-flags=--max-old-space-size=${options.megabytes}`,
        path("tests/exercises/framework/child.ts"),
      ],
      cwd: options.writable ?? folder,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const key = crypto.randomUUID();
    const process = new Process(child, key, options);
    await process.#send({ key });
    const { done } = await process.#output.next();
    if (done) throw new Error("Cannot start the process that checks: deno run failed");
    return process;
  }

  /** Sends a job and waits for its answer or for the end of the process. */
  async ask(job: unknown, seconds: number): Promise<Outcome> {
    const timer = setTimeout(() => this.#stop("time"), 1000 * seconds);
    try {
      await this.#send(job);
      const { value, done } = await this.#output.next();
      if (!done) return { answer: JSON.parse(value) };
    } finally {
      clearTimeout(timer);
    }
    clearInterval(this.#watch);
    const { code } = await this.#child.status;
    return { end: this.#end ?? "exit", code };
  }

  async kill(): Promise<void> {
    clearInterval(this.#watch);
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.stdin.close().catch(() => {});
    for await (const _ of this.#output);
    await this.#child.status;
  }

  #stop(why: "time" | "memory" | "flood") {
    this.#end ??= why;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  async #send(message: unknown) {
    const writer = this.#child.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
    } catch {
      // The process has ended; who reads its output finds out.
    } finally {
      writer.releaseLock();
    }
  }

  /** The answers; what else is printed goes to `print`. */
  async *#lines(print: (text: string) => void): AsyncGenerator<string> {
    let rest = "";
    let printed = 0;
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      printed += text.length;
      if (printed > enough) this.#stop("flood");
      if (this.#end) continue;
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      for (const line of parts) {
        if (line.startsWith(this.#key)) yield line.slice(this.#key.length);
        else if (line) print(line);
      }
    }
  }
}

/** Fetches the packages of scripts, so that files that are made of them can be checked without fetching any. */
export async function fetchPackages(scripts: Iterable<string>): Promise<void> {
  const paths = [...scripts].map((script) => fileURLToPath(new URL(`scripts/${script}.ts`, root)));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", ...paths],
    cwd: fileURLToPath(root),
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) {
    const [reason] = new TextDecoder().decode(stderr).trim().split("\n");
    throw new InputError(`Cannot fetch the packages of the scripts: ${reason}`);
  }
}

/** The memory of a process in megabytes; undefined where the system does not tell. */
function residentMegabytes(pid: number): number | undefined {
  try {
    if (Deno.build.os === "linux") {
      const pages = Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]);
      return pages * 4096 / 1e6;
    }
    if (Deno.build.os === "windows") return undefined;
    const { stdout } = new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${pid}`] })
      .outputSync();
    return Number(new TextDecoder().decode(stdout)) / 1e3;
  } catch {
    return undefined;
  }
}

/** The first type error in a file with its place, as `deno check` finds it; undefined if there is none. */
export async function typeError(file: StudentFile): Promise<string | undefined> {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "check",
      "--quiet",
      `--config=${fileURLToPath(new URL("deno.json", root))}`,
      file.path,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stderr);
  const found = /^TS\d+ \[ERROR\]: (.*)[\s\S]*?^ +at (file:\S+?)(:\d+:\d+)$/m.exec(text);
  if (!found || !found[2].endsWith(file.path.split(/[\\/]/).at(-1)!)) return undefined;
  return `${found[1]} (${file.shown}${found[3]})`;
}
