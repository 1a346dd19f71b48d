/** What was written on Windows is read as what was written elsewhere: CRLF, and a byte-order mark. */
import { assertEquals } from "@std/assert";
import { parse } from "@std/csv";
import { readCoNLL } from "lib/data/conll.ts";
import { readCSV } from "lib/data/csv.ts";
import { readPairs } from "lib/data/pairs.ts";
import { indexSentences, readLines } from "lib/data/sentences.ts";
import { readJSON, readObject } from "lib/io/json.ts";
import { defaultComments } from "lib/program/flags.ts";
import { MetricsFile } from "lib/program/metrics.ts";
import { presetFlags } from "lib/program/preset.ts";
import { readVocabulary } from "lib/tokenizers/bpe/vocabulary.ts";
import { readTokenizerJSON } from "lib/tokenizers/tokenizer_json.ts";
import { readCharacters } from "lib/tokenizers/mod.ts";
import { temporaryFolder } from "../../helpers/scripts.ts";

/** Every reader of a file of text: what is in it, and what is read. */
const readers: Record<string, [text: string, read: (path: string) => Promise<unknown>]> = {
  "a table": ["a,b\n1,2\n\n3,4\n", async (path) => {
    const table = await readCSV(path, { columns: ["a", "b"] });
    return { ...table, file: "" };
  }],
  "a table in quotes": ['a,b\n"x, y",2\n', async (path) => parse(await Deno.readTextFile(path))],
  "pairs with tabs": [`one "two\teins zwei\nthree\tdrei\n`, (path) => readPairs(`${path}.tsv`)],
  "tagged words": ["I O\nam O\n\nAda B-PER\n", readCoNLL],
  "sentences": [
    "i like dogs\nyou like, cats!\n",
    async (path) => indexSentences(await readLines(path, { least: 2 }), ["[PAD]"]),
  ],
  "a preset": [
    "# small\nn_layer = 4 # blocks\nname = 'a # b'\n",
    (path) => presetFlags(path, {}, { n_layer: 1, name: "" }),
  ],
  "JSON": ['{\n  "a": [1, "x"]\n}\n', readJSON],
  "a configuration": ['{\n  "n_layer": 2\n}\n', readObject],
  "merges": [
    "#version: 0.2\nh i\n",
    async (path) => {
      const folder = await temporaryFolder();
      await Deno.copyFile(path, `${folder}/merges.txt`);
      await Deno.writeTextFile(`${folder}/vocab.json`, '{"h":0,"i":1,"hi":2}');
      return (await readVocabulary(folder)).merges;
    },
  ],
  "a tokenizer": [
    JSON.stringify(
      {
        pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
        model: { type: "BPE", vocab: { h: 0, i: 1, hi: 2 }, merges: ["h i"] },
      },
      null,
      2,
    ),
    async (path) => (await readTokenizerJSON(path)).encode("hi"),
  ],
  "a model's characters": ['[\n  "a",\n  "b"\n]\n', (path) => readCharacters(path, 2)],
  "the comments of flags": [
    "/** A model. */\nexport const defaults = {\n  // how long\n  steps: 3,\n  rate: 1, // how fast\n" +
    "           // or slow\n};\n",
    async (path) => defaultComments(await Deno.readTextFile(path)),
  ],
};

for (const [what, [text, read]] of Object.entries(readers)) {
  Deno.test(`${what} may have CRLF and a byte-order mark`, async () => {
    const folder = await temporaryFolder();
    const readAs = async (name: string, text: string) => {
      await Deno.writeTextFile(`${folder}/${name}`, text);
      await Deno.writeTextFile(`${folder}/${name}.tsv`, text);
      return await read(`${folder}/${name}`);
    };
    const expected = await readAs("plain", text);
    assertEquals(await readAs("crlf", text.replaceAll("\n", "\r\n")), expected);
    assertEquals(await readAs("mark", `\ufeff${text}`), expected);
    assertEquals(await readAs("both", `\ufeff${text.replaceAll("\n", "\r\n")}`), expected);
  });
}

Deno.test("the metrics of a run that goes on may have CRLF", async () => {
  const path = `${await temporaryFolder()}/metrics.jsonl`;
  await Deno.writeTextFile(path, '{"step":1,"loss":2}\r\n{"step":2,"loss":1}\r\n');
  const metrics = await MetricsFile.continue(path, 1);
  metrics.write(2, { loss: 1.5 });
  metrics.close();
  assertEquals(await Deno.readTextFile(path), '{"step":1,"loss":2}\n{"step":2,"loss":1.5}\n');
});
