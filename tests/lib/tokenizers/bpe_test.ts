import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { encode as encodeElsewhere } from "gpt-tokenizer/encoding/r50k_base";
import { get_encoding } from "tiktoken";
import {
  BPETokenizer,
  bytesToUnicode,
  getPairs,
  mergePair,
  splitIntoPieces,
  trainBPE,
} from "lib/tokenizers/bpe/mod.ts";
import { loadText } from "lib/data/texts.ts";
import { LETTERS, NUMBERS } from "lib/tokenizers/bpe/scan.ts";
import { InputError } from "lib/io/errors.ts";
import reference from "../../reference/bpe.json" with { type: "json" };

const gpt2 = await BPETokenizer.load();
const novel = await loadText("moby-dick");

/** Reproducible random numbers in [0, 1) (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Compares long lists without formatting them. */
function assertSame(actual: ArrayLike<number>, expected: ArrayLike<number>, message?: string) {
  assertEquals(actual.length, expected.length, message);
  for (let i = 0; i < actual.length; i++) assert(actual[i] === expected[i], `${message} at ${i}`);
}

/** The ids by definition: the steps one by one, no table and no cache. */
const encodeSlowly = (tokenizer: BPETokenizer, text: string) =>
  tokenizer.encodeAndShowWork(text).bpe_idx;

Deno.test("bytesToUnicode() gives 256 different characters and keeps the visible ones", () => {
  const characters = bytesToUnicode();
  assertEquals(new Set(characters).size, 256);
  assertEquals(["A", "~", "é"].map((c) => characters[c.charCodeAt(0)]), ["A", "~", "é"]);
  assertEquals([0, 10, 32, 127, 160, 173].map((byte) => characters[byte]), [..."ĀĊĠġłŃ"]);
});

Deno.test("getPairs() and mergePair() take neighbours from left to right", () => {
  assertEquals([...getPairs([..."hello"])], ["h e", "e l", "l l", "l o"]);
  assertEquals([...getPairs(["h"])], []);
  assertEquals(mergePair([..."aaaaa"], "a a"), ["aa", "aa", "a"]);
  assertEquals(mergePair(["a", "ab", "b", "ab"], "ab b"), ["a", "abb", "ab"]);
});

Deno.test("encode() gives the ids of bpe.py, and splitIntoPieces() its pieces", () => {
  for (const { text, ids, pieces } of reference.strings) {
    assertEquals(gpt2.encode(text), ids, text);
    assertEquals(encodeSlowly(gpt2, text), ids, text);
    assertEquals(splitIntoPieces(text), pieces, text);
    assertEquals(gpt2.decode(ids), text);
  }
});

Deno.test("encode() and decode() give the example of the course", () => {
  const text = "A relaxing cup of café con leche in Plaza Mayor";
  const ids = [32, 28175, 6508, 286, 40304, 369, 443, 2395, 287, 23280, 10106];
  assertEquals(gpt2.call(text), [ids]);
  assertEquals(gpt2.decode(ids), text);
  assertEquals(
    ids.map((id) => gpt2.decode([id])).join("/"),
    "A/ relaxing/ cup/ of/ café/ con/ le/che/ in/ Plaza/ Mayor",
  );
});

Deno.test("decode() puts U+FFFD for bytes that are no UTF-8, as bpe.py", () => {
  for (const { ids, text } of reference.decode) assertEquals(gpt2.decode(ids), text);
  assertEquals(gpt2.decode(Int32Array.of(464, 464)), "TheThe");
  assertEquals(gpt2.batchDecode([[464], [], [447, 247]]), ["The", "", "’"]);
  assertEquals([...gpt2.decodeBytes([447])], [0xe2, 0x80]);
});

Deno.test("decode() and encode() refuse what they cannot use", () => {
  assertThrows(() => gpt2.decode([1, 50257]), RangeError, "id 50257 at position 1");
  assertThrows(() => gpt2.decode([-1]), RangeError, "ids 0 to 50256");
  assertThrows(() => gpt2.decode([0.5]), RangeError, "id 0.5");
  assertThrows(() => gpt2.encode(7 as unknown as string), TypeError, "number");
});

