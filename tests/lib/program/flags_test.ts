import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { defaultComments, describeFlags, type Options, parseFlags } from "lib/program/flags.ts";
import { UsageError } from "lib/io/errors.ts";

const flags = {
  defaults: {
    learning_rate: 0.01,
    samples: 100,
    bias: true,
    autograd: false,
    hidden: [16, 8],
    class_centers: [[2, 3], [4, 3]],
    words: ["a", "b"],
    data: "mnist",
    text: undefined,
    title: "",
    no_repeat: 3,
    warmup: 0,
    beta: 0.9,
  },
  choices: { data: ["mnist", "digits"] },
  check: {
    samples: "positive integer",
    learning_rate: "nonnegative",
    hidden: "positive",
    warmup: "nonnegative integer",
    beta: "below 1",
    class_centers: (rows: number[][]) =>
      rows.some((row) => row.length !== 2) ? "points of two numbers" : undefined,
  },
} as const;

Deno.test("parseFlags() gives the defaults, as copies", () => {
  const options = parseFlags([], flags);
  assertEquals<unknown>(options, flags.defaults);
  options.hidden.push(1);
  assertEquals(flags.defaults.hidden, [16, 8]);
});

Deno.test("parseFlags() reads a value of each kind", () => {
  const cases: [string[], Record<string, unknown>][] = [
    [["--learning_rate=1e-3"], { learning_rate: 0.001 }],
    [["--learning-rate", ".5"], { learning_rate: 0.5 }],
    [["--learning-rate=+2."], { learning_rate: 2 }],
    [["--samples=7", "--samples", "8"], { samples: 8 }],
    [["--no-bias"], { bias: false }],
    [["--no_bias"], { bias: false }],
    [["--bias=false"], { bias: false }],
    [["--no-bias", "--bias"], { bias: true }],
    [["--autograd"], { autograd: true }],
    [["--autograd", "--samples=1"], { autograd: true, samples: 1 }],
    [["--no_repeat=-3"], { no_repeat: -3 }],
    [["--no-repeat", "-3"], { no_repeat: -3 }],
    [["--no-repeat", "-.5e1"], { no_repeat: -5 }],
    [["--hidden=32"], { hidden: [32] }],
    [["--hidden=32,16, 4"], { hidden: [32, 16, 4] }],
    [["--hidden="], { hidden: [] }],
    [["--class_centers=-2,3;4,-3.5"], { class_centers: [[-2, 3], [4, -3.5]] }],
    [["--class-centers", "-2,3;4,3"], { class_centers: [[-2, 3], [4, 3]] }],
    [["--words=x y,z"], { words: ["x y", "z"] }],
    [["--warmup=0", "--beta=0"], { warmup: 0, beta: 0 }],
    [["--data=digits"], { data: "digits" }],
    [["--text=a=b --c"], { text: "a=b --c" }],
    [["--text", "123"], { text: "123" }],
    [["--title="], { title: "" }],
  ];
  for (const [args, expected] of cases) {
    assertEquals<unknown>(
      parseFlags(args, flags),
      { ...flags.defaults, ...expected },
      args.join(" "),
    );
  }
});

