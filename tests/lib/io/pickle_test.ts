import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Plain, readPickle, writePickle } from "lib/io/pickle.ts";
import { readReference } from "../../helpers/compare.ts";

const reference = await readReference("pickle.json");
const fromHex = (hex: string) => Uint8Array.fromHex(hex);
/** Operations as text: one character a byte. */
const operations = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

function refuses(bytes: Uint8Array, ...parts: string[]) {
  const { message } = assertThrows(() => readPickle(bytes), SyntaxError, "Want a pickle of");
  for (const part of parts) assertStringIncludes(message, part);
  assert(message.length < 200 && !message.includes("\n"));
}

Deno.test("readPickle() reads plain data of each protocol", () => {
  const expected = new Map<string | number, Plain>([
    ["vocab_size", 3],
    ["itos", ["a", "é\n\\", "€"]],
    ["x", null],
    ["y", true],
    ["n", false],
    ["f", 1.5],
    ["i", Infinity],
    ["big", 2 ** 40],
    ["neg", -5],
    ["t", [1, 2]],
    ["d", new Map()],
    [1.5, "é"],
    [-(2 ** 31), []],
  ]);
  assertEquals(reference.plain.length, 6);
  for (const hex of reference.plain) assertEquals(readPickle(fromHex(hex)), expected);
});

Deno.test("readPickle() reads the numbers of NumPy", () => {
  const expected = { v: 65, f: 1.5, u: 3, b: true, n: -2, g: -0.1, be: 256 };
  for (const hex of reference.numpy) {
    assertEquals(readPickle(fromHex(hex)), new Map<string, Plain>(Object.entries(expected)));
  }
});

Deno.test("readPickle() reads what writePickle() writes", () => {
  const value = new Map<string | number, Plain>([["a", [1, null, true, false, "€"]], [-1, []]]);
  assertEquals(readPickle(writePickle(value)), value);
});

Deno.test("readPickle() refuses what is cut short, goes on, or is no plain data", () => {
  const whole = fromHex(reference.plain[4]);
  for (let n = 0; n < whole.length; n++) refuses(whole.subarray(0, n));
  for (const hex of [...reference.plain, ...reference.numpy]) {
    refuses(new Uint8Array([...fromHex(hex), 0]), "more behind the end");
  }
  refuses(operations("cbuiltins\nprint\n(S'x'\ntR."));
  refuses(operations("\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."), "calls for os.system");
  refuses(operations("cos\nsystem\n."), "no plain data");
  refuses(operations("\x80\x06N."), "protocol above 5");
  refuses(operations("\x8a\x09\0\0\0\0\0\0\0\0\x01."), "beyond 2^53");
  refuses(operations("L9007199254740993L\n."), "beyond 2^53");
  refuses(operations("}NNs."), "texts or numbers as keys");
  refuses(operations("(K\x01K\x02d)s."));
  refuses(operations("]q\0h\0a."), "holds itself");
  refuses(operations("K\x01K\x02."), "one value at the end");
  refuses(operations("."), "one value at the end");
  refuses(operations("h\x05."), "no such value");
  refuses(operations("u."), "no mark");
  refuses(operations("X\xff\xff\xff\xffab."), "ends too early");
  refuses(operations("F1e\n."), "no float");
});

Deno.test("readPickle() stops at operations that would fill the memory", () => {
  const before = Deno.memoryUsage().rss, start = performance.now();
  refuses(new Uint8Array(20e6).fill("}".charCodeAt(0)), "too many lists");
  refuses(new Uint8Array(20e6).fill("N".charCodeAt(0)), "too many values");
  refuses(operations("]" + "]a".repeat(200_000) + "."), "too many lists");
  refuses(new Uint8Array(20e6).fill("(".charCodeAt(0)), "too many values");
  assert(performance.now() - start < 5000);
  assert(Deno.memoryUsage().rss - before < 1e9);
});
