import { assert, assertEquals, assertRejects } from "@std/assert";
import { InputError } from "lib/io/errors.ts";
import { readBytes, readText } from "lib/io/files.ts";
import { fileKind } from "lib/io/kinds.ts";
import { temporaryFolder } from "../../helpers/scripts.ts";

async function refuses(read: Promise<unknown>, expected: string) {
  const { message } = await assertRejects(() => read, InputError, expected);
  assert(message.startsWith("Cannot read '") && !message.includes("\n"), message);
}

Deno.test({
  name: "readText() refuses pipes, devices, folders and what is too large, at once",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await temporaryFolder();
    const pipe = `${folder}/pipe`;
    assert((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
    await refuses(readText(pipe), "it is a pipe");
    await refuses(readText("/dev/zero"), "it is a device");
    await refuses(readText(folder), "it is a folder");
    await refuses(readText(`${folder}/none`), "no such file");
    const sparse = await Deno.create(`${folder}/sparse`);
    await sparse.truncate(2 ** 40);
    sparse.close();
    await refuses(readText(`${folder}/sparse`), "it has 1099511627776 bytes, and at most 5368");
    await refuses(readBytes(`${folder}/sparse`, 1000), "at most 1000 can be read");
  },
});

Deno.test("readText() says what a file is that is no text", async () => {
  const path = `${await temporaryFolder()}/file`;
  const cases: [Uint8Array, string][] = [
    [Uint8Array.of(0x1f, 0x8b, 8, 0), "it is compressed by gzip, not a text"],
    [Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0), "it is an array of NumPy (.npy)"],
    [Uint8Array.of(0xff, 0xfe, 97, 0), "it is a text in UTF-16"],
    [Uint8Array.of(97, 10, 0xe9, 10), "line 2 is no valid UTF-8"],
  ];
  for (const [bytes, expected] of cases) {
    await Deno.writeFile(path, bytes);
    await refuses(readText(path), expected);
  }
  await Deno.writeTextFile(path, "\ufeffé");
  assertEquals(await readText(path), "\ufeffé");
});

Deno.test("fileKind() knows files by their first bytes", () => {
  const header = new TextEncoder().encode(`\x40\0\0\0\0\0\0\0{"a":{}}`);
  assertEquals(fileKind(header), "a safetensors file");
  assertEquals(fileKind(new TextEncoder().encode("PK\x03\x04...."))?.slice(0, 13), "a ZIP archive");
  assertEquals(fileKind(new TextEncoder().encode("a text")), undefined);
  assertEquals(fileKind(new Uint8Array()), undefined);
});
