/**
 * Starts a program once more with the flags that make V8 run the CPU engine's kernels fast: see
 * lib/engine/cpu/turbo.ts.
 *
 * Call it first thing, before tfjs is imported: what was done before is done twice. On Linux and
 * macOS the new program takes the place of this one (execve): process id, streams, signals and exit
 * code are the same by nature. Where that is not allowed it runs as a child, signals are passed on,
 * and this process ends as the child does.
 */
import { type DeviceChoice, resolveDevice } from "../device.ts";
import { TURBO_FLAGS, turboActive } from "../engine/cpu/turbo.ts";

/** V8 versions that are known to accept the flags; others are asked first. */
const KNOWN_V8 = /^15\.0\./;

/** `--turbo`: where it pays, always, never. */
export type TurboChoice = "auto" | "on" | "off";

/** How this process runs. */
export interface TurboState {
  /** True if this process has the flags. */
  active: boolean;
  /** Why it has not although that was asked for; for the device line. */
  reason?: string;
}

/**
 * Starts this process again with the flags if `--turbo` wants it and the run is on the device cpu;
 * then it does not return.
 *
 * @param long Whether the run is long enough for `--turbo=auto`
 * @returns What is to be said about it in the device line: "turbo", why not, or nothing
 */
export async function restartWithTurbo(
  { turbo, device }: { turbo: TurboChoice; device: DeviceChoice },
  long: boolean,
): Promise<string> {
  if (turbo === "off" || (turbo === "auto" && !long)) return "";
  if (await resolveDevice(device) !== "cpu") return "";
  const { active, reason } = await maybeTurbo(turbo, { long });
  return active ? "turbo" : reason ?? "";
}

/** What `maybeTurbo` needs to know; the last two are for its tests. */
export interface TurboOptions {
  /** Whether the run is long enough for `auto`, and on the device `cpu`. */
  long: boolean;
  /** Other flags than TURBO_FLAGS. */
  flags?: readonly string[];
  /** False: as a child process, even where execve is allowed. */
  replace?: boolean;
}

/**
 * Starts the program again with the flags, or says why not.
 *
 * With "on", or with "auto" and a `long` run, this does not return if the program can be started
 * again. It returns in the program that was started again (`active: true`), and where turbo is not
 * wanted or not possible.
 */
export async function maybeTurbo(
  choice: TurboChoice,
  options: TurboOptions,
): Promise<TurboState> {
  const flags = options.flags ?? TURBO_FLAGS;
  if (turboActive(flags)) return { active: true };
  if (choice === "off" || (choice === "auto" && !options.long)) return { active: false };
  const reason = await obstacle(flags);
  if (reason !== undefined) return { active: false, reason };

  const args = commandLine();
  const given = Deno.env.get("DENO_V8_FLAGS");
  const env = {
    ...Deno.env.toObject(),
    DENO_V8_FLAGS: [...given ? [given] : [], ...flags].join(","),
  };
  if (options.replace !== false) replaceProcess(args, env);
  return await runChild(args.slice(1), env);
}

function granted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

// Why the program cannot be started again; undefined if it can.
async function obstacle(flags: readonly string[]): Promise<string | undefined> {
  if (Deno.build.arch !== "x86_64") return `no turbo on ${Deno.build.arch}`;
  if (Deno.build.standalone) return "no turbo in a compiled program";
  for (const name of ["run", "env", "read"] as const) {
    if (!granted({ name })) return `turbo needs --allow-${name}`;
  }
  const args = commandLine();
  if (args.length === 0) return "turbo needs all permissions (-A) on this system";
  const script = args.findIndex((arg, i) => i > 0 && !arg.startsWith("-") && arg !== "run");
  const own = args.slice(1, script < 0 ? undefined : script);
  if (["test", "bench", "repl", "eval", "jupyter", "serve"].includes(args[1])) {
    return `no turbo under deno ${args[1]}`;
  }
  if (own.some((arg) => arg.startsWith("--inspect"))) return "no turbo under a debugger";
  if (own.some((arg) => arg.startsWith("--watch"))) return "no turbo with --watch";
  if (flags !== TURBO_FLAGS || !KNOWN_V8.test(Deno.version.v8)) {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", `--v8-flags=${flags.join(",")}`, ""],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      const flag = new TextDecoder().decode(stderr).match(/flag '([^']*)'/)?.[1];
      return `this Deno does not know ${flag ?? "turbo's flags"}`;
    }
  }
}

// The arguments that this process was started with, the program's name first.
function commandLine(): string[] {
  if (Deno.build.os === "linux") {
    try {
      return Deno.readTextFileSync("/proc/self/cmdline").split("\0").slice(0, -1);
    } catch {
      // No /proc: as elsewhere.
    }
  }
  // Deno does not tell its own flags: equal only if everything is allowed.
  const names = ["read", "write", "net", "env", "run", "ffi", "sys", "import"] as const;
  if (!names.every((name) => granted({ name } as Deno.PermissionDescriptor))) return [];
  return ["deno", "run", "-A", Deno.mainModule, ...Deno.args];
}

// execve(2): does not return if it succeeds.
function replaceProcess(args: string[], env: Record<string, string>) {
  const libraries: Record<string, string[]> = {
    linux: ["libc.so.6", "libc.musl-x86_64.so.1"],
    darwin: ["/usr/lib/libSystem.B.dylib"],
  };
  if (!granted({ name: "ffi" })) return;
  for (const library of libraries[Deno.build.os] ?? []) {
    try {
      const { symbols } = Deno.dlopen(library, {
        execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
      });
      const program = cString(Deno.execPath());
      const argv = cStrings(args);
      const envp = cStrings(Object.entries(env).map(([name, value]) => `${name}=${value}`));
      symbols.execve(program, argv.pointers, envp.pointers);
    } catch {
      // Another C library: the next one, or a child process.
    }
  }
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}

function cStrings(texts: string[]) {
  const strings = texts.map(cString);
  const pointers = new BigUint64Array(texts.length + 1); // ends with a null
  strings.forEach((bytes, i) => {
    pointers[i] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  });
  return { pointers, strings }; // The strings must live as long as the pointers.
}

async function runChild(args: string[], env: Record<string, string>): Promise<never> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    env,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  // A terminal sends ctrl-C to both processes; otherwise it is passed on.
  const terminal = Deno.stdin.isTerminal();
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];
  const listeners = signals.map((signal) => {
    const listener = () => {
      const toBoth = signal === "SIGINT" || signal === "SIGQUIT" || signal === "SIGBREAK";
      if (!(toBoth && terminal)) child.kill(signal);
    };
    Deno.addSignalListener(signal, listener);
    return { signal, listener };
  });
  const { code, signal } = await child.status;
  for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
  if (signal !== null && Deno.build.os !== "windows") {
    Deno.kill(Deno.pid, signal); // Ends as the child did.
    await new Promise((done) => setTimeout(done, 100));
  }
  Deno.exit(code);
}
