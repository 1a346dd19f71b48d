/** Settings files' values: what CPython 3 gives for the same text, and where a mistake shows. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { LiteralError, readLiteral } from "lib/program/literals.ts";
import { presetFlags } from "lib/program/preset.ts";
import { assertRefuses } from "../../helpers/refuses.ts";
import { temporaryFolder } from "../../helpers/scripts.ts";

/** [text, what CPython's eval gives] */
const values: [string, number | string | boolean | undefined][] = [
  ["5 * 8", 40],
  ["10 ** -5", 1e-05],
  ["2**3", 8],
  ["-2**2", -4],
  ["(-2)**2", 4],
  ["2**3**2", 512],
  ["2**-1", 0.5],
  ["7 // 2", 3],
  ["-7 // 2", -4],
  ["7 // -2", -4],
  ["-7 % 3", 2],
  ["7 % -3", -2],
  ["7.5 // 2", 3.0],
  ["-7.5 % 2", 0.5],
  ["1_000", 1000],
  ["1e-3", 0.001],
  ["1.", 1.0],
  ["0.5", 0.5],
  [".5e1", 5.0],
  ["0x1f", 31],
  ["0b101", 5],
  ["0o17", 15],
  ["(1 + 2) * 3", 9],
  ["1 - 2 - 3", -4],
  ["2 * 3 % 4", 2],
  ["12 * 1024", 12288],
  ["6e-4 / 10", 5.9999999999999995e-05],
  ["1_0.0_5", 10.05],
  ["--3", 3],
  ["-+-2", 2],
  ["2 ** - 2", 0.25],
  ["1 / 3", 0.3333333333333333],
  ["4 / 2", 2.0],
  ["100 // 3 * 3", 99],
  ["0.1 + 0.2", 0.30000000000000004],
  ["1e3", 1000.0],
  ["-0.0 + 0", 0.0],
  ["2 ** 0.5", 1.4142135623730951],
  ["8 // 3 ** 2", 0],
  ["(((7)))", 7],
  ["1e-5 % 1e-6", 1.2705494208814505e-21],
  ["'a' + 'b'", "ab"],
  ['"it\'s"', "it's"],
  ["'a # b'", "a # b"],
  ["True", true],
  ["None", undefined],
  ["0 * -1", 0],
  ["1e1 // 3", 3.0],
  ["5 % 5.0", 0.0],
  ["00", 0],
];

Deno.test("arithmetic of literals has Python's values", () => {
  for (const [text, value] of values) assertEquals(readLiteral(text).value, value, text);
  assertEquals(readLiteral("8 / 2").kind, "float");
  assertEquals(readLiteral("  7  # weeks * 9").value, 7);
});

Deno.test("what is no value is refused with its column", () => {
  const refused: [string, number, string][] = [
    ["4 *", 4, "a value is missing"],
    ["", 1, "a value is missing"],
    ["4 5", 3, "too much"],
    ["(1 + 2", 7, "')' is missing"],
    ["1 + abc", 5, "not 'abc'"],
    ["f(1)", 1, "not 'f'"],
    ["0x", 1, "cannot read"],
    ["1__0", 1, "cannot read"],
    ["1_", 1, "cannot read"],
    ["012", 1, "begins with a 0"],
    ["'open", 1, "has no end"],
    ["1 // 0", 3, "divides by 0"],
    ["1 % (2 - 2)", 3, "divides by 0"],
    ["0 ** -1", 3, "no negative power"],
    ["(-8) ** 0.5", 6, "no such power"],
    ["10 ** 400", 4, "too large"],
    ["2 ** 53", 3, "too large"],
    ["1e999", 1, "too large"],
    ["True + 1", 6, "bool and int"],
    ["-'a'", 1, "needs a number"],
    ["'a' * 2", 5, "str and int"],
    ["\uff17", 1, "cannot read"], // a full-width digit
    ["(".repeat(1e5), 101, "100 deep"],
    ["-".repeat(1e5), 101, "100 deep"],
    ["2**".repeat(1e5), 302, "100 deep"],
  ];
  for (const [text, column, message] of refused) {
    const error = assertThrows(() => readLiteral(text), LiteralError, message, text.slice(0, 20));
    assertEquals(error.column, column, `${text.slice(0, 20)}: ${error.message}`);
    assert(error.message.length < 100);
  }
});

Deno.test("a settings file gives flags; a mistake in it is named by line and column", async () => {
  const path = `${await temporaryFolder()}/own.py`;
  const defaults = { min_lr: 0.1, warmup_iters: 1, dataset: "x", bias: false, init: undefined };
  const read = async (text: string) => {
    await Deno.writeTextFile(path, text);
    return await presetFlags(path, {}, defaults);
  };
  const flags = ["--min_lr=0.00001", "--warmup_iters=8", "--dataset=a#b", "--bias=true"];
  const lines = [
    "\ufeff# settings",
    "import time",
    "min_lr = 10 ** -5 # small",
    "warmup_iters=2**3",
    "",
    "wandb_run_name = 'ft-' + str(time.time())",
    "dataset = 'a#b' # a name's \"own\" mark",
    "bias = True",
    "init = None",
  ];
  assertEquals(await read(lines.join("\n")), flags);
  assertEquals(await read(lines.join("\r\n")), flags);
  const blanks = " ".repeat(200_000); // a pattern that backtracks would not end
  assertEquals(await read(`warmup_iters =${blanks}8${blanks}# weeks`), ["--warmup_iters=8"]);

  const refuses = (text: string, exitCode: 1 | 2, message: string) =>
    assertRefuses(() => read(text), exitCode, message);
  await refuses("bias = True\nmin_lr = 4 *", 1, "line 2, column 13: a value is missing here");
  await refuses(`min_lr =${blanks}x`, 1, "line 1, column 200009: want a number or a text, not 'x'");
  await refuses("min_lr == 4", 1, "line 1: want 'name = value'");
  await refuses("x".repeat(1e5), 1, "line 1: want 'name = value'");
  await refuses("warmup = 4", 2, "line 1: there is no setting 'warmup'");
  await refuses("min_lr = None", 2, "line 1: min_lr expects a number, got None");
});