Deno.test("encode() takes <|endoftext|> as text unless special tokens are asked for", () => {
  const text = "a<|endoftext|><|endoftext|> b<|endoftext|";
  assertEquals(gpt2.encode("<|endoftext|>"), [27, 91, 437, 1659, 5239, 91, 29]);
  const ids = gpt2.encode(text, { special: true });
  assertEquals(ids, [64, 50256, 50256, 275, 27, 91, 437, 1659, 5239, 91]);
  for (const special of [true, false]) {
    assertEquals(gpt2.decode(gpt2.encode(text, { special })), text);
    assertEquals(gpt2.call([text, "a"], { special }), [gpt2.encode(text, { special }), [64]]);
  }
});

Deno.test("encode() takes the longer of two special tokens that begin alike", () => {
  const { encoder, ranks } = gpt2;
  const special = ["<|end|>", "<|end|><|end|>"];
  const more = new Map([
    ...encoder,
    ...special.map((token, i) => [token, encoder.size + i] as const),
  ]);
  const tokenizer = new BPETokenizer(more, [...ranks.keys()]);
  const ids = tokenizer.encode("a<|end|><|end|>", { special: true });
  assertEquals(ids, [64, encoder.size + 1]);
});

Deno.test("encode() counts a lone surrogate as U+FFFD", () => {
  for (const text of ["\ud800", "a\udfffb", "\udc00\ud83e", "🤗\ud83e"]) {
    assertEquals(gpt2.decode(gpt2.encode(text)), text.toWellFormed());
    assertEquals(gpt2.encode(text), gpt2.encode(text.toWellFormed()));
    assertEquals(encodeSlowly(gpt2, text), gpt2.encode(text));
  }
});

// 100,000 strings: BPE_STRINGS=100000 deno test -A tests/bpe_test.ts
const strings = Number(Deno.env.get("BPE_STRINGS") ?? 2000);

Deno.test(`decode() undoes encode() on ${strings} random strings, and tiktoken agrees`, () => {
  const next = random(strings);
  const below = (n: number) => Math.floor(next() * n);
  const pick = <T>(items: ArrayLike<T>) => items[below(items.length)];
  // What looks white, is white, or is it in one language and not in the other.
  const blanks =
    " ;  ;\n;\t;\r\n;\v;\u00a0;\u0085;\ufeff;\x1c;\x1f;\u180e;\u2003;\u2028;\u3000;\u200b".split(
      ";",
    );
  const parts = [
    () => String.fromCharCode(0x20 + below(95)),
    () => pick("abcdefghijklmnopqrstuvwxyzAEIOU"),
    () => pick("0123456789½²٣Ⅳ"),
    () => pick(blanks),
    () => pick(["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'", "''", "'S", "'r", "'l"]),
    () => String.fromCharCode(below(0x250)),
    () => String.fromCharCode(0x4e00 + below(0x5000)),
    () => String.fromCodePoint(0x1f300 + below(0x400)),
    () => String.fromCharCode(below(0x10000)), // lone surrogates too
    () => String.fromCodePoint(below(0x110000)),
    () => gpt2.decode([below(50257)]),
    () => pick("ab .!\n").repeat(below(30)),
  ];
  const elsewhere = get_encoding("gpt2");
  // The other tokenizer's Unicode is older by one version.
  const onlyHere = new RegExp(`(?!\\p{L}|\\p{N})[${LETTERS}${NUMBERS}]`, "u");
  for (let i = 0; i < strings; i++) {
    const some = next() < 0.5 ? parts : [pick(parts), pick(parts)];
    const text = Array.from({ length: below(25) }, () => pick(some)()).join("");
    const ids = gpt2.encode(text), wellFormed = text.toWellFormed();
    assert(gpt2.decode(ids) === wellFormed, JSON.stringify(text));
    if (i < 5000) assertSame(encodeSlowly(gpt2, text), ids, JSON.stringify(text));
    if (onlyHere.test(text)) continue;
    assertSame(elsewhere.encode(wellFormed, [], []), ids, JSON.stringify(text));
  }
  elsewhere.free();
});

