/**
 * The process in which students' files are checked, started by checker.ts. It reads a line `{ key }` first, then a line
 * `{ name, file, language }` for each check, and answers each with a line that begins with the key, which the files do
 * not know: what they print is not taken for an answer.
 */
import { fileURLToPath } from "node:url";
import { startDevice } from "lib/device.ts";
import { findEntry, load, root } from "./catalog.ts";
import { watchDenials } from "./denials.ts";
import type { Exercise } from "./exercise.ts";
import type { Language } from "./language.ts";
import { lockDown } from "./lockdown.ts";
import { failed, type Result, type StudentFile } from "./report.ts";
import { runCheck } from "./run_check.ts";
import { texts } from "./texts.ts";

/** What the process is asked. */
export interface Job {
  name: string;
  file: StudentFile;
  language: Language;
}

// Taken before a student's file can change them.
const { stringify } = JSON;
const encoder = new TextEncoder();
const encode = encoder.encode.bind(encoder);
const write = Deno.stdout.writeSync.bind(Deno.stdout);

async function* lines() {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

function send(text: string) {
  for (let bytes = encode(text); bytes.length > 0;) bytes = bytes.subarray(write(bytes));
}

// What a file has left behind, a promise or a timer that fails, must not end the check of the next one.
for (const kind of ["unhandledrejection", "error"]) {
  addEventListener(kind, (event) => event.preventDefault());
}

/**
 * Loads the one exercise that this process checks, under an address that files cannot guess, and
 * closes the door behind it: solutions cannot be read any more, nor what checks be changed.
 */
async function prepare(name: string): Promise<Exercise> {
  const entry = findEntry(name);
  const exercise = await load({ ...entry, url: new URL(`?${key}`, entry.url) });
  await startDevice("reference");
  await Deno.permissions.revoke({ name: "read", path: fileURLToPath(new URL("tests", root)) });
  lockDown();
  return exercise;
}

const denied = watchDenials();

/** Checks a file; what it tried to do without being allowed to counts, whatever its answer is. */
async function checkFile({ name, file, language }: Job, exercise: Exercise): Promise<Result> {
  denied.length = 0;
  const result = await runCheck(name, exercise, file, language);
  if (denied.length === 0) return result;
  const { forbidden, unknownForbidden: means } = texts[language];
  const reason = { stage: "forbidden", message: forbidden(denied[0]), means } as const;
  return failed(name, { look: exercise.look, shown: file.shown }, reason, language);
}

let key = "";
let exercise: Exercise | undefined;
for await (const line of lines()) {
  const message = JSON.parse(line);
  if (!key) {
    key = message.key;
    send(`\n${key}\n`);
    continue;
  }
  const job = message as Job;
  exercise ??= await prepare(job.name);
  const answer = await checkFile(job, exercise)
    .catch((error) => ({ broken: String(error?.stack ?? error) }));
  send(`\n${key}${stringify(answer)}\n`);
}
Deno.exit(0); // whatever timers a file has left
