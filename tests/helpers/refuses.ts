/** Bad input is refused: in one line that says what is wrong, with the exit code that fits. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { InputError } from "lib/io/errors.ts";
import { runProcess } from "./scripts.ts";

/**
 * Asserts that a call ends with an error for whoever called: one line, not endless, with `message`
 * in it.
 *
 * @param exitCode What the program would end with: 2 for wrong usage, 1 for a run that fails
 */
export async function assertRefuses(
  call: () => unknown,
  exitCode: 1 | 2,
  message: string,
): Promise<void> {
  const error = await assertRejects(async () => await call(), InputError, message);
  assertEquals(error.exitCode, exitCode, error.message);
  assert(!/[\r\n]/.test(error.message), `more than one line: ${error.message}`);
  assert(error.message.length < 1000, `${error.message.length} characters`);
}

/** Asserts that `deno run -A SCRIPT FLAGS` refuses: the line is all that it writes of the error. */
export async function assertProcessRefuses(
  script: string,
  flags: string[],
  exitCode: 1 | 2,
  message: string,
): Promise<void> {
  const { code, stderr } = await runProcess(script, ...flags);
  assertEquals(code, exitCode, stderr);
  assertStringIncludes(stderr, message);
  assertEquals(stderr.trim().split("\n").length, 1, stderr);
}