Deno.test("encode() gives gpt-tokenizer's ids on the whole novel, from the cache too", () => {
  const expected = encodeElsewhere(novel);
  for (let pass = 0; pass < 2; pass++) {
    const ids = gpt2.encode(novel);
    assertSame(ids, expected);
    assert(gpt2.decode(ids) === novel);
  }
});

Deno.test("encode() gives the same ids when the cache has been filled up and emptied", () => {
  const text = Array.from({ length: 150_000 }, (_, i) => ` ${i}`).join("");
  const ids = gpt2.encode(text);
  assert(gpt2.decode(ids) === text);
  assertSame(gpt2.encode(text), ids);
  const part = text.slice(0, 2000);
  assertSame(gpt2.encode(part), encodeSlowly(gpt2, part));
});

Deno.test("encode() merges long pieces as short ones", () => {
  const next = random(1);
  const letters = novel.replaceAll(/[^a-z]/g, "");
  for (const length of [48, 49, 256, 257, 301, 700]) {
    const start = Math.floor(next() * 10_000);
    const texts = [
      "a".repeat(length),
      "ab".repeat(length).slice(0, length),
      letters.slice(start, start + length),
      "ñ😀é".repeat(length).slice(0, length),
      Array.from({ length }, () => "aab-="[Math.floor(next() * 5)]).join(""),
      " ".repeat(length) + "x",
      "\n".repeat(length) + "x",
    ];
    for (const text of texts) assertSame(gpt2.encode(text), encodeSlowly(gpt2, text), text);
  }
});

Deno.test("encode() takes time proportional to the length of the worst texts", () => {
  const letters = novel.replaceAll(/[^a-z]/g, "").repeat(2);
  for (const text of ["a".repeat(1e6), letters.slice(0, 1e6), " ".repeat(1e6), "=-".repeat(5e5)]) {
    const start = performance.now();
    const ids = gpt2.encode(text);
    const seconds = (performance.now() - start) / 1000;
    assert(gpt2.decode(ids) === text);
    assert(seconds < 20, `${text.slice(0, 10)}... took ${seconds} s`); // about 0.3; hours if quadratic
  }
});

Deno.test("merges of a lower rank than the ones before them are made in the order of bpe.py", () => {
  // (abc, a) ranks below (ab, c), which makes its left part: all of (ab, c) must come first
  // nevertheless.
  const merges = ["a b", "abc a", "ab c", "b c", "a bc"];
  const tokens = [...bytesToUnicode().toSorted(), "ab", "abca", "abc", "bc"];
  const tokenizer = new BPETokenizer(new Map(tokens.map((token, id) => [token, id])), merges);
  const next = random(5);
  for (let i = 0; i < 60; i++) {
    const text = Array.from({ length: i % 3 ? 30 : 400 }, () => "abc"[Math.floor(next() * 3)]).join(
      "",
    );
    assertEquals(tokenizer.encode(text), encodeSlowly(tokenizer, text), text);
  }
});

/** Training by definition: counts all pairs anew after each merge. */
function trainSlowly(text: string, merges: number): string[] {
  const characters = bytesToUnicode();
  const ids = new Map(characters.toSorted().map((token, id) => [token, id]));
  let words = splitIntoPieces(text).map((piece) =>
    Array.from(new TextEncoder().encode(piece), (byte) => characters[byte])
  );
  const learned: string[] = [];
  while (learned.length < merges) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]} ${word[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const order = (pair: string) => pair.split(" ").map((token) => ids.get(token)!);
    const [best] = [...counts].sort(([a, n], [b, m]) =>
      m - n || order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1]
    );
    if (best === undefined) break;
    learned.push(best[0]);
    ids.set(best[0].replace(" ", ""), ids.size);
    words = words.map((word) => mergePair(word, best[0]));
  }
  return learned;
}

