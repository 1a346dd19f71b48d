// The stand-ins in lib/std. These tests pass on the published packages too:
// take "links" out of deno.json where their registry can be reached.
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { parse, stringify } from "@std/csv";

/** The message of the AssertionError that `fn` must throw. */
function failure(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    // deno-lint-ignore no-control-regex
    return error.message.replace(/\x1b\[\d+m/g, "");
  }
  throw new Error(`No AssertionError was thrown by ${fn}`);
}

Deno.test("equal() compares by value", () => {
  class Point {
    constructor(public x: number) {}
  }
  const loop: Record<string, unknown> = { a: 1 };
  loop.self = loop;
  const sameLoop: Record<string, unknown> = { a: 1 };
  sameLoop.self = sameLoop;
  const pairs: [unknown, unknown, boolean][] = [
    [NaN, NaN, true],
    [0, -0, true],
    [[0, [-0]], [-0, [0]], true],
    [1, "1", false],
    [null, undefined, false],
    [{ a: undefined }, {}, false],
    [{ a: undefined }, { b: undefined }, false],
    [{ a: 1, b: [2] }, { b: [2], a: 1 }, true],
    [Object.assign(Object.create(null), { a: 1 }), { a: 1 }, true],
    [new Point(1), new Point(1), true],
    [new Point(1), new Point(2), false],
    [new Point(1), { x: 1 }, false],
    [[1, 2], [1, 2, 3], false],
    [[1], { 0: 1 }, false],
    [new Float32Array([1, NaN]), new Float32Array([1, NaN]), true],
    [new Float32Array([1, 2]), new Float32Array([1, 3]), false],
    [new Float32Array([1]), new Float64Array([1]), false],
    [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer, true],
    [new Uint8Array([1]).buffer, new Uint8Array([2]).buffer, false],
    [new Date(5), new Date(5), true],
    [new Date(5), new Date(6), false],
    [new Date("no"), new Date("no"), true],
    [/a/g, /a/g, true],
    [/a/g, /a/i, false],
    [new URL("a:b"), new URL("a:c"), false],
    [new Set([1, { a: 2 }]), new Set([{ a: 2 }, 1]), true],
    [new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 1 }, { a: 3 }]), false],
    [new Map([["a", [1]], ["b", [2]]]), new Map([["b", [2]], ["a", [1]]]), true],
    [new Map([["a", 1]]), new Map([["a", 2]]), false],
    [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 1]]), true],
    [new Map([["a", undefined]]), new Map([["b", undefined]]), false],
    [loop, sameLoop, true],
    [() => 1, () => 1, false],
  ];
  for (const [a, b, expected] of pairs) {
    assertEquals(equal(a, b), expected, `${Deno.inspect([a, b])}`);
    assertEquals(equal(b, a), expected, `${Deno.inspect([b, a])}`);
  }
  assertThrows(() => equal(new WeakMap(), new WeakMap()), TypeError);
});

