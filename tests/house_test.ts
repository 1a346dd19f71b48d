/**
 * The order of the house: no file imports, by whatever way, one that imports it, and the rooms of
 * lib/ keep their direction. Imports of types count: who reads a file has to read those, too.
 */
import { assert, assertEquals } from "@std/assert";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);

/** Files by their paths in the repository, each with the paths that it imports. */
type Imports = Map<string, string[]>;

/** The specifiers that a file names: static imports, exports, dynamic imports and types. */
function specifiers(source: string): string[] {
  const code = source.replace(/^\s*(\/\*|\*|\/\/).*$/gm, ""); // comments, with the examples in them
  const patterns = [
    /^(?:import|export)\b[^;'"`]*?\bfrom\s*["']([^"']+)["']/gm,
    /^import\s*["']([^"']+)["']/gm,
    /\bimport\(\s*["']([^"']+)["']\s*\)/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, name]) => name));
}

/** The file that a specifier means, undefined if it is none of the repository. */
function target(specifier: string, file: string): string | undefined {
  if (/^(lib|scripts|tests)\//.test(specifier)) return specifier;
  if (!specifier.startsWith(".")) return;
  return relative(fileURLToPath(root), fileURLToPath(new URL(specifier, new URL(file, root))))
    .replaceAll("\\", "/");
}

function importsOf(folders: string[]): Imports {
  const imports: Imports = new Map();
  const visit = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(`${folder}/`, root))) {
      const path = `${folder}/${name}`;
      if (path === "lib/engine/cpu/assembly") continue; // another language
      if (isDirectory) visit(path);
      else if (name.endsWith(".ts")) {
        const names = specifiers(Deno.readTextFileSync(new URL(path, root)));
        imports.set(path, names.map((name) => target(name, path)).filter((path) => path != null));
      }
    }
  };
  folders.forEach(visit);
  return imports;
}

/**
 * The circles of imports, at least one where there is any: its files in order, the first again at
 * the end.
 */
function circles(imports: Imports): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file].join(" -> "));
    if (at >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}

const imports = importsOf(["lib", "scripts", "tests"]);

Deno.test("circles() finds those of two files and more, and of a file with itself", () => {
  const graph = (edges: Record<string, string[]>) => circles(new Map(Object.entries(edges)));
  assertEquals(graph({ a: ["b", "c"], b: ["c"], c: [] }), []);
  assertEquals(graph({ a: ["b"], b: ["c"], c: ["b"] }), ["b -> c -> b"]);
  assertEquals(graph({ a: ["a"] }), ["a -> a"]);
  assertEquals(graph({ a: ["b"], b: ["c", "d"], c: ["a"], d: ["b"] }), [
    "a -> b -> c -> a",
    "b -> d -> b",
  ]);
});

Deno.test("specifiers() finds every way of importing, and none in comments", () => {
  const source = [
    'import "./a.ts";',
    'import type { B } from "./b.ts";',
    'import {\n  c,\n  type C,\n} from "./c.ts";',
    'export * from "./d.ts";',
    'const { e } = await import("./e.ts");',
    'let f: import("./f.ts").F;',
    '/** import { x } from "./x.ts"; */',
    ' * import { y } from "./y.ts";',
    '// await import("./z.ts")',
  ].join("\n");
  assertEquals(specifiers(source).sort(), ["a", "b", "c", "d", "e", "f"].map((x) => `./${x}.ts`));
});

Deno.test("no imports run in a circle, types included", () => {
  assert(imports.size > 150, `only ${imports.size} files were found`);
  const framework = /^tests\/exercises\/framework\//; // still has one
  assertEquals(circles(imports).filter((circle) => !framework.test(circle)), []);
});

// ---- rooms

/**
 * The room of a file: a folder of lib/, the half of the engine, or "top", which is what a student
 * reads: the files of lib/ itself and what stands in a folder of the same name (lib/optim/).
 */
function room(path: string): string {
  const [first, second, third] = path.split("/");
  if (first !== "lib") return first;
  if (second.endsWith(".ts") || imports.has(`lib/${second}.ts`)) return "top";
  const half = second === "engine" && !third.endsWith(".ts");
  return half ? `engine/${third}` : second;
}

/**
 * What a room must not import, beside scripts and tests. "engine" is the floor that both halves
 * share.
 */
