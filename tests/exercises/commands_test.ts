/** Tests of the commands, of the process that checks, and of grading. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "@std/csv";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { answerFile, findEntry, load, root, startFile } from "./framework/catalog.ts";
import type { Code } from "./framework/exercise.ts";
import { Checker } from "./framework/checker.ts";
import { typeError } from "./framework/deno.ts";

const workspace = fileURLToPath(root);
const entry = findEntry("grad_b");
const gradB = await load(entry);
const right = answerFile(entry, gradB, gradB.solution);
const wrong = answerFile(entry, gradB, gradB.diagnoses.sign.wrong[0]);

/** A folder in the workspace that is removed after the test. */
async function withFolder(test: (folder: string) => Promise<void>) {
  await Deno.mkdir(join(workspace, "out"), { recursive: true });
  const folder = await Deno.makeTempDir({ dir: join(workspace, "out") });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function command(name: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(workspace, `tests/exercises/${name}.ts`), ...args],
    env: { NO_COLOR: "1", LC_ALL: "C", INIT_CWD: workspace },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("deno task exercise, hint and solution lead through an exercise", () =>
  withFolder(async (folder) => {
    const my = `--my=${folder}`;
    const file = join(folder, "grad_b.ts");
    const begun = await command("exercise", "grad_b", my, "--lang=es");
    assertEquals(begun.code, 0, begun.error);
    assertStringIncludes(begun.out, "Deriva en papel");
    assertStringIncludes(await Deno.readTextFile(file), 'throw new Error("TODO grad_b")');

    const [waiting, checked, hint1, solution] = await Promise.all([
      command("exercise", "grad_b", my),
      command("check", "grad_b", my, "--lang=es"),
      command("hint", "grad_b", my),
      command("solution", "grad_b", my),
    ]);
    assertEquals(waiting.code, 1);
    assertStringIncludes(waiting.out, "Derive the binary cross-entropy");
    assertStringIncludes(waiting.out, "grad_b: the TODO is still there");
    assertEquals(checked.code, 1);
    assertMatch(
      checked.out,
      /^grad_b: el TODO sigue ahí\n(.*\n)* {2}comprueba: deno task check grad_b\n$/,
    );
    assertMatch(hint1.out, /^Hint 1 of 3:/);
    assertMatch(solution.out, /^\+ {2}const err = /m);
    assertMatch(solution.out, /^- {2}throw new Error/m);

    await Deno.writeTextFile(file, wrong);
    const [failing, hint2] = await Promise.all([
      command("exercise", my, "grad_b"),
      command("hint", "grad_b", my),
    ]);
    assertMatch(hint2.out, /^Hint 2 of 3:/);
    assertEquals(failing.code, 1);
    assertMatch(
      failing.out,
      /^grad_b: gradients\(\)\[0\]: wrong gradient at \[0\]: expected 0\.3024, received -0\.3024\n {2}shape \(2\) is right; 2 of 2 values differ \(tolerance 1e-4\)\n {2}input: seed 3.*\n {2}means: the sign is wrong.*\n {2}next: out\/\w+\/grad_b\.ts, gradients\(\) {3}hint: deno task hint grad_b\n {2}check: deno task check grad_b\n$/m,
    );
    assertEquals(/^ {4}at /m.test(failing.out + failing.error), false, "a stack trace");

    await Deno.writeTextFile(file, right);
    const digits = findEntry("digits");
    await Deno.writeTextFile(
      join(folder, "digits.ts"),
      startFile(digits, await load(digits), "en"),
    );
    const [passing, all] = await Promise.all([
      command("exercise", "grad_b", my),
      command("check", my),
    ]);
    assertEquals(all, {
      code: 1,
      error: "",
      out: [
        "grad_b: all checks pass",
        "digits: the TODO is still there",
        "  means: nothing is wrong: this exercise waits for your code",
        `  next: ${
          relative(workspace, folder)
        }/digits.ts, encodeSum(), AdditionDataset.digits()   hint: deno task hint digits`,
        "  check: deno task check digits",
        "1 of 2 pass\n",
      ].join("\n"),
    });
    assertEquals([passing.code, passing.error], [0, ""]);
    assertStringIncludes(passing.out, "grad_b: all checks pass");
    const list = await command("exercise", my);
    assertMatch(list.out, /^ {2}grad_b +first steps +done/m);
    assertMatch(list.out, /^ {2}kv_cache +hard {2,}no token twice/m);
  }));

Deno.test("the commands answer --help and refuse what they do not know", async () => {
  const names = ["exercise", "check", "hint", "solution", "grade"];
  for (const { code, out } of await Promise.all(names.map((name) => command(name, "--help")))) {
    assertEquals(code, 0);
    assertMatch(out, /^Usage: deno task \w+ \[\w+\]/);
    assertStringIncludes(out, "--lang");
  }
  const [misspelt, language, flag, nowhere, notBegun] = await Promise.all([
    command("exercise", "grab_b"),
    command("hint", "grad_b", "--lang=fr"),
    command("solution", "grad_b", "--al"),
    command("grade", "out/no-such-folder"),
    command("check", "grad_b", "--my=out/no-such-folder"),
  ]);
  const all = [misspelt, language, flag, nowhere, notBegun];
  assertEquals(all.map(({ code }) => code), [2, 2, 2, 1, 2]);
  assertStringIncludes(notBegun.error, "begin with deno task exercise grad_b");
  assertStringIncludes(misspelt.error, "did you mean grad_b?");
  assertStringIncludes(language.error, "--lang expects es or en: given 'fr'");
  assertStringIncludes(flag.error, "Unknown flag --al");
  assertStringIncludes(nowhere.error, "Cannot read the folder");
});

Deno.test("deno task check --watch misses no save, whatever an editor does", () =>
  withFolder(async (folder) => {
    const file = join(folder, "digits.ts");
    const digits = findEntry("digits");
    const exercise = await load(digits);
    await Deno.writeTextFile(file, startFile(digits, exercise, "en").replaceAll("\n", "\r\n"));
    const watching = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        join(workspace, "tests/exercises/check.ts"),
        "digits",
        "--watch",
        `--my=${folder}`,
      ],
      env: { NO_COLOR: "1", LC_ALL: "C" },
      stdout: "piped",
    }).spawn();
    const output = watching.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let printed = "";
    /** Reads up to a report. */
    const until = async (report: string) => {
      while (!printed.includes(report)) {
        const { value, done } = await output.read();
        if (done) throw new Error(`--watch ended before it said '${report}': ${printed}`);
        printed += value;
      }
      printed = printed.slice(printed.indexOf(report) + report.length);
    };
    const answer = (code: Code) => answerFile(digits, exercise, code);
    const right = answer(exercise.solution);
    const forwards = answer(exercise.diagnoses.forwards.wrong[0]);
    try {
      await until("digits: the TODO is still there");
      await Deno.writeTextFile(file, forwards); // in place
      await until("means: the sum is written forwards");
      const other = join(folder, "other"); // as sed -i and many editors do
      await Deno.writeTextFile(other, right);
      await Deno.rename(other, file);
      await until("digits: all checks pass");
      await Deno.rename(file, other); // away for a while
      await new Promise((resolve) => setTimeout(resolve, 100));
      await Deno.writeTextFile(file, forwards);
      await until("means: the sum is written forwards");
      // The second save falls into the check of the first, or comes too early for it.
      for (const wait of [20, 150]) {
        await Deno.writeTextFile(file, `${forwards}\n// ${wait}`);
        await new Promise((resolve) => setTimeout(resolve, wait));
        await Deno.writeTextFile(file, `${right}\n// ${wait}`);
        await until("digits: all checks pass");
      }
    } finally {
      watching.kill();
      await output.cancel();
      await watching.status;
    }
  }));