Deno.test("a failed assertion says what was expected, and the caller's words", () => {
  const equals = failure(() => assertEquals({ a: 1, b: 2 }, { a: 1, b: 3 }));
  assertMatch(equals, /^Values are not equal\.\n/);
  assertStringIncludes(equals, "[Diff] Actual / Expected");
  for (const line of ["      a: 1,", "-     b: 2,", "+     b: 3,"]) {
    assertArrayIncludes(equals.split("\n"), [line]);
  }
  const strings = failure(() => assertEquals("a\nb", "a\nc")).split("\n");
  assertArrayIncludes(strings, ["-   b", "+   c"]);
  const messages: [() => unknown, string][] = [
    [() => assertEquals(1, 2, "sum"), "Values are not equal: sum\n"],
    [
      () => assertNotEquals([1], [1]),
      "Expected actual: [\n  1,\n] not to be: [\n  1,\n].",
    ],
    [
      () => assertStrictEquals([1], [1]),
      "Values have the same structure but are not reference-equal.",
    ],
    [() => assertStrictEquals(1, 2), "Values are not strictly equal."],
    [
      () => assertNotStrictEquals(1, 1),
      'Expected "actual" to not be strictly equal to: 1.',
    ],
    [
      () => assertAlmostEquals(1, 1.5, 0.25, "loss"),
      'Expected actual: "1" to be close to "1.5e+0": delta "5e-1" is greater than "2.5e-1": loss',
    ],
    [() => assertAlmostEquals(NaN, 1), 'Expected actual: "NaN"'],
    [
      () => assertExists(null),
      'Expected actual: "null" to not be null or undefined.',
    ],
    [() => assertGreater(1, 2), "Expect 1 > 2"],
    [() => assertGreaterOrEqual(1, 2), "Expect 1 >= 2"],
    [() => assertLess(2, 1), "Expect 2 < 1"],
    [() => assertLessOrEqual(2, 1, "words"), "words"],
    [() => assertMatch("ab", /c/), 'Expected actual: "ab" to match: "/c/".'],
    [
      () => assertNotMatch("ab", /a/),
      'Expected actual: "ab" to not match: "/a/".',
    ],
    [
      () => assertStringIncludes("ab", "c"),
      'Expected actual: "ab" to contain: "c".',
    ],
    [() => assertArrayIncludes([1, 2], [2, 3]), "missing: [\n  3,\n]"],
    [
      () => assertInstanceOf({}, Date),
      'Expected object to be an instance of "Date" but was "Object".',
    ],
    [
      () => assertInstanceOf(Date, Date),
      'Expected object to be an instance of "Date" but was not an instanced object.',
    ],
    [
      () => assertIsError(new Error("no"), RangeError),
      'Expected error to be instance of "RangeError", but was "Error".',
    ],
    [
      () => assertIsError(new Error("no"), Error, /yes/),
      'Expected error message to include /yes/, but got "no".',
    ],
    [
      () => assertThrows(() => 1, Error, "x", "words"),
      "Expected function to throw: words",
    ],
    [() => assertThrows(() => 1, "words"), "Expected function to throw: words"],
    [
      () =>
        assertThrows(() => {
          throw "text";
        }, Error),
      "A non-Error object was thrown.",
    ],
    [() => fail("words"), "Failed assertion: words"],
    [() => unreachable(), "Unreachable."],
    [() => assert(0, "zero"), "zero"],
    [() => assertFalse(1, "one"), "one"],
  ];
  for (const [fn, message] of messages) {
    assertStringIncludes(failure(fn), message);
  }
});

Deno.test("assertAlmostEquals() allows 1e-7 of the expected value by default", () => {
  assertAlmostEquals(100.00000999, 100);
  assertThrows(() => assertAlmostEquals(100.0000101, 100), AssertionError);
  assertAlmostEquals(Infinity, Infinity);
});

Deno.test("assertObjectMatch() looks at the expected keys only", () => {
  const run = { seed: 1, model: { n: 2, m: 3 }, list: [{ a: 1, b: 2 }] };
  assertObjectMatch(run, { model: { n: 2 }, list: [{ a: 1 }] });
  assertThrows(
    () => assertObjectMatch(run, { model: { n: 4 } }),
    AssertionError,
  );
  assertThrows(() => assertObjectMatch(run, { other: 1 }), AssertionError);
});

Deno.test("assertThrows() and assertRejects() return the error", async () => {
  const thrown = new RangeError("too far");
  const same = assertThrows(
    () => {
      throw thrown;
    },
    RangeError,
    "far",
  );
  assertStrictEquals(same, thrown);
  assertStrictEquals(
    await assertRejects(() => Promise.reject(thrown), RangeError, "far"),
    thrown,
  );
  await assertRejects(
    () => assertRejects(() => Promise.resolve(1)),
    AssertionError,
    "Expected function to reject.",
  );
  await assertRejects(
    () =>
      assertRejects(() => {
        throw thrown;
      }),
    AssertionError,
    "Function throws when expected to reject.",
  );
  await assertRejects(
    () => assertRejects(() => Promise.reject(thrown), SyntaxError),
    AssertionError,
    'Expected error to be instance of "SyntaxError", but was "RangeError".',
  );
});

