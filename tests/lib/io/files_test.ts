import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { InputError } from "lib/io/errors.ts";
import { writeFileAtomic } from "lib/io/files.ts";

async function inFolder(body: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("writeFileAtomic() writes texts, bytes and parts, and replaces a file", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.txt`;
    await writeFileAtomic(path, "ü");
    assertEquals(Deno.readFileSync(path), new Uint8Array([0xc3, 0xbc]));
    await writeFileAtomic(path, new Uint8Array([1, 2, 3]));
    assertEquals(Deno.readFileSync(path), new Uint8Array([1, 2, 3]));
    await writeFileAtomic(path, [new Uint8Array([4]), new Uint8Array(), new Uint8Array([5, 6])]);
    assertEquals(Deno.readFileSync(path), new Uint8Array([4, 5, 6]));
    await writeFileAtomic(path, "");
    assertEquals(Deno.readFileSync(path).length, 0);
    assertEquals(names(folder), ["a.txt"]);
  }));

Deno.test("writeFileAtomic() leaves the old file and nothing else if it fails", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.txt`;
    await writeFileAtomic(path, "old");
    function* parts() {
      yield new Uint8Array(10);
      throw new RangeError("no second part");
    }
    await assertRejects(() => writeFileAtomic(path, parts()), RangeError, "no second part");
    assertEquals(Deno.readTextFileSync(path), "old");
    assertEquals(names(folder), ["a.txt"]);

    await assertRejects(() => writeFileAtomic(`${folder}/b/c`, "x"), InputError, "does not exist");
    await assertRejects(() => writeFileAtomic(`${path}/c`, "x"), InputError, "Cannot write");
    Deno.mkdirSync(`${folder}/d`);
    await assertRejects(() => writeFileAtomic(`${folder}/d`, "x"), InputError, "Cannot write");
    assertEquals(names(folder), ["a.txt", "d"]);
  }));

Deno.test({
  name: "writeFileAtomic() keeps the old file on a full disk",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (folder) => {
      // A limit on the size of files stands for the full disk: the write fails in the middle.
      const path = `${folder}/a.txt`;
      await writeFileAtomic(path, "old");
      const lib = new URL("../../../lib/io/files.ts", import.meta.url);
      const script = `const { writeFileAtomic } = await import(${JSON.stringify(lib.href)});
        try { await writeFileAtomic(${JSON.stringify(path)}, new Uint8Array(1e7)); }
        catch (error) { console.log(error.name + ": " + error.message); }`;
      const { stdout, stderr } = await new Deno.Command("bash", {
        args: ["-c", `trap '' XFSZ; ulimit -f 1000; exec "$0" eval "$1"`, Deno.execPath(), script],
      }).output();
      const text = new TextDecoder().decode(stdout);
      assertStringIncludes(
        text,
        `InputError: Cannot write '${path}'`,
        new TextDecoder().decode(stderr),
      );
      assertEquals(Deno.readTextFileSync(path), "old");
      assertEquals(names(folder), ["a.txt"]);
    }),
});

Deno.test("writeFileAtomic() removes what killed runs left, and nothing of others", () =>
  inFolder(async (folder) => {
    const gone = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
    await gone.status;
    const leftover = `a.txt.${gone.pid}.1.tmp`;
    const kept = [`a.txt.${Deno.ppid}.1.tmp`, `b.txt.${gone.pid}.1.tmp`, "a.txt.tmp"];
    for (const name of [leftover, ...kept]) Deno.writeTextFileSync(`${folder}/${name}`, "half");
    await writeFileAtomic(`${folder}/a.txt`, "new");
    assertEquals(names(folder), ["a.txt", ...kept].sort());
  }));

Deno.test("writeFileAtomic() lets many writes of one file run at a time", () =>
  inFolder(async (folder) => {
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(10000));
    await Promise.all(texts.map((text) => writeFileAtomic(`${folder}/a.txt`, text)));
    assertEquals(texts.includes(Deno.readTextFileSync(`${folder}/a.txt`)), true);
    assertEquals(names(folder), ["a.txt"]);
  }));
