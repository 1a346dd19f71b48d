import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { attentionMaps, draw, heatmap, lines, scatter } from "lib/plot/mod.ts";
import { temporaryFolder } from "../../helpers/scripts.ts";

/** What `body` writes to the error stream, line by line. */
async function warnings(body: () => Promise<unknown>): Promise<string[]> {
  const { error } = console;
  const written: string[] = [];
  console.error = (line: string) => written.push(line);
  try {
    await body();
  } finally {
    console.error = error;
  }
  return written;
}

Deno.test("draw() says in one line that a picture failed, whatever the reason", async () => {
  const folder = await temporaryFolder();
  const curve = () => lines({ series: { loss: [2, 1] } });
  assertEquals(await warnings(async () => assert(await draw(`${folder}/loss`, curve))), []);
  const old = await Deno.readTextFile(`${folder}/loss.svg`);
  const failures: [RegExp, string, () => ReturnType<typeof lines>][] = [
    [/domain/, "loss", () => heatmap({ values: [[1]], domain: [0, NaN] })],
    [/matrix is empty/, "loss", () => heatmap({ values: [] })],
    [/no-folder/, "no-folder/loss", curve],
    [/two lines/, "loss", () => {
      throw new Error(`two\nlines ${"x".repeat(1000)}`);
    }],
  ];
  for (const [reason, name, make] of failures) {
    const said = await warnings(async () => assert(!await draw(`${folder}/${name}`, make)));
    assertEquals(said.length, 1);
    assertMatch(said[0], /^warning: Cannot [^\n]{1,300}$/);
    assertMatch(said[0], reason);
    assertStringIncludes(said[0], name);
  }
  assertEquals(await Deno.readTextFile(`${folder}/loss.svg`), old);
});

Deno.test("characters that XML forbids are shown as their codes", async () => {
  const names = ["a\b", "\0", "\x1f", "\ud83d", "\uffff", "é😀"];
  const shown = ["aU+0008", "U+0000", "U+001F", "U+D83D", "U+FFFF", "é😀"];
  const figures = [
    heatmap({ values: [names.map((_, i) => i)], columns: names, title: names[0] }),
    scatter({ points: names.map((label, i) => ({ x: i, y: i, label })) }),
    lines({ series: Object.fromEntries(names.map((name) => [name, [1, 2]])) }),
  ];
  for (const figure of figures) {
    const svg = await figure.svg();
    for (const name of shown) assertStringIncludes(svg, `>${name}<`);
    assert(svg.isWellFormed());
    // XML 1.0, section 2.2
    assertMatch(svg, /^[\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u);
    assert((await figure.png()).length > 1000); // the rasteriser reads it as XML
  }
});

Deno.test("attentionMaps() draws the first head or all, without what has no name", async () => {
  const heads = [[[0.9, 0.1, 0], [0.2, 0.8, 0]], [[0.5, 0.5, 0], [0.3, 0.7, 0]]];
  const options = { title: "Attention", heads, queries: ["the"], keys: ["a", "cat"] };
  const one = await attentionMaps(options).svg();
  for (const text of ["Head 1", "the", "a", "cat", "0.90", "0.10"]) {
    assertStringIncludes(one, `>${text}<`);
  }
  for (const text of ["Head 2", "0.80", "0.00"]) assert(!one.includes(`>${text}<`), text);
  const all = await attentionMaps({ ...options, all: true, domain: [0, 1] }).svg();
  assertStringIncludes(all, ">Head 2<");
  assertThrows(() => attentionMaps({ ...options, queries: ["a", "b", "c"] }), TypeError);
});
