import { assertEquals, assertFalse } from "@std/assert";

/** What .ci/summary makes of the output and the exit code of `deno test`. */
async function summary(output: string, status: number) {
  const child = new Deno.Command("bash", {
    args: [new URL("../.ci/summary", import.meta.url).pathname, String(status)],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(output));
  await writer.close();
  const { code, stdout } = await child.output();
  return [new TextDecoder().decode(stdout).trimEnd(), code];
}

Deno.test({
  name: ".ci/summary counts what deno test counted",
  ignore: Deno.build.os === "windows",
  async fn() {
    const cases: [string, number, string, number][] = [
      ["ok | 12 passed | 0 failed (3s)", 0, "12 passed, 0 failed, 0 skipped", 0],
      [
        "ok | 12 passed (3 steps) | 0 failed | 2 ignored (3s)",
        0,
        "12 passed, 0 failed, 2 skipped",
        0,
      ],
      ["FAILED | 10 passed | 2 failed (1 step) (3s)", 1, "10 passed, 2 failed, 0 skipped", 1],
      // Only ignored tests, or none: nothing was tested.
      ["ok | 0 passed | 0 failed | 3 ignored (1ms)", 0, "0 passed, 1 failed, 3 skipped", 1],
      ["", 0, "0 passed, 1 failed, 0 skipped", 1],
      // A type error has no closing line; a module that throws fails beside the tests.
      ["error: Type checking failed.", 1, "0 passed, 1 failed, 0 skipped", 1],
      ["ok | 5 passed | 0 failed (1s)\nerror: killed", 137, "5 passed, 1 failed, 0 skipped", 137],
      // A test prints such a line: the last one counts.
      [
        "ok | 1 passed | 0 failed\nFAILED | 7 passed | 1 failed (2s)",
        1,
        "7 passed, 1 failed, 0 skipped",
        1,
      ],
    ];
    for (const [output, status, line, code] of cases) {
      assertEquals(await summary(output, status), [line, code], output);
    }
  },
});

Deno.test("deno.lock names no host", async () => {
  const lock = await Deno.readTextFile(new URL("../deno.lock", import.meta.url));
  assertFalse(/https?:/.test(lock));
});