Deno.test("trainBPE() learns the merges of the definition, ties included", () => {
  const next = random(9);
  const noise = Array.from({ length: 1500 }, () => "aab ñ\n"[Math.floor(next() * 6)]).join("");
  for (const text of [novel.slice(20_000, 24_000), noise, "aaaaaaa aaaa aaaaa", "abab cdcd"]) {
    const tokenizer = trainBPE(text, 296);
    assertEquals([...tokenizer.ranks.keys()], trainSlowly(text, 40));
    assertEquals(tokenizer.size, 256 + tokenizer.ranks.size);
    assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
    assertEquals(tokenizer.encode(text), encodeSlowly(tokenizer, text));
  }
});

Deno.test("trainBPE() makes vocabularies of the size wanted", () => {
  const bytes = trainBPE("hello", 256);
  assertEquals([bytes.size, bytes.ranks.size], [256, 0]);
  assertEquals(bytes.encode("é!"), ["Ã", "©", "!"].map((token) => bytes.encoder.get(token)!));
  assertEquals(trainBPE("", 300).size, 256);
  assertEquals(trainBPE("aaaa", 300).size, 258); // aa, aaaa
  assertEquals(trainBPE(novel.slice(0, 20_000), 700).size, 700);
  for (const size of [255, 300.5, NaN]) {
    assertThrows(() => trainBPE("hello", size), RangeError, "256 or more");
  }
});

Deno.test("trainBPE() puts <|endoftext|> last if it is asked for", () => {
  const tokenizer = trainBPE(novel.slice(0, 5000), 300, { endOfText: true });
  assertEquals(tokenizer.size, 300);
  assertEquals(tokenizer.encode("<|endoftext|>", { special: true }), [299]);
  assertEquals(trainBPE("hello", 257, { endOfText: true }).specialTokens.get("<|endoftext|>"), 256);
  assertThrows(() => trainBPE("hello", 256, { endOfText: true }), RangeError, "257");
});

