/**
 * The frame of a program: its command line, device, seed and output folder. A script ends with
 *
 *     export const main = program({ url: import.meta.url, defaults, seed: 42 }, async (run) => {
 *       const model = new Model(run.options.n_hidden);
 *       for (let step = 1; step <= run.options.steps; step++) {
 *         const loss = await item(optimizer.step(() => lossOf(model)));
 *         if (run.logs(step, 100)) run.log(step, { loss });
 *       }
 *       await saveCheckpoint(run.path("model.safetensors"), model);
 *     });
 *     if (import.meta.main) await main();
 *
 * `main()` takes the flags from the command line, prints an error that a user can mend as one line
 * and ends the process with its exit code. `main(["--steps=3"])` is for programs and tests: it
 * throws its errors and returns what the body returns.
 *
 * A run writes into its output folder: `config.json` (settings, seed, device, versions),
 * `metrics.jsonl` (a line for each logged step), and what the body writes to `run.path(...)`.
 */
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Checks,
  type Choices,
  defaultComments,
  type Defaults,
  describeFlags,
  type Flags,
  type Options,
  parseFlags,
} from "./flags.ts";
import type { Device, DeviceChoice } from "../device.ts";
import { InputError, UsageError } from "../io/errors.ts";
import { type StagedFile, stageFile } from "../io/files.ts";
import { type Metrics, MetricsFile } from "./metrics.ts";
// Device, engine and generators are imported where a run starts: --help and errors answer at once.

/** What a script says of itself. */
export interface Program<D extends Defaults, C extends Choices<D>> extends Flags<D, C> {
  /** `import.meta.url` of the script, for its name and the comments that `--help` shows. */
  url: string;
  /** The seed without `--seed`: the original program's own, or 42. */
  seed?: number;
  /** Whether a run with these options is so long that `--turbo auto` pays (default: no). */
  long?: (options: Options<D, C>) => boolean;
  /**
   * Which of the script's {@linkcode commands} this is. The comments of its flags then stand behind
   * the entries of the constant `<command>Defaults`, if there is one.
   */
  command?: string;
  /** The output folder without `--out`, below `out`: the script's name by default. */
  folder?: string;
  /**
   * Flags that lie under those of the command line, such as a preset's: they replace the defaults,
   * and what is given on the command line replaces them.
   */
  preset?: (options: Options<D, C> & { out: string }) => string[] | Promise<string[]>;
}

/** A script's `main`, or one of its commands. */
export type Main<R> = (args?: readonly string[]) => Promise<R>;

/** The flags of every program. */
function standardFlags(folder: string, seed: number) {
  return {
    defaults: {
      seed,
      device: "auto",
      out: join("out", folder),
      log_every: 0,
      threads: 0,
      turbo: "auto",
      trace: false,
      help: false,
    },
    choices: {
      device: ["auto", "webgpu", "cpu", "reference"] satisfies DeviceChoice[],
      turbo: ["auto", "on", "off"],
    },
    check: {
      seed: "nonnegative integer",
      out: (folder: string) => folder === "" ? "a folder, such as ." : undefined,
      log_every: "nonnegative integer",
      threads: "nonnegative integer",
    },
  } as const;
}

const STANDARD_COMMENTS = {
  seed: "of all random numbers",
  device: "where to compute; auto: webgpu if there is a GPU, else cpu",
  out: "folder for what the run writes",
  log_every: "steps from line to line of metrics.jsonl; 0: as the original program prints",
  threads: "of the device cpu; 0: one for each core",
  turbo: "start once more with V8's fast flags; auto: if the run is long and on the device cpu",
  trace: "print the operations and shapes of one forward pass",
  help: "print this",
};

type Standard = ReturnType<typeof standardFlags>;
type StandardOptions = Options<Standard["defaults"], Standard["choices"]>;

/** One run of a program; its body gets this. */
export class Run<O> {
  readonly #standard: StandardOptions;
  #config: StagedFile | undefined; // until it is in its place
  #metrics: MetricsFile | undefined;
  #wrote = false;

  constructor(
    /** The script's name, without folder and ending. */
    readonly name: string,
    /** The values of the script's own flags. */
    readonly options: O,
    standard: StandardOptions,
    /** The device, started. */
    readonly device: Device,
    config: StagedFile,
  ) {
    this.#standard = standard;
    this.#config = config;
  }

  /** The seed that the generators of lib/random.ts have been given. */
  get seed(): number {
    return this.#standard.seed;
  }

  /** The output folder; it exists. */
  get out(): string {
    return this.#standard.out;
  }

  /** Whether `--trace` was given. */
  get trace(): boolean {
    return this.#standard.trace;
  }

  /** The path of a file in the output folder, for the body to write it. */
  path(file: string): string {
    this.#wrote = true;
    return this.#pathOf(file);
  }

  /** Whether the body asked for the path of a file of its own. */
  get wrote(): boolean {
    return this.#wrote;
  }