const rooms = ["program", "training", "weights", "tokenizers", "data", "plot"];
const engine = ["engine", "engine/cpu", "engine/webgpu"];
const without = (...allowed: string[]) => rooms.filter((room) => !allowed.includes(room));
const forbidden: Record<string, string[]> = {
  std: [...rooms, ...engine, "top", "io"],
  io: [...without("program"), ...engine, "top"], // a download shows program's bar
  "engine/cpu": [...rooms, "engine/webgpu", "top"],
  "engine/webgpu": [...rooms, "engine/cpu", "top"],
  engine: [...rooms, "top"],
  top: without("tokenizers"),
  tokenizers: [...without("tokenizers", "program"), ...engine],
  data: [...without("data", "tokenizers", "program"), ...engine],
  plot: [...without("plot"), ...engine],
  // A checkpoint names the data set that says what its ids stand for.
  weights: [...without("weights", "tokenizers", "program", "data"), ...engine],
  program: [...without("program"), "engine/webgpu"], // but cpu: its flags for V8
  training: ["plot", ...engine],
};
/**
 * The one file at the top that the engine may import: the generators are PyTorch's, whoever draws.
 */
const allowed = ["lib/random.ts"];

/** Imports against the rules, as "file imports file". */
function intrusions(imports: Imports): string[] {
  return [...imports].flatMap(([file, targets]) => {
    const never = [
      ...forbidden[room(file)] ?? [],
      "tests",
      ...file.startsWith("lib/") ? ["scripts"] : [],
    ];
    if (file.startsWith("tests/")) return [];
    return targets.filter((path) => !allowed.includes(path) && never.includes(room(path)))
      .map((path) => `${file} imports ${path}`);
  });
}

Deno.test("the rooms of lib/ keep their direction", () => {
  assertEquals(intrusions(imports), []);
  // The rule itself: each of these would be one.
  const wrong = new Map([
    ["lib/engine/cpu/dropout.ts", ["lib/engine/webgpu/dropout.ts"]],
    ["lib/engine/webgpu/loss.ts", ["lib/functional.ts", "lib/random.ts"]],
    ["lib/nn.ts", ["lib/weights/hub.ts"]],
    ["lib/plot/lines.ts", ["scripts/gpt.ts"]],
    ["scripts/gpt.ts", ["tests/helpers/devices.ts", "lib/nn.ts"]],
  ]);
  assertEquals(intrusions(wrong).length, 5);
});

Deno.test("only the device and turbo reach into an engine: formulas go through the registry", () => {
  const doors = ["lib/device.ts", "lib/program/turbo.ts"];
  const reaching = [...imports].filter(([file, targets]) =>
    file.startsWith("lib/") && !file.startsWith("lib/engine/") && !doors.includes(file) &&
    targets.some((path) => room(path).startsWith("engine/"))
  );
  assertEquals(reaching.map(([file]) => file), []);
});

/** Tests that are of more than one file, beside those that are of one folder (data_test.ts). */
const wide = [
  "lib/engine/operations", // every operation, on every device
  "lib/engine/readme",
  "lib/io/line_ends", // every reader of texts
  "lib/io/read",
  "lib/plot/plot",
  "lib/tokenizers/bpe",
  "lib/weights/checkpoint",
  "scripts/copies",
];

Deno.test("tests mirror lib and scripts: who looks for the test of a file finds it in its place", () => {
  const stray = [...imports.keys()].filter((path) => /^tests\/(lib|scripts)\//.test(path)).filter(
    (path) => {
      const of = path.replace(/^tests\/|_test\.ts$/g, "");
      const name = path.startsWith("tests/scripts/") ? of.replaceAll("_", "-") : of;
      const folder = name.split("/").slice(0, -1).join("/");
      const isFile = imports.has(`${name}.ts`) || imports.has(`${of}.ts`);
      const isFolder = [...imports.keys()].some((file) =>
        file.startsWith(`${name}/`) ||
        (file.startsWith(`${folder}/`) && name === `${folder}/${folder.split("/").at(-1)}`)
      );
      return !path.endsWith("_test.ts") || (!isFile && !isFolder && !wide.includes(of));
    },
  );
  assertEquals(stray, []);
  const untested = [...imports.keys()].filter((path) => /^scripts\/[^/]+\.ts$/.test(path))
    .map((path) => path.replaceAll("-", "_").replace(".ts", "_test.ts"))
    .filter((path) => !imports.has(`tests/${path}`));
  assertEquals(untested, []);
});
