/** A wrong answer stays wrong, whatever else its file does to the checker. */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answerFile, findEntry, load, root } from "./framework/catalog.ts";
import { Checker } from "./framework/checker.ts";

const entry = findEntry("grad_b");
const gradB = await load(entry);
const right = answerFile(entry, gradB, gradB.solution);
const wrong = answerFile(entry, gradB, gradB.diagnoses.sign.wrong[0]);
const place = (path: string) => JSON.stringify(fileURLToPath(new URL(path, root)));
const framework = (name: string) => JSON.stringify(`../../tests/exercises/framework/${name}.ts`);
const verdict = '{"exercise":"grad_b","state":"passed","report":""}';

/** What a file may do beside giving a wrong answer; each without its line would leave it wrong. */
const cheats: Record<string, string> = {
  // The language's own objects.
  "Array.prototype.every": "Array.prototype.every = () => true;",
  "Array.prototype.some": "Array.prototype.some = () => false;",
  "Array.prototype.filter": "Array.prototype.filter = () => [];",
  "Array.prototype.find": "Array.prototype.find = () => undefined;",
  "Array.prototype.findIndex": "Array.prototype.findIndex = () => -1;",
  "Array.prototype.map": "Array.prototype.map = () => [];",
  "Array.prototype.flatMap": "Array.prototype.flatMap = () => [];",
  "Array.prototype.reduce": "Array.prototype.reduce = () => 0;",
  "Array.prototype.includes": "Array.prototype.includes = () => false;",
  "Array.prototype, defined":
    `Object.defineProperty(Array.prototype, "filter", { value: () => [] });`,
  "Array.prototype, inherited":
    "Object.setPrototypeOf(Array.prototype, { filter: () => [] }); delete Array.prototype.filter;",
  "Array.from": "Array.from = () => [];",
  "Array.isArray": "Array.isArray = () => false;",
  "iterators of arrays": "Array.prototype[Symbol.iterator] = function* () {};",
  "next() of iterators": "Object.getPrototypeOf([].values()).next = () => ({ done: true });",
  "Math.abs": "Math.abs = () => 0;",
  "Math.max": "Math.max = () => 0;",
  "Math itself": "globalThis.Math = Object.assign(Object.create(Math), { abs: () => 0 });",
  "Array itself": "globalThis.Array = class extends Array { filter() { return []; } };",
  "Object itself": "globalThis.Object = { ...Object, entries: () => [] };",
  "JSON itself": `globalThis.JSON = { parse: JSON.parse, stringify: () => '${verdict}' };`,
  "JSON.stringify": `JSON.stringify = () => '${verdict}';`,
  "Number.isFinite": "Number.isFinite = () => false;",
  "Number itself": "globalThis.Number = Object.assign(() => 0, { isFinite: () => false });",
  "Object.is": "Object.is = () => true;",
  "Object.entries": "Object.entries = () => [];",
  "Object.keys": "Object.keys = () => [];",
  "Object.prototype.toJSON": `Object.prototype.toJSON = () => (${verdict});`,
  "toJSON, defined":
    `Object.defineProperty(Object.prototype, "toJSON", { value: () => (${verdict}) });`,
  "Array.prototype.toJSON": "Array.prototype.toJSON = () => [];",
  "String.prototype.toJSON": `String.prototype.toJSON = () => "passed";`,
  "Object.prototype, a setter":
    `Object.defineProperty(Object.prototype, "state", { get: () => "passed", set() {} });`,
  "Object.prototype.then": "Object.prototype.then = (f) => f([]);",
  "Promise.prototype.then": "Promise.prototype.then = function (f) { return f([]); };",
  "Promise.all": "Promise.all = async () => [];",
  "Error's instances": "Object.defineProperty(Error, Symbol.hasInstance, { value: () => false });",
  "String()": `globalThis.String = Object.assign(() => "same", { prototype: String.prototype });`,
  "String.prototype.startsWith": "String.prototype.startsWith = () => true;",
  "Function.prototype.call": "Function.prototype.call = () => undefined;",
  "Map.prototype.get": "Map.prototype.get = () => undefined;",
  "Float32Array's values": "Object.getPrototypeOf(Float32Array.prototype).every = () => true;",
  // The tensors'.
  "Tensor.data()": "tf.Tensor.prototype.data = async () => new Float32Array(1);",
  "Tensor.dataSync()": "tf.Tensor.prototype.dataSync = () => new Float32Array(1);",
  "Tensor's instances":
    "Object.defineProperty(tf.Tensor, Symbol.hasInstance, { value: () => false });",
  "engine's read": "tf.engine().read = async () => new Float32Array(1);",
  "backend's read": "tf.backend().read = async () => new Float32Array(1);",
  "backend's readSync": "tf.backend().readSync = () => new Float32Array(1);",
  // The checker's own modules.
  "equal() replaced": `(await import(${
    framework("check")
  })).Check.prototype.equal = async () => {};`,
  "that() replaced": `(await import(${framework("check")})).Check.prototype.that = () => {};`,
  "exports() replaced": `(await import(${
    framework("check")
  })).Check.prototype.exports = () => ({});`,
  "Failure replaced": `(await import(${framework("report")})).Failure.prototype.reason = {};`,
  "a failure that passes": `const { Failure } = await import(${framework("report")});
    Object.defineProperty(Failure, Symbol.hasInstance, { value: () => false });`,
  "the exercise replaced": `(await import(${
    place("tests/exercises/logistic-regressor/grad_b.ts")
  })).default.check = () => {};`,
  "the solution read": `const text = await Deno.readTextFile(${
    place("tests/exercises/logistic-regressor/grad_b.ts")
  });
    throw text;`,
  "the tests listed": `throw [...Deno.readDirSync(${place("tests")})];`,
  // The verdict.
  "a verdict printed": `console.log('${verdict}');`,
  "a verdict, then the end": `console.log('${verdict}'); Deno.exit(0);`,
  "a verdict written": `Deno.stdout.writeSync(new TextEncoder().encode('\\n${verdict}\\n'));`,
  "exit code 0": "Deno.exit(0);",
  "exit at the end": `addEventListener("unload", () => console.log('${verdict}')); Deno.exit(0);`,
  "exit replaced": "Deno.exit = () => undefined as never;",
};