  #pathOf(file: string): string {
    this.writeConfig();
    return join(this.out, file);
  }

  /**
   * Whether a step is to be logged: every `--log_every` steps or, without that flag, every
   * `interval` steps as in the original program. Steps count from 1.
   */
  logs(step: number, interval = 1): boolean {
    return step % (this.#standard.log_every || interval) === 0;
  }

  /**
   * Adds a line to metrics.jsonl: `{"step":1,"loss":4.17}`. The first line of a run replaces what
   * an earlier run wrote, unless `openMetrics` was told to keep it.
   *
   * @param step The step, counted from 1
   * @param values What was measured, unrounded
   * @throws {InputError} If the loss is NaN, once it is written: no step after it can mend that
   */
  log(step: number, values: Metrics): void {
    this.writeMetrics();
    this.#metrics!.write(step, values);
    if (Number.isNaN(values.loss)) {
      throw new InputError(
        `The loss is NaN at step ${step}: numbers have grown too large; lower --learning_rate`,
      );
    }
  }

  /** Goes on with the metrics of a run that was stopped: keeps its lines of steps up to `keepUpTo`. */
  async openMetrics({ keepUpTo }: { keepUpTo: number }): Promise<void> {
    this.#metrics?.close();
    this.#metrics = await MetricsFile.continue(this.#pathOf("metrics.jsonl"), keepUpTo);
  }

  /**
   * Puts config.json into its place; the frame does that. It waits until the body asks for a path:
   * a run that ends before, by a mistake in its input, leaves the files of an earlier run together.
   */
  writeConfig(): void {
    this.#config?.publish();
    this.#config = undefined;
  }

  /** Empties metrics.jsonl if the run logged nothing, so that no other run's lines stay; the frame does that. */
  writeMetrics(): void {
    this.#metrics ??= MetricsFile.create(this.#pathOf("metrics.jsonl"));
  }

  /** Closes metrics.jsonl; the frame does that at the end of the run. */
  close(): void {
    this.#config?.discard();
    this.#config = undefined;
    this.#metrics?.close();
    this.#metrics = undefined;
  }
}

/**
 * Makes the `main` of a script.
 *
 * @param spec The script's flags and what else it says of itself
 * @param body What the program does with a run
 * @returns A function that runs the program: without arguments as a command-line program, with a
 * list of flags as a function that throws what goes wrong
 */
export function program<D extends Defaults, R, const C extends Choices<D> = Choices<D>>(
  spec: Program<D, C>,
  body: (run: Run<Options<D, C>>) => R | Promise<R>,
): Main<R> {
  const standard = standardFlags(spec.folder ?? scriptName(spec.url), spec.seed ?? 42);
  const taken = Object.keys(spec.defaults).filter((name) => name in standard.defaults);
  if (taken.length > 0) {
    throw new TypeError(`Cannot use '${taken[0]}' in defaults: it is a flag of every program`);
  }

  // The second parameter is for `commands`, which takes the command's name off the command line.
  return async (args?: readonly string[], isProcess = args === undefined) => {
    const run = () => start(spec, standard, body, args ?? Deno.args, isProcess);
    return isProcess ? await orEndWithOneLine(run) : await run();
  };
}

/**
 * Makes the `main` of a script that has several programs, each called by a word before its flags:
 * `deno run -A scripts/nanogpt.ts sample --seed=3`. Without a word it is the first one.
 *
 *     export const main = commands(import.meta.url, {
 *       train: { main: train, about: "trains a model" },
 *       sample: { main: sample, about: "writes with it" },
 *     });
 *
 * @param url `import.meta.url` of the script
 * @param table The programs, made by `program`, by their words
 */
export function commands(
  url: string,
  table: Record<string, { main: Main<unknown>; about: string }>,
): Main<unknown> {
  const names = Object.keys(table);
  return async (args) => {
    const isProcess = args === undefined;
    const [first = "", ...rest] = args ?? Deno.args;
    const word = first.startsWith("-") || first === "" ? undefined : first;
    const run = async () => {
      if (word !== undefined && !names.includes(word)) {
        throw new UsageError(`Unknown command '${word}': want ${names.join(", ")}`);
      }
      if (word === undefined && ["--help", "-h"].includes(first)) {
        console.log(`Usage: deno run -A ${shown(url)} COMMAND [--FLAG=VALUE ...]\n\nCommands:`);
        const width = Math.max(...names.map((name) => name.length));
        for (const name of names) console.log(`  ${name.padEnd(width)}  ${table[name].about}`);
        console.log(`\nCOMMAND --help lists its flags; without a command it is ${names[0]}:\n`);
      }
      const main = table[word ?? names[0]].main as (
        args: readonly string[],
        isProcess: boolean,
      ) => Promise<unknown>;
      return await main(word === undefined ? args ?? Deno.args : rest, isProcess);
    };
    return isProcess ? await orEndWithOneLine(run) : await run();
  };
}

/** Runs a command-line program; an error that a user can mend ends the process with one line. */
async function orEndWithOneLine<R>(run: () => Promise<R>): Promise<R> {
  try {
    return await run();
  } catch (error) {
    const exitCode = exitCodeOf(error);
    const message = isOutOfMemory(error)
      ? `There is not enough memory (${error.message}): choose smaller numbers`
      : (error as Error).message;
    if (exitCode === undefined) throw error; // a mistake in the program needs its stack trace
    const clear = Deno.stderr.isTerminal() ? "\r\x1b[K" : ""; // a progress bar may stand there
    console.error(`${clear}error: ${message}`);
    Deno.exit(exitCode);
  }
}

