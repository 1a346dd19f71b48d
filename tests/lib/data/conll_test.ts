import { assertEquals, assertRejects } from "@std/assert";
import { readCoNLL } from "lib/data/mod.ts";
import { InputError } from "lib/io/errors.ts";
import { temporaryFolder } from "../../helpers/scripts.ts";

Deno.test("readCoNLL() reads columns of any kind of blank, and says if a file is CoNLL-U", async () => {
  const path = `${await temporaryFolder()}/tags.txt`;
  const read = async (text: string) => {
    await Deno.writeTextFile(path, text);
    return await readCoNLL(path);
  };
  const expected = [
    { words: ["#", "1"], tags: ["SYM", "NUM"] },
    { words: ["a"], tags: ["B-X"] },
  ];
  const text = "\ufeff# SYM\r\n1\tNUM\r\n\r\n \r\n-DOCSTART- -X- O O\r\n\r\na NN B-NP B-X";
  assertEquals(await read(text), expected);
  const refuses = (text: string, message: string) =>
    assertRejects(() => read(text), InputError, message);
  const row = (id: string, word: string) => `${id}\t${word}\t_\tNOUN\t_\t_\t0\troot\t_\t_\n`;
  await refuses(row("1", "dogs"), "line 1 is of the CoNLL-U format");
  await refuses(`\n${row("1-2", "del")}${row("1", "de")}`, "line 2 is of the CoNLL-U format");
  await refuses(`# sent_id = 3\n${row("1", "a")}`, "line 1 is of the CoNLL-U format");
  await refuses("a X\n\nword\n", 'line 3 has the word "word" but no tag');
  await refuses("\n\n", "it has no sentences");
});
