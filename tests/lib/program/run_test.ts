import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { InputError, UsageError } from "lib/io/errors.ts";
import { MetricsFile } from "lib/program/metrics.ts";
import { numpy, python, torch } from "lib/random.ts";
import { program } from "lib/program/run.ts";

/** A program that draws numbers; url gives it its name. */
const main = program({
  url: "file:///somewhere/dice.ts",
  defaults: { steps: 6, sides: 6, loaded: false, text: undefined },
  seed: 10,
  check: { steps: "positive integer" },
}, (run) => {
  for (let step = 1; step <= run.options.steps; step++) {
    const [loss] = torch.rand(1);
    if (run.logs(step, 2)) run.log(step, { loss, numpy: numpy.randint(1, 0, 9)[0] });
  }
  return { run, draw: python.random() };
});

const read = (path: string) => Deno.readTextFileSync(path);

/** Runs `body` in an empty folder, and with console.log caught. */
async function inFolder(body: (folder: string, printed: string[]) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  const { log } = console;
  const printed: string[] = [];
  console.log = (...parts: unknown[]) => void printed.push(parts.join(" "));
  try {
    await body(folder, printed);
  } finally {
    console.log = log;
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("main(args) starts the device, makes the folder and returns what the body returns", () =>
  inFolder(async (folder, printed) => {
    const out = `${folder}/a/b`;
    const { run } = await main(["--steps=4", `--out=${out}`, "--device=reference", "--trace"]);
    assertMatch(printed[0], /^Device: reference /);
    assertEquals(run.name, "dice");
    assertEquals(run.options, { steps: 4, sides: 6, loaded: false, text: undefined });
    assertEquals([run.seed, run.trace, run.out], [10, true, out]);
    assertEquals(run.path("loss.svg"), `${out}/loss.svg`);

    const config = JSON.parse(read(`${out}/config.json`));
    assertEquals(config.program, "dice");
    assertEquals(config.options, { steps: 4, sides: 6, loaded: false, text: null });
    assertEquals(config.seed, 10);
    assertEquals(config.device.name, "reference");
    assertEquals(config.versions, {
      deno: Deno.version.deno,
      v8: Deno.version.v8,
      tfjs: "4.22.0",
    });
    const steps = read(`${out}/metrics.jsonl`).trim().split("\n").map((s) => JSON.parse(s).step);
    assertEquals(steps, [2, 4]);
    assertEquals([...Deno.readDirSync(out)].map((entry) => entry.name).sort(), [
      "config.json",
      "metrics.jsonl",
    ]);
  }));

Deno.test("two runs with the same seed write the same bytes, another seed others", () =>
  inFolder(async (folder) => {
    const runWith = async (name: string, ...args: string[]) => {
      const out = `${folder}/${name}`;
      const { draw } = await main([`--out=${out}`, "--device=reference", ...args]);
      return { draw, metrics: read(`${out}/metrics.jsonl`) };
    };
    const first = await runWith("a", "--log_every=1");
    assertEquals(await runWith("b", "--log-every=1"), first);
    assertEquals(await runWith("a", "--log-every=1"), first, "the second run replaces the first");
    const other = await runWith("c", "--log_every=1", "--seed=11");
    assert(other.draw !== first.draw && other.metrics !== first.metrics);
    assertEquals(first.metrics.split("\n").length, 7);
    // torch.manual_seed(10); torch.rand(1)
    assertEquals(JSON.parse(first.metrics.split("\n")[0]).loss, 0.4580846428871155);
  }));

Deno.test("wrong usage and an unwritable folder leave nothing behind", () =>
  inFolder(async (folder, printed) => {
    const out = `${folder}/out`;
    const wrong = [
      "--steps=0",
      "--steps=x",
      "--step=1",
      "--device=cuda",
      "--turbo=fast",
      "--seed=1.5",
    ];
    for (const flag of wrong) {
      await assertRejects(() => main([`--out=${out}`, flag]), UsageError, flag.slice(0, 6));
    }
    await assertRejects(() => main(["--out="]), UsageError, "Flag --out expects a folder");
    assertEquals([[...Deno.readDirSync(folder)], printed], [[], []]);

    await Deno.writeTextFile(out, "a file, no folder");
    await assertRejects(
      () => main([`--out=${out}/sub`, "--device=reference"]),
      InputError,
      `Cannot make the output folder '${out}/sub'`,
    );
    assertEquals(read(out), "a file, no folder");
  }));

Deno.test("a run that its input ends before it writes leaves an earlier run's files", () =>
  inFolder(async (out) => {
    const spec = { url: "file:///somewhere/reader.ts", defaults: { steps: 1 } };
    const reader = program(spec, (run) => {
      if (run.options.steps > 1) throw new InputError("Cannot read 'x': no such file");
      run.log(1, { loss: 1 });
    });
    const flags = [`--out=${out}`, "--device=reference"];
    const files = () =>
      [...Deno.readDirSync(out)].map(({ name }) => [name, read(`${out}/${name}`)]);
    await reader(flags);
    const before = files();
    assertEquals(before.length, 2);
    await assertRejects(() => reader([...flags, "--steps=2"]), InputError, "no such file");
    assertEquals(files(), before);
  }));

Deno.test("a run whose loss is NaN ends there, and metrics.jsonl says so", () =>
  inFolder(async (out) => {
    const spec = { url: "file:///somewhere/steep.ts", defaults: { learning_rate: 1 } };
    const steep = program(spec, (run) => {
      for (const [i, loss] of [1, Infinity, NaN, NaN].entries()) run.log(i + 1, { loss });
    });
    await assertRejects(
      () => steep([`--out=${out}`, "--device=reference"]),
      InputError,
      "The loss is NaN at step 3: numbers have grown too large; lower --learning_rate",
    );
    const losses = read(`${out}/metrics.jsonl`).trim().split("\n").map((l) => JSON.parse(l).loss);
    assertEquals(losses, [1, "Infinity", "NaN"]);
  }));

Deno.test("a preset lies over the defaults and under the command line", () =>
  inFolder(async (out) => {
    const preset = () => ["--steps=5", "--sides=4"];
    const spec = { url: "file:///somewhere/dice.ts", defaults: { steps: 1, sides: 6, dice: 2 } };
    const dice = program({ ...spec, preset }, (run) => run.options);
    const options = await dice(["--steps=9", `--out=${out}`, "--device=reference"]);
    assertEquals(options, { steps: 9, sides: 4, dice: 2 });
  }));

Deno.test("program() refuses defaults that every program has", () => {
  assertThrows(
    () => program({ url: "file:///x.ts", defaults: { seed: 1 } }, () => {}),
    TypeError,
    "Cannot use 'seed' in defaults",
  );
});

Deno.test("MetricsFile writes what JSON lacks as text, and goes on after a stop", () =>
  inFolder(async (folder) => {
    const path = `${folder}/metrics.jsonl`;
    const file = MetricsFile.create(path);
    file.write(1, { loss: NaN, best: -Infinity, rates: [0.5, Infinity], name: "a" });
    file.write(2, { loss: 0.1 });
    file.write(3, { loss: 0.2 });
    file.close();
    const first =
      '{"step":1,"loss":"NaN","best":"-Infinity","rates":[0.5,"Infinity"],"name":"a"}\n';
    assertEquals(read(path), first + '{"step":2,"loss":0.1}\n{"step":3,"loss":0.2}\n');

    Deno.writeTextFileSync(path, '{"step":4,"lo', { append: true }); // killed while writing
    const again = await MetricsFile.continue(path, 2);
    again.write(3, { loss: 0.3 });
    again.close();
    assertEquals(read(path), first + '{"step":2,"loss":0.1}\n{"step":3,"loss":0.3}\n');

    Deno.writeTextFileSync(path, '{"step":1}\n{"loss":1}\n');
    await assertRejects(
      () => MetricsFile.continue(path, 2),
      InputError,
      `${path}, line 2: expected an object with a step, found '{"loss":1}'`,
    );
    (await MetricsFile.continue(`${folder}/none.jsonl`, 5)).close();
    assertEquals(read(`${folder}/none.jsonl`), "");
  }));

const SCRIPT = `
/**
 * Count: a program that counts.
 * Its second line.
 *
 * Try: more.
 */
import { program } from "lib/program/run.ts";

export const defaults = {
  steps: 3, // how far
  list: 0, // elements of a list
  file: "", // read first
  bug: false,
};

export const main = program({ url: import.meta.url, defaults }, async (run) => {
  if (run.options.bug) (null as unknown as { x: () => void }).x();
  new Float64Array(run.options.list);
  if (run.options.file === "own") await Deno.writeTextFile(run.path("own"), "");
  else if (run.options.file) await Deno.readTextFile(run.options.file);
  for (let step = 1; step <= run.options.steps; step++) {
    if (run.logs(step)) run.log(step, { text: "x".repeat(1000) });
    if (step === 100) await new Promise((done) => setTimeout(done, 1));
  }
});
if (import.meta.main) await main();
`;

Deno.test("main() as a process: help, one-line errors, exit codes, ctrl-C", async (t) => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/count.ts`, SCRIPT);
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  const command = (...args: string[]) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `--config=${config}`, "count.ts", "--device=reference", ...args],
      cwd: folder,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    });
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await command(...args).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };

  await t.step("--help", async () => {
    const { code, stdout, stderr } = await run("--help");
    assertEquals([code, stderr], [0, ""]);
    const head = "Usage: deno run -A count.ts [--FLAG=VALUE ...]\n\n" +
      "Count: a program that counts.\nIts second line.\n\n";
    assertEquals(stdout.slice(0, head.length), head);
    assertMatch(stdout, /^ {2}--steps=NUMBER +3 +how far$/m);
    assertMatch(stdout, /^ {2}--file=TEXT +"" +read first$/m);
    assertMatch(stdout, /^ {2}--bug=true\|false +false$/m);
    assertMatch(stdout, /^ {2}--seed=NUMBER +42 +\w/m);
    assertMatch(stdout, /^ {2}--out=TEXT +out\/count +\w/m);
  });

  await t.step("a run, its folder relative to where it was started", async () => {
    const { code, stdout, stderr } = await run();
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^Device: [^\n]*\n$/);
    assertEquals(read(`${folder}/out/count/metrics.jsonl`).split("\n").length, 4);
  });

  await t.step("a run that wrote files of its own says where", async () => {
    const { stdout } = await run("--file=own");
    assertMatch(stdout, /^Device: [^\n]*\nFiles: out\/count\n$/);
  });

  await t.step("errors that the user can mend are one line", async () => {
    assertEquals(await run("--stepps=2"), {
      code: 2,
      stdout: "",
      stderr: "error: Unknown flag --stepps: did you mean --steps? (--help lists all flags)\n",
    });
    const missing = await run("--file=nowhere.txt");
    assertEquals(missing.code, 1);
    assertMatch(missing.stderr, /^error: .*nowhere\.txt.*\n$/);
    const { code, stderr } = await run("--list=1e15");
    assertEquals(code, 1);
    assertMatch(stderr, /^error: There is not enough memory \(.*\): choose smaller numbers\n$/);
  });

  await t.step("a mistake in the program keeps its stack trace", async () => {
    const { code, stderr } = await run("--bug");
    assertEquals(code, 1);
    assertMatch(stderr, /TypeError: Cannot read properties of null[\s\S]*count\.ts:18/);
  });

  await t.step("ctrl-C: exit code 130, every line up to then", async () => {
    const child = command("--steps=100000000").spawn();
    const path = `${folder}/out/count/metrics.jsonl`;
    const size = () => Deno.lstatSync(path).size; // there from the run before
    for (let tries = 0; tries < 500; tries++) {
      await new Promise((done) => setTimeout(done, 20));
      if (size() > 1e6) break;
    }
    child.kill("SIGINT");
    const { code } = await child.output();
    assertEquals(code, 130);
    // The signal may come while the system writes a line that crosses two pages: the last line only.
    const line = (step: number) => JSON.stringify({ step, text: "x".repeat(1000) });
    const lines = read(path).split("\n");
    const last = lines.pop()!;
    lines.forEach((text, i) => assertEquals(text, line(i + 1)));
    assertEquals(last, line(lines.length + 1).slice(0, last.length));
    (await MetricsFile.continue(path, Infinity)).close(); // a run that goes on drops the piece
    assertEquals(read(path), lines.map((text) => `${text}\n`).join(""));
  });

  await Deno.remove(folder, { recursive: true });
});

Deno.test("a run that logs nothing leaves no metrics of an earlier one", async () => {
  const out = await Deno.makeTempDir();
  try {
    const main = program({ url: import.meta.url, defaults: { steps: 1 } }, (run) => {
      if (run.options.steps > 1) run.log(1, { loss: 2 });
    });
    const flags = ["--device=reference", `--out=${out}`];
    await main([...flags, "--steps=2"]);
    assertEquals(await Deno.readTextFile(`${out}/metrics.jsonl`), '{"step":1,"loss":2}\n');
    await main([...flags, "--trace"]);
    assertEquals(await Deno.readTextFile(`${out}/metrics.jsonl`), '{"step":1,"loss":2}\n');
    await main(flags);
    assertEquals(await Deno.readTextFile(`${out}/metrics.jsonl`), "");
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});