/** The script as it is called from the current folder. */
function shown(url: string): string {
  return url.startsWith("file:") ? relative(Deno.cwd(), fileURLToPath(url)) : url;
}

/** `ff-neural-lm` for `file:///.../ff-neural-lm.ts`. */
function scriptName(url: string): string {
  return basename(url).replace(/\.[^.]+$/, "");
}

async function start<D extends Defaults, C extends Choices<D>, R>(
  spec: Program<D, C>,
  { defaults, choices, check }: Standard,
  body: (run: Run<Options<D, C>>) => R | Promise<R>,
  args: readonly string[],
  isProcess: boolean,
): Promise<R> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(helpText(spec, { defaults, choices, check }));
    return undefined as R;
  }
  const parse = (args: readonly string[]) =>
    parseFlags(args, {
      defaults: { ...spec.defaults, ...defaults },
      choices: { ...spec.choices, ...choices } as Choices<Defaults>,
      check: { ...spec.check, ...check } as Checks<Defaults>,
    }) as Options<D, C> & StandardOptions;
  let all = parse(args);
  if (spec.preset) all = parse([...await spec.preset(all), ...args]); // the last one counts
  const own = Object.fromEntries(Object.keys(spec.defaults).map((name) => [name, all[name]]));
  const options = own as Options<D, C>;

  const { restartWithTurbo } = await import("./turbo.ts");
  const turbo = isProcess && await restartWithTurbo(all, spec.long?.(options) ?? false);
  const { startDevice } = await import("../device.ts");
  const device = await startDevice(all.device, { threads: all.threads || undefined });
  if (turbo && device.name === "cpu") device.description += `; ${turbo}`;
  const config = await openFolder(all.out, {
    program: scriptName(spec.url),
    ...spec.command && { command: spec.command },
    options,
    seed: all.seed,
    device,
    versions: {
      deno: Deno.version.deno,
      v8: Deno.version.v8,
      tfjs: (await import("@tensorflow/tfjs")).version.tfjs,
    },
  });
  console.log(`Device: ${device.description}`);

  const { seedAll } = await import("../random.ts");
  seedAll(all.seed);
  const run = new Run(scriptName(spec.url), options, all, device, config);
  try {
    const result = await body(run);
    run.writeConfig();
    if (!all.trace) run.writeMetrics();
    if (isProcess && run.wrote) console.log(`Files: ${run.out}`);
    return result;
  } finally {
    run.close();
  }
}

/** Makes the output folder and prepares its config.json; fails now if nothing can be written there. */
async function openFolder(out: string, config: Record<string, unknown>): Promise<StagedFile> {
  try {
    await Deno.mkdir(out, { recursive: true });
  } catch (error) {
    if (exitCodeOf(error) === undefined) throw error;
    throw new InputError(
      `Cannot make the output folder '${out}': ${
        (error as Error).message
      }; choose another by --out`,
    );
  }
  const text = JSON.stringify(config, (_, value) => value === undefined ? null : value, 2);
  return await stageFile(join(out, "config.json"), `${text}\n`);
}

/** The exit code of an error that says all in its message; undefined for other errors. */
function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof InputError) return error.exitCode;
  const isSystem = error instanceof Deno.errors.NotCapable ||
    (error instanceof Error && /\(os error \d+\)/.test(error.message));
  return isSystem || isOutOfMemory(error) ? 1 : undefined;
}

/** What V8 says where an array would be too large, such as that of --samples=1e12. */
function isOutOfMemory(error: unknown): error is RangeError {
  return error instanceof RangeError &&
    /^(Array buffer allocation failed|Invalid (typed )?array length)/.test(error.message);
}

function helpText<D extends Defaults, C extends Choices<D>>(
  spec: Program<D, C>,
  standard: Standard,
): string {
  let source = "";
  try {
    source = Deno.readTextFileSync(fileURLToPath(spec.url)).replaceAll("\r\n", "\n");
  } catch {
    // Not from a file: no comments.
  }
  // The header comment of the script, up to what it suggests to run and to try.
  const summary = /\/\*\*([\s\S]*?)\*\//.exec(source)?.[1]
    .split("\n").map((line) => line.replace(/^\s*\* ?/, "").trimEnd()).join("\n").trim()
    .split(/\n(?=\n|Run:|Try:)/)[0];
  const own = describeFlags(
    spec as Flags<Defaults>,
    defaultComments(source, spec.command && `${spec.command}Defaults`),
  );
  return [
    `Usage: deno run -A ${
      [shown(spec.url), spec.command].filter(Boolean).join(" ")
    } [--FLAG=VALUE ...]`,
    ...summary ? ["", summary] : [],
    ...own.length > 0 ? ["", "Flags of this program, their defaults:", ...own] : [],
    "",
    "Flags of every program:",
    ...describeFlags(standard as unknown as Flags<Defaults>, STANDARD_COMMENTS),
  ].join("\n");
}