Deno.test("parseArgs() reads values, switches and positional arguments", () => {
  const options = {
    boolean: ["v", "bias"],
    string: ["name", "no-op"],
    negatable: ["bias"],
    alias: { v: "verbose" },
  };
  const cases: [string[], Record<string, unknown>][] = [
    [["--n=3", "--x", "1.5", "a", "7"], { n: 3, x: 1.5, _: ["a", 7] }],
    [["--name=3"], { name: "3" }],
    [["--name=a=b"], { name: "a=b" }],
    [["--name"], { name: "" }],
    [["--name", "--v"], { name: "", v: true, verbose: true }],
    [["--bias"], { bias: true }],
    [["--bias=false"], { bias: false }],
    [["--bias", "x"], { bias: true, _: ["x"] }],
    [["--bias", "--no-bias"], { bias: false }],
    [["--no-name"], { "no-name": true }],
    [["--no-op", "x"], { "no-op": "x" }],
    [["--n=1", "--n=2"], { n: 2 }],
    [["--verbose"], { v: true, verbose: true }],
    [["--", "--n=1"], { _: ["--n=1"] }],
    [["--toString=1"], { toString: 1 }],
  ];
  for (const [args, expected] of cases) {
    assertEquals<Record<string, unknown>>(
      { ...parseArgs(args, options) },
      { v: false, verbose: false, bias: false, _: [], ...expected },
      args.join(" "),
    );
  }
});

Deno.test("parseArgs() applies defaults and leaves out what unknown() refuses", () => {
  const refused: string[] = [];
  const args = parseArgs(["--n=1", "--m", "2", "x"], {
    string: "n",
    default: { k: [1, 2], n: "0" },
    unknown: (arg: string) => {
      refused.push(arg);
      return false;
    },
  });
  assertEquals<unknown>({ ...args }, { _: [], k: [1, 2], n: "1" });
  assertEquals(refused, ["--m", "x"]);
});

Deno.test("parse() reads quotes, line ends and empty lines", () => {
  const cases: [string, string[][]][] = [
    ["a,b\r\nc,d\n", [["a", "b"], ["c", "d"]]],
    ['"a,""x""",b\n\n\nc,"d\r\ne"', [['a,"x"', "b"], ["c", "d\ne"]]],
    ["\ufeffa,,\n", [["a", "", ""]]],
    ["a\rb,c\r", [["a\rb", "c"]]],
    ["", []],
  ];
  for (const [text, rows] of cases) assertEquals(parse(text), rows, text);
});

Deno.test("parse() makes objects of named columns", () => {
  const text = "x;y\n1;2\n# no row\n3;4\n";
  assertEquals(
    parse(text, { separator: ";", comment: "#", skipFirstRow: true }),
    [{ x: "1", y: "2" }, { x: "3", y: "4" }],
  );
  assertEquals(parse("1,2", { columns: ["a", "b"] }), [{ a: "1", b: "2" }]);
  assertThrows(
    () => parse("x,y\n1,2\n3\n", { skipFirstRow: true }),
    Error,
    "Syntax error on line 3: The record has 1 fields, but the header has 2 fields",
  );
});

Deno.test("parse() names line and column of what is wrong", () => {
  const cases: [string, string][] = [
    ['a,b\n1,é"2"', 'line 2; parse error on line 2, column 4: bare " in'],
    ['"a"b,c', 'line 1, column 3: extraneous or missing " in quoted-field'],
    ['a\n"b\n\nc', "Syntax error on line 2; parse error on line 4, column 1"],
    ['a,"b\nc', 'line 2, column 1: extraneous or missing " in quoted-field'],
  ];
  for (const [text, message] of cases) {
    assertThrows(() => parse(text), SyntaxError, message);
  }
  assertThrows(
    () => parse("a,b\n\nc\n", { fieldsPerRecord: 0 }),
    SyntaxError,
    "Syntax error on line 3: expected 2 fields but got 1",
  );
});

Deno.test("stringify() writes what parse() reads", () => {
  const rows = [["a", "1"], ['say "x"', "y,z"], ["two\nlines", ""]];
  assertEquals(parse(stringify(rows)), rows);
  assertEquals(
    stringify([{ a: 1, b: { c: null } }, { a: "x;y" }], {
      columns: ["a", { prop: ["b", "c"], header: "d" }],
      separator: ";",
    }),
    'a;d\r\n1;\r\n"x;y";\r\n',
  );
  assertThrows(() => stringify([{ a: 1 }]), TypeError);
});
