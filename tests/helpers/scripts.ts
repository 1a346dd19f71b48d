/** Running scripts in tests: as a function with its output captured, or as a process of its own. */

/** What a script wrote and returned. */
export interface Ran<R> {
  result: R;
  /** What it printed, line by line. */
  printed: string[];
  /** The objects in its metrics.jsonl. */
  metrics: Record<string, number>[];
  /** Its output folder; removed when the test process ends. */
  out: string;
}

/** Runs a script's `main` with these flags, its output folder a temporary one. */
export async function run<R>(
  main: (args?: readonly string[]) => Promise<R>,
  ...flags: string[]
): Promise<Ran<R>> {
  const out = await temporaryFolder();
  const printed: string[] = [];
  const log = console.log;
  console.log = (...args: unknown[]) => void printed.push(...args.join(" ").split("\n"));
  try {
    const result = await main([`--out=${out}`, ...flags]);
    const text = await Deno.readTextFile(`${out}/metrics.jsonl`).catch(() => "");
    const metrics = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    return { result, printed, metrics, out };
  } finally {
    console.log = log;
  }
}

/** Runs `deno run -A SCRIPT FLAGS` and waits for its end. */
export async function runProcess(script: string, ...flags: string[]) {
  const path = new URL(`../../scripts/${script}`, import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", path, ...flags],
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

const folders: string[] = [];

/** A new folder, removed when the test process ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await Deno.makeTempDir();
  folders.push(folder);
  return folder;
}

addEventListener("unload", () => {
  for (const folder of folders) Deno.removeSync(folder, { recursive: true });
});
