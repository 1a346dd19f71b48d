/**
 * A training run that is stopped at random moments, by Ctrl-C, by SIGTERM or by kill -9, and goes on each time, writes
 * the same metrics to the byte as one that was never stopped. RESUME_STOPS=200 stops it 200 times instead of 20.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { PythonGenerator } from "lib/random.ts";
import { temporaryFolder } from "../../helpers/scripts.ts";

const program = new URL("../../helpers/resume_program.ts", import.meta.url).pathname;
const adder = new URL("../../../scripts/adder.ts", import.meta.url).pathname;
const flags = ["--log_every=1", "--device=cpu", "--threads=1", "--turbo=off"];

function start(script: string, out: string, ...more: string[]) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, ...flags, `--out=${out}`, ...more],
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
}

async function end(child: Deno.ChildProcess) {
  const { code, stderr } = await child.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

Deno.test("a run that is stopped at random moments and resumed writes the same bytes", async () => {
  const stops = Number(Deno.env.get("RESUME_STOPS") ?? 20);
  const random = new PythonGenerator(20);
  const through = await temporaryFolder();
  const began = performance.now();
  const whole = await end(start(program, through));
  const duration = performance.now() - began;
  assertEquals(whole.code, 0, whole.stderr);
  const expected = await Deno.readTextFile(`${through}/metrics.jsonl`);
  assertEquals(expected.trim().split("\n").length, 150 + 50 + 6);

  const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGKILL: 137 } as const;
  const saved = { signal: 0, kill: 0 };
  let done = 0, finished = 0;
  while (done < stops || finished === 0) {
    const out = await temporaryFolder();
    while (true) {
      const resume = await exists(`${out}/checkpoint.safetensors`);
      const child = start(program, out, ...resume ? ["--resume"] : []);
      const signal = random.choice(Object.keys(exitCodes)) as keyof typeof exitCodes;
      const wait = done < stops ? duration * (0.3 + 0.5 * random.random()) : 1e6;
      const timer = setTimeout(() => {
        try {
          child.kill(signal);
        } catch (error) {
          if (!(error instanceof TypeError)) throw error; // it has just ended by itself
        }
      }, wait);
      const { code, stderr } = await end(child);
      clearTimeout(timer);
      if (code === 0) break;
      assertEquals(code, exitCodes[signal], stderr);
      if (stderr.includes("Stopped after")) saved.signal++;
      else if (resume || await exists(`${out}/checkpoint.safetensors`)) saved.kill++;
      done++;
    }
    finished++;
    assertEquals(await Deno.readTextFile(`${out}/metrics.jsonl`), expected);
    const left = [...Deno.readDirSync(out)].map(({ name }) => name).filter((name) =>
      name.includes(".tmp") || name.startsWith(".")
    );
    assertEquals(left, []);
  }
  assert(saved.signal > 0 && saved.kill > 0, JSON.stringify(saved));
});

Deno.test("a script that is stopped by Ctrl-C goes on with the same losses", async () => {
  const tiny = ["--ndigit=1", "--max_iters=60", "--eval_every=20", "--batch_size=4"];
  const [through, stopped] = [await temporaryFolder(), await temporaryFolder()];
  assertEquals((await end(start(adder, through, ...tiny))).code, 0);
  const child = start(adder, stopped, ...tiny);
  while (!await exists(`${stopped}/checkpoint.safetensors`)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  child.kill("SIGINT");
  const { code } = await end(child);
  if (code !== 0) { // else it was done before the signal came
    assertEquals(code, 130);
    assertEquals((await end(start(adder, stopped, ...tiny, "--resume"))).code, 0);
  }
  const metrics = (out: string) => Deno.readTextFile(`${out}/metrics.jsonl`);
  assertEquals(await metrics(stopped), await metrics(through));
});

Deno.test("--resume without a checkpoint says what to do", async () => {
  const { code, stderr } = await end(start(program, await temporaryFolder(), "--resume"));
  assertEquals(code, 1);
  assertStringIncludes(stderr, "there is no checkpoint");
  assertEquals(stderr.trim().split("\n").length, 1);
});

Deno.test("a checkpoint of another shape, and a damaged one, end the run in one line", async () => {
  const out = await temporaryFolder();
  assertEquals((await end(start(program, out, "--max_iters=2"))).code, 0);
  const other = await end(start(program, out, "--resume", "--width=8"));
  assertEquals(other.code, 1);
  assertStringIncludes(other.stderr, "0.weight ((16, 1) given, (8, 1) needed)");
  assertEquals(other.stderr.trim().split("\n").length, 1);
  const path = `${out}/checkpoint.safetensors`;
  await Deno.truncate(path, 5000);
  const cut = await end(start(program, out, "--resume"));
  assertEquals(cut.code, 1);
  assertStringIncludes(cut.stderr, "checkpoint.safetensors");
  assertEquals(cut.stderr.trim().split("\n").length, 1);
});