Deno.test("a wrong answer does not pass by tampering", async () => {
  await Deno.mkdir(new URL("out/", root), { recursive: true });
  const folder = await Deno.makeTempDir({ dir: fileURLToPath(new URL("out", root)) });
  const checker = new Checker({ language: "en", seconds: 20, onPrint: () => {} });
  const check = async (name: string, text: string) => {
    const path = join(folder, `${name}.ts`);
    await Deno.writeTextFile(path, text);
    return await checker.check("grad_b", { path, shown: `my/${name}.ts` });
  };
  try {
    const passed: string[] = [];
    for (const [i, [cheat, code]] of Object.entries(cheats).entries()) {
      // What it does fails in some cases, which it hides: the wrong answer is still there.
      const hidden = `\ntry {\n${code}\n} catch { /* goes on */ }\n`;
      const { state } = await check(`cheat${i}`, `${wrong}${hidden}`);
      if (state !== "failed") passed.push(cheat);
    }
    assertEquals(passed, []);
    // The checker is what it was: both answers are told apart in the process that saw all that.
    assertEquals((await check("right", right)).state, "passed");
    assertEquals((await check("wrong", wrong)).diagnosis, "sign");
    const solution = place("tests/exercises/logistic-regressor/grad_b.ts");
    const { stage, report } = await check("import", `${right}\nexport * from ${solution};`);
    assertEquals(stage, "does not load");
    assertMatch(report, /Requires read access/);
    // Objects below can still have what they inherit as their own, which libraries rely on.
    const own =
      `const o: Record<string, unknown> = {}; o.toString = () => "mine"; o.constructor = 1;
      class Mine extends Error { constructor() { super(); this.message = "m"; this.name = "n"; } }
      if (\`\${o}\` !== "mine" || new Mine().message !== "m") throw new Error("not mine");`;
    const deeds: Record<string, string> = {
      net: `await fetch("http://127.0.0.1:9999/");`,
      "net ": `await Deno.connect({ hostname: "127.0.0.1", port: 9 });`,
      env: `Deno.env.get("HOME");`,
      run: `new Deno.Command("true").outputSync();`,
      read: `Deno.readTextFileSync("/etc/hostname");`,
      "read ": `await Deno.readTextFile(${place("README.md")});`,
      write: `Deno.writeTextFileSync("/tmp/written", "");`,
      sys: `Deno.hostname();`,
    };
    for (const [kind, deed] of Object.entries(deeds)) {
      const text = `${right}\ntry { ${deed} } catch { /* hidden */ }`;
      const { stage, report } = await check(`deed_${kind.trim()}${kind.length}`, text);
      assertEquals(stage, "forbidden", `${deed}: ${report}`);
      assertMatch(report, RegExp(`Requires ${kind.trim()} access`));
    }
    const stores = `for (const name of ["localStorage", "sessionStorage", "caches"] as const) {
      if (globalThis[name] !== undefined) throw new Error(name);
    }`;
    assertEquals((await check("stores", `${right}\n${stores}`)).state, "passed");
    assertEquals((await check("own", `${right}\n${own}`)).state, "passed");
  } finally {
    await checker.close();
    await Deno.remove(folder, { recursive: true });
  }
});