Deno.test("save() and load() keep a vocabulary; a damaged one is refused with file and place", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const text = novel.slice(0, 20_000);
    const tokenizer = trainBPE(text, 400, { endOfText: true });
    await tokenizer.save(join(folder, "new", "bpe"));
    const path = join(folder, "new", "bpe");
    const loaded = await BPETokenizer.load(path);
    assertEquals(loaded.encoder, tokenizer.encoder);
    assertEquals(loaded.ranks, tokenizer.ranks);
    assertEquals(loaded.encode(text), tokenizer.encode(text));

    const encoder = await Deno.readTextFile(join(path, "encoder.json"));
    const merges = await Deno.readTextFile(join(path, "vocab.bpe"));
    const refuses = async (
      change: { encoder?: string; merges?: string },
      ...expected: string[]
    ) => {
      await Deno.writeTextFile(join(path, "encoder.json"), change.encoder ?? encoder);
      await Deno.writeTextFile(join(path, "vocab.bpe"), change.merges ?? merges);
      const error = await assertRejects(() => BPETokenizer.load(path), InputError);
      for (const part of expected) assert(error.message.includes(part), error.message);
    };
    await refuses({ encoder: encoder.slice(0, 500) }, "encoder.json", " 500 characters");
    await refuses({ encoder: "[1, 2]" }, "encoder.json", "one object");
    await refuses({ encoder: encoder.replace(/: 399\b/, ": 400") }, "encoder.json", "id 400");
    await refuses(
      { encoder: encoder.replace(/: 398\b/, ": 397") },
      "encoder.json",
      "both have the id 397",
    );
    await refuses({ encoder: encoder.replace('"A"', '"AAA"') }, "encoder.json", '"A"', "byte 65");
    await refuses({ merges: merges.slice(0, 600) }, "vocab.bpe", "line");
    const lines = merges.split("\n"); // the version, 143 merges, and what is behind the last line end
    const withLine = (line: string) => lines.with(10, line).join("\n");
    await refuses({ merges: lines.slice(0, -1).join("\n") }, "vocab.bpe", "line 144", "cut short");
    await refuses({ merges: lines.toSpliced(100, 44).join("\n") }, "vocab.bpe", "after line 100");
    await refuses({ merges: withLine("Ġt h e") }, "vocab.bpe", "line 11", "two tokens");
    await refuses({ merges: withLine("Ġt \u0416") }, "vocab.bpe", "line 11", '"\u0416"');
    await refuses({ merges: withLine(lines[5]) }, "vocab.bpe", "line 11", "before");
    await refuses({ merges: lines.slice(1).join("\n") }, "vocab.bpe", "line 1 ", "#version");

    await Deno.remove(join(path, "vocab.bpe"));
    await assertRejects(() => BPETokenizer.load(path), InputError, "vocab.bpe");
    await assertRejects(() => BPETokenizer.load(join(folder, "none")), InputError, "encoder.json");
    await Deno.writeTextFile(join(folder, "vocab.json"), encoder); // Hugging Face's names
    await Deno.writeTextFile(join(folder, "merges.txt"), merges.replaceAll("\n", "\r\n"));
    assertEquals((await BPETokenizer.load(folder)).encode(text), tokenizer.encode(text));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Runs lib/tokenizers/bpe/program.ts as a program. */
async function program(...args: string[]) {
  const path = new URL("../../../lib/tokenizers/bpe/program.ts", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", path, ...args] });
  const { code, stdout, stderr } = await command.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, lines: decode(stdout).trimEnd().split("\n"), error: decode(stderr) };
}

Deno.test("the program shows each step of the example", async () => {
  const { code, lines } = await program();
  assertEquals(code, 0);
  assertEquals(lines[1], "Hello!! I'm Andrej Karpathy. It's 2022. w00t :D 🤗");
  assert(lines[3].startsWith(`['Hello', '!!', ' I', "'m", ' Andrej'`));
  assertEquals(
    lines.find((line) => line.includes("🤗'") && line.startsWith("{")),
    "{'token': ' 🤗', 'token_bytes': b' \\xf0\\x9f\\xa4\\x97', 'token_translated': 'ĠðŁ¤Ĺ', " +
      "'token_merged': ['ĠðŁ', '¤', 'Ĺ'], 'token_ix': [12520, 97, 245]}",
  );
  assertEquals(
    lines.at(-1),
    "[15496, 3228, 314, 1101, 10948, 73, 509, 5117, 10036, 13, 632, 338, 33160, 13, 266, 405, 83, " +
      "1058, 35, 12520, 97, 245]",
  );
});

Deno.test("the program trains a vocabulary, uses it, and says what is wrong with its flags", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const text = join(folder, "text.txt"), out = join(folder, "out");
    await Deno.writeTextFile(text, novel.slice(0, 20_000));
    const trained = await program("--train", text, "--vocab_size", "300", "--out", out);
    assertEquals(trained.code, 0, trained.error);
    assert(trained.lines.at(-1)!.startsWith("300 tokens saved to "));
    const { lines } = await program("--vocab", out, "the whale");
    assertEquals(
      lines.at(-1),
      `[${(await BPETokenizer.load(out)).encode("the whale").join(", ")}]`,
    );
    const bad = await program("--train", text, "--vocab_size=255");
    assertEquals(bad.code, 2);
    assert(bad.error.includes("vocab_size") && !bad.error.includes("    at "), bad.error);
    const missing = await program("--train", join(folder, "none.txt"), "--out", out);
    assertEquals(missing.code, 1);
    assert(missing.error.includes("none.txt") && !missing.error.includes("    at "), missing.error);
    await Deno.writeTextFile(text, "");
    const empty = await program("--train", text, "--out", out);
    assertEquals([empty.code, empty.error.trim()], [
      1,
      `error: Cannot learn from '${text}': it is empty`,
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
