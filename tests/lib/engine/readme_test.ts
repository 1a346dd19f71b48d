/** The engine's guide shows pieces of files: each has to stand in its file. */
import { assert, assertEquals } from "@std/assert";

const root = new URL("../../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, root)).replaceAll("\r\n", "\n");
const guide = read("lib/engine/README.md");

Deno.test("each piece of code in the engine's guide stands in the file that it names", () => {
  const pieces = [...guide.matchAll(/^`([^`\n]+)`\n\n```ts\n([^]*?)^```$/gm)];
  assert(pieces.length >= 9, `only ${pieces.length} pieces were found`);
  assertEquals(pieces.length, guide.match(/^```ts$/gm)!.length, "a piece names no file");
  for (const [, path, piece] of pieces) {
    const source = read(path);
    let from = 0;
    for (const part of piece.split(/^\.\.\.\n/m).filter(Boolean)) { // "...": lines are left out
      const at = source.indexOf(part, from);
      assert(at >= 0, `${path} does not have, or not in this order:\n${part}`);
      from = at + part.length;
    }
  }
});

Deno.test("the engine's guide names no file that is not there, and leaves none out", () => {
  const files = ["", "cpu/", "webgpu/"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(`lib/engine/${folder}`, root))]
      .filter(({ name }) => name.endsWith(".ts")).map(({ name }) => folder + name)
  );
  const named = new Set(
    [...guide.matchAll(/`(?:lib\/engine\/)?(?:cpu\/|webgpu\/)?([\w]+)(?:\.ts)?`/g)]
      .map(([, name]) => name),
  );
  for (const file of files) {
    const name = file.replace(/^.*\//, "").replace(".ts", "");
    assert(named.has(name), `the guide does not name ${file}`);
  }
  for (const [, path] of guide.matchAll(/`((?:lib|tests|scripts)\/[\w/]+\.ts)`/g)) read(path);
});
