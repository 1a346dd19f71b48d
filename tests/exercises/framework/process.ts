/** The process in which files are checked, seen from outside: its permissions and limits, questions and answers. */
import { fileURLToPath } from "node:url";
import { root } from "./catalog.ts";

/** Limits of the process. */
export interface Limits {
  /** Megabytes of memory. */
  megabytes: number;
  /** The only folder that files may read beside the project's. */
  readable: string;
  /** The only folder that files may write to; none by default. */
  writable?: string;
  /** Whether packages that are not there yet may be fetched for a file, as `deno run` does; true by default. */
  fetchPackages?: boolean;
  /** Gets what the files print. */
  onPrint: (text: string) => void;
}

const enough = 10_000_000; // characters that a file may print

/** The answer to a question, or how the process ended instead. */
export type Outcome = { answer: unknown } | {
  end: "time" | "memory" | "flood" | "exit";
  code: number;
};

/** A running process; see child.ts for what runs in it. */
export class Process {
  readonly #child: Deno.ChildProcess;
  readonly #key: string;
  readonly #output: AsyncGenerator<string>;
  readonly #watch: ReturnType<typeof setInterval>;
  #end?: "time" | "memory" | "flood";

  private constructor(child: Deno.ChildProcess, key: string, options: Limits) {
    this.#child = child;
    this.#key = key;
    this.#output = this.#lines(options.onPrint);
    this.#watch = setInterval(() => {
      const used = residentMegabytes(child.pid);
      if (used !== undefined && used > options.megabytes) this.#stop("memory");
    }, 200);
  }

  static async start(options: Limits): Promise<Process> {
    const path = (name: string) => fileURLToPath(new URL(name, root));
    const read = [path("lib"), path("scripts"), path("tests"), options.readable];
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
      cwd: options.writable ?? options.readable,
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
