/** What the commands ask of Deno itself: packages and type errors. */
import { fileURLToPath } from "node:url";
import { InputError } from "lib/io/errors.ts";
import { root } from "./catalog.ts";
import type { StudentFile } from "./report.ts";

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