Deno.test("whatever a file does, its check ends with a report", () =>
  withFolder(async (folder) => {
    const printed: string[] = [];
    // Two processes at the same time: one waits long, the other, for files that never end, does not.
    const checker = new Checker({ language: "en", seconds: 60, onPrint: () => {} });
    const impatient = new Checker({
      language: "en",
      seconds: 2,
      onPrint: (text) => void printed.push(text),
    });
    const check = async (name: string, text: string, by = checker) => {
      const path = join(folder, `${name}.ts`);
      await Deno.writeTextFile(path, text);
      return await by.check("grad_b", { path, shown: `my/${name}.ts` });
    };
    /** The solution with other code in front of it. */
    const before = (code: string) => answerFile(entry, gradB, `${code}\n${gradB.solution}`);
    const endless = (async () => {
      const text = before(`console.log("one", "two");\nwhile (X) {}`);
      const inFunction = await check("endless", text, impatient);
      const atLoad = `${right}\nawait new Promise(() => setInterval(() => {}, 1000));`;
      return [inFunction, await check("never", atLoad, impatient)];
    })();
    try {
      const [line] = right.split("\n").entries().find(([, line]) => line.includes("const err ="))!;
      const broken = await check("broken", right.replace("const err =", "const err = )"));
      assertEquals(broken.stage, "does not load");
      assertStringIncludes(broken.report, ` at my/broken.ts:${line + 1}:`);

      const missing = await check(
        "missing",
        right.replace("export function gradients", "function gradients"),
      );
      assertEquals(missing.stage, "missing export");
      const noModule = await check("no_module", `import { x } from "lib/nothing.ts";\n${right}`);
      assertEquals(noModule.stage, "does not load");
      assertMatch(noModule.report, /my\/no_module\.ts:1:\d+/);

      const throwing = await check("throwing", before(`(X as unknown as { no(): void }).no();`));
      assertEquals(throwing.stage, "throws");
      assertMatch(
        throwing.report,
        /gradients\(\)\[0\] throws TypeError: .* at my\/throwing\.ts:\d+:\d+\n/,
      );

      const recursive = await check(
        "recursive",
        before(`return gradients(X, yTruth, weights, bias);`),
      );
      assertStringIncludes(recursive.report, "a call calls itself without end");

      // Results and errors that cannot be read, or not to their end.
      const unreadable = {
        disposed: [`X.dispose(); return [X, X] as never;`, "Tensor is disposed"],
        cyclic: [`const a: unknown[] = []; a.push(a); return [a, a] as never;`, "contains itself"],
        getter: [`return [{ get x() { throw new Error("no x"); } }] as never;`, "no x"],
        proxy: [`return [new Proxy([], { get() { throw Error("trap"); } })] as never;`, "trap"],
        deep: [
          `let a: unknown = 1; for (let i = 0; i < 20000; i++) a = [a]; return [a, a] as never;`,
          "more than 100 levels deep",
        ],
        stack: [
          `throw Object.defineProperty(new Error("mine"), "stack", { get() { throw 1; } });`,
          "mine",
        ],
        message: [
          `throw Object.defineProperty(new Error(), "message", { get() { throw 1; } });`,
          "an error that cannot be read",
        ],
        nothing: [`throw Object.create(null);`, "an error that cannot be read"],
      };
      for (const [name, [code, message]] of Object.entries(unreadable)) {
        const { stage, report } = await check(name, before(code));
        assertEquals(stage, "throws", report);
        assertStringIncludes(report, message);
      }

      const exit = await check("exit", before(`Deno.exit(0);`));
      assertEquals(exit.stage, "crash");
      const answer = JSON.stringify({ exercise: "grad_b", state: "passed", report: "" });
      const forged = await check("forged", before(`console.log('${answer}');\nDeno.exit(0);`));
      assertEquals(forged.stage, "crash");

      // A promise or a timer that fails later is not taken for a mistake of the next file.
      const late = `Promise.reject(new Error("late")); setTimeout(() => { throw 1; });`;
      assertEquals((await check("late", `${right}\n${late}`)).state, "passed");
      assertEquals((await check("right", right)).state, "passed");
      assertEquals((await check("wrong", wrong)).diagnosis, "sign");
      for (const { stage, report } of await endless) {
        assertEquals(stage, "endless loop");
        assertStringIncludes(report, "no answer after 2 seconds");
      }
      assertEquals(printed, ["one two"]);
    } finally {
      await endless.catch(() => {});
      await Promise.all([checker.close(), impatient.close()]);
    }
  }));