Deno.test("parseFlags() says which flag has which wrong value", () => {
  const cases: [string, string][] = [
    ["--learning_rate=abc", "Flag --learning_rate expects a number, such as 0.01: given 'abc'"],
    ["--learning_rate=", "Flag --learning_rate expects a number, such as 0.01: given ''"],
    ["--learning_rate=0x10", "given '0x10'"],
    ["--learning_rate=1e999", "given '1e999'"],
    ["--learning_rate=NaN", "given 'NaN'"],
    ["--learning_rate=-1", "Flag --learning_rate expects a number from 0 on: given '-1'"],
    ["--samples=0", "Flag --samples expects a whole number from 1 on: given '0'"],
    ["--samples=-3", "Flag --samples expects a whole number from 1 on: given '-3'"],
    ["--samples -3", "Flag --samples expects a whole number from 1 on: given '-3'"],
    ["--samples=2.5", "Flag --samples expects a whole number from 1 on: given '2.5'"],
    ["--samples", "Flag --samples needs a value: write --samples=VALUE"],
    ["--samples --bias", "Flag --samples needs a value: write --samples=VALUE"],
    ["--warmup=-1", "Flag --warmup expects a whole number from 0 on: given '-1'"],
    ["--warmup=0.5", "Flag --warmup expects a whole number from 0 on: given '0.5'"],
    ["--beta=1", "Flag --beta expects a number from 0 to below 1: given '1'"],
    ["--beta=-0.1", "Flag --beta expects a number from 0 to below 1: given '-0.1'"],
    ["--bias=maybe", "Flag --bias expects true or false: given 'maybe'"],
    ["--bias=", "Flag --bias expects true or false: given ''"],
    ["--no-bias=true", "Flag --no-bias takes no value: given '--no-bias=true'"],
    ["--hidden=1,,2", "Flag --hidden expects numbers with commas between them, such as 16,8"],
    ["--hidden=1,-2", "Flag --hidden expects a number above 0: given '1,-2'"],
    ["--class_centers=1,2;", "rows of numbers, with commas within a row and semicolons between"],
    ["--class_centers=1,2;3", "Flag --class_centers expects points of two numbers: given '1,2;3'"],
    ["--data=cifar", "Flag --data expects one of mnist, digits: given 'cifar'"],
    ["--lerning_rate=1", "Unknown flag --lerning_rate: did you mean --learning_rate?"],
    ["--lr=1", "Unknown flag --lr: did you mean --learning_rate?"],
    ["--no-samples", "Unknown flag --no-samples: did you mean --samples?"],
    ["--no-bia", "Unknown flag --no-bia: did you mean --bias?"],
    ["-samples=3", "Unknown flag -samples: did you mean --samples?"],
    ["--toString=1", "Unknown flag --toString"],
    ["--__proto__=1", "Unknown flag --__proto__"],
    ["--text.a=1", "Unknown flag --text.a: did you mean --text?"],
    ["extra", "Unexpected argument 'extra': flags are --NAME=VALUE"],
    ["--bias extra", "Unexpected argument 'extra'"],
    ["-- extra", "Unexpected argument '--': leave it out"],
    ["-- --samples=3", "Unexpected argument '--': leave it out"],
    ["samples=3", "Unexpected argument 'samples=3': did you mean --samples=...?"],
  ];
  for (const [line, message] of cases) {
    const error = assertThrows(() => parseFlags(line.split(" "), flags), UsageError, message, line);
    assertEquals(error.exitCode, 2);
    assertMatch(error.message, /^[A-Z].*[^.]$/);
  }
});

Deno.test("parseFlags() gives each option its type", () => {
  const options = parseFlags(["--data=digits"], flags);
  // Each line fails to compile if the type is wider or another.
  const data: "mnist" | "digits" = options.data;
  const text: string | undefined = options.text;
  const rows: number[][] = options.class_centers;
  const words: string[] = options.words;
  const rate: number = options.learning_rate;
  const bias: boolean = options.bias;
  // @ts-expect-error: no such flag
  options.other;
  const widened: Options<{ n: 1; on: true; t: "x" }> = { n: 2, on: false, t: "y" };
  assertEquals(data, "digits");
  assertEquals([text, rows.length, words.length, rate, bias], [undefined, 2, 2, 0.01, true]);
  assertEquals(widened.n, 2);
});

Deno.test("parseFlags() refuses a default that says nothing of its type", () => {
  assertThrows(() => parseFlags([], { defaults: { hidden: [] } }), TypeError, "--hidden");
});

Deno.test("defaultComments() finds the comment behind each entry", () => {
  const source = `
    const other = { learning_rate: 1 }; // not this
    /** The settings. */
    export const defaults: Defaults = {
      // how many samples,
      // in all
      samples: 100,
      learning_rate: 5e-4, // size of a step: "x" / 2
      "bias": true, /* add b */
      class_centers: [
        [2, 3], // of the first class
        [4, 3],
      ], // where they are
      url: "http://x", // web
                       // address
      hidden: 16, // units
      // ---- the rest
      nested: { depth: 1 /* inside */ },
      plain: 3,
    };
    const later = { plain: 1 }; // nor this
  `;
  assertEquals(defaultComments(source), {
    samples: "how many samples, in all",
    learning_rate: 'size of a step: "x" / 2',
    bias: "add b",
    class_centers: "where they are",
    url: "web address",
    hidden: "units",
    nested: "",
    plain: "",
  });
  assertEquals(defaultComments("export const model = 1;"), {});
});

Deno.test("describeFlags() shows value, default and comment", () => {
  const { defaults, choices } = flags;
  const lines = describeFlags({ defaults, choices }, { data: "which digits", samples: "how many" });
  assertEquals(lines.length, Object.keys(defaults).length);
  assertMatch(lines[0], /^ {2}--learning_rate=NUMBER +0\.01$/);
  assertMatch(lines[1], /^ {2}--samples=NUMBER +100 +how many$/);
  assertMatch(lines[2], /^ {2}--bias=true\|false +true$/);
  assertMatch(lines[5], /^ {2}--class_centers=N,N;N,N;\.\.\. +2,3;4,3$/);
  assertMatch(lines[7], /^ {2}--data=mnist\|digits +mnist +which digits$/);
  assertMatch(lines[8], /^ {2}--text=TEXT +none$/);
  assertMatch(lines[9], /^ {2}--title=TEXT +""$/);
});