Deno.test("a type error is named with its place", async () => {
  const folder = await Deno.makeTempDir(); // a folder that deno check does not leave out
  try {
    const path = join(folder, "typed.ts");
    await Deno.writeTextFile(path, `const x: number = 1;\nconst y: string = x;\nconsole.log(y);\n`);
    assertEquals(
      await typeError({ path, shown: "my/typed.ts" }),
      "Type 'number' is not assignable to type 'string'. (my/typed.ts:2:7)",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deno task grade: what one student does disturbs no other", () =>
  withFolder(async (folder) => {
    const before = (code: string) => `${right}\n${code}`;
    const secret = join(folder, "anna/my/grad_b.ts");
    const outside = JSON.stringify(join(folder, "written"));
    const files: Record<string, string> = {
      "anna/my/grad_b.ts": right,
      "anna/my/notes.ts": "not an exercise",
      "ben/grad_b.ts": wrong, // a folder of files without my/
      "carla/my/grad_b.ts": before(`for (;;);`),
      "dan/my/grad_b.ts": before(
        `console.log(await Deno.readTextFile(${JSON.stringify(secret)}));`,
      ),
      "dora/my/grad_b.ts": `export * from ${JSON.stringify(secret)};`,
      "eva/my/grad_b.ts": before(
        `const all: Uint8Array[] = [];\nfor (;;) all.push(new Uint8Array(1e7).fill(1));`,
      ),
      // Nothing but its temporary folder is open to it; that it tried is seen though it catches all.
      "fran/my/grad_b.ts": before(`
        const denied = async (f: () => unknown) => {
          try {
            await f();
          } catch (error) {
            if (error instanceof Deno.errors.NotCapable) return;
          }
          throw new Error("allowed: " + f);
        };
        await denied(() => Deno.writeTextFile(${outside}, ""));
        await denied(() => Deno.readDir(${JSON.stringify(folder)})[Symbol.asyncIterator]().next());
        await denied(() => fetch("http://127.0.0.1:9999/"));
        await denied(() => Deno.env.get("HOME"));
        await denied(() => new Deno.Command("true").output());
        await Deno.writeTextFile("here", "a temporary folder");`),
      "gil/my/grad_b.ts": before(`Deno.exit(0);`),
      "hugo/my/no_bias.ts": "export const nothing = 0;",
      "=1+1/my/grad_b (1).ts": right, // a browser's second download, of a student with an odd name
    };
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(join(folder, name, ".."), { recursive: true });
      await Deno.writeTextFile(join(folder, name), text);
    }
    await Deno.mkdir(join(folder, "ines/my"), { recursive: true });
    await Deno.symlink(secret, join(folder, "ines/my/grad_b.ts"));
    const out = join(folder, "table");
    const { code, out: said, error } = await command(
      "grade",
      folder,
      `--out=${out}`,
      "--seconds=3",
      "--megabytes=400",
      "--jobs=2",
      "--lang=en",
    );
    assertEquals(code, 0, error);
    const csv = await Deno.readTextFile(join(out, "grades.csv"));
    const rows = parse(csv, { skipFirstRow: true }) as Record<string, string>[];
    const stage = Object.fromEntries(
      rows.filter(({ exercise }) => exercise === "grad_b").map((
        { student, state, stage },
      ) => [student, stage || state]),
    );
    assertStringIncludes(said, "=1+1: grad_b (1).ts is taken for grad_b.ts");
    const totals = await Deno.readTextFile(join(out, "totals.csv"));
    assertEquals(totals.split("\r\n").slice(0, 3), [
      "student,grad_b,no_bias,passed",
      "'=1+1,passed,not started,1",
      "anna,passed,not started,1",
    ]);
    assertStringIncludes(await Deno.readTextFile(join(out, "grades.html")), '<td class="passed">');
    assertEquals(stage, {
      "'=1+1": "passed",
      anna: "passed",
      ben: "gradient",
      carla: "endless loop",
      dan: "forbidden",
      dora: "does not load",
      eva: "crash",
      fran: "forbidden",
      gil: "crash",
      hugo: "not started",
      ines: "not started",
    });
    const hugo = rows.find(({ student, exercise }) =>
      student === "hugo" && exercise === "no_bias"
    )!;
    assertEquals([hugo.state, hugo.stage], ["failed", "missing export"]);
    const table = await Deno.readTextFile(join(out, "grades.md"));
    assertStringIncludes(
      table,
      "| student | exercise | state | stage |\n| --- | --- | --- | --- |",
    );
    assertStringIncludes(table, "| ben | grad_b | failed | gradient |");
    const reports = await Deno.readTextFile(join(out, "reports.md"));
    assertStringIncludes(reports, "it needed more than 400 MB");
    assertMatch(reports, /Requires read access to ".*anna\/my\/grad_b\.ts"/);
    assert(!reports.includes("anna\n"), "who passes has no report");
  }));

Deno.test({
  name: "deno task grade that is stopped leaves no process and no folder",
  ignore: Deno.build.os !== "linux", // processes are looked up in /proc
  fn: () =>
    withFolder(async (folder) => {
      const temporary = join(folder, "tmp");
      await Deno.mkdir(join(folder, "class/ana"), { recursive: true });
      await Deno.mkdir(temporary);
      const endless = `${right}\nconsole.log("begun");\nfor (;;);`;
      await Deno.writeTextFile(join(folder, "class/ana/grad_b.ts"), endless);
      const grading = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", join(workspace, "tests/exercises/grade.ts"), join(folder, "class")],
        env: { NO_COLOR: "1", INIT_CWD: workspace, TMPDIR: temporary },
        stdout: "null",
        stderr: "null",
      }).spawn();
      /** The processes that work in the temporary folder. */
      const children = () =>
        [...Deno.readDirSync("/proc")].filter(({ name }) => {
          try {
            return /^\d+$/.test(name) &&
              Deno.readLinkSync(`/proc/${name}/cwd`).startsWith(temporary);
          } catch {
            return false; // it has just ended, or is another user's
          }
        }).length;
      const until = async (holds: () => boolean) => {
        for (let i = 0; i < 200 && !holds(); i++) await new Promise((f) => setTimeout(f, 50));
        assert(holds(), String(holds));
      };
      await until(() => children() > 0);
      grading.kill("SIGTERM");
      assertEquals((await grading.status).code, 143);
      await until(() => children() === 0);
      assertEquals([...Deno.readDirSync(temporary)], []);
    }),
});
