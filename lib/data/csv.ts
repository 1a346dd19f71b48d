/** Tables in CSV files: which lines and columns there are. table.ts reads their cells. */
import { parse } from "@std/csv";
import { excerpt, InputError } from "../io/errors.ts";
import { readText } from "../io/files.ts";
import { isNumber, Table } from "./table.ts";

/** Options of `readCSV`. */
export interface CSVOptions {
  /** Columns that the table must have. With `header: false`: their names; with tabs there may be more. */
  columns?: string[];
  /** Whether the first line names the columns (default true); without it those without a name are "1", "2", ... */
  header?: boolean;
  /** What separates the cells (default ","). With "\t" a quote is a character like any other. */
  separator?: string;
}

/**
 * Reads a CSV file. The values are read with `numbers`, `integers` and `texts` of the table:
 *
 * ```ts
 * const table = await readCSV("blobs.csv", { columns: ["x1", "x2", "y"] });
 * const x = tf.tensor(table.numbers("x1", "x2"), [table.length, 2]);
 * ```
 *
 * @throws {InputError} If the file cannot be read, is empty, lacks a column or a cell
 */
export async function readCSV(path: string, options: CSVOptions = {}): Promise<Table> {
  return parseCSV(await readText(path), path, options);
}

/**
 * Reads CSV text, as `readCSV` does.
 *
 * @param name The file's name, for messages
 * @throws {InputError} If the text is empty, lacks a column or a cell
 */
export function parseCSV(text: string, name: string, options: CSVOptions = {}): Table {
  const { header = true, separator = "," } = options;
  const fail = (reason: string): never => {
    throw new InputError(`Cannot read '${name}': ${reason}`);
  };
  let all: string[][];
  try {
    all = separator === "\t" ? splitTabs(text) : parse(text, { separator });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return fail(error.message);
  }
  const allLines = lineNumbers(text, all);
  const isBlank = (row: string[]) => row.every((cell) => cell.trim() === "");
  const lines = allLines.filter((_, i) => !isBlank(all[i]));
  const rows = withoutEdges(all.filter((row) => !isBlank(row)), header, options.columns?.length);
  if (rows.length === 0) fail("it is empty");

  const given = options.columns ?? [];
  // A third cell may be one comma too many in a sentence, but a third tab is meant.
  const count = given.length > 0 && separator !== "\t" ? given.length : rows[0].length;
  const names = header
    ? rows[0].map((cell) => cell.trim())
    : Array.from({ length: Math.max(count, given.length) }, (_, i) => given[i] ?? `${i + 1}`);
  for (const [i, name] of header ? names.entries() : []) {
    const place = `line ${lines[0]}, column ${i + 1}`;
    if (name === "") fail(`${place}: want the column's name, got an empty cell`);
    if (isNumber(name)) fail(`${place}: want the column's name, got the number ${excerpt(name)}`);
    if (names.indexOf(name) < i) fail(`${place}: the name "${excerpt(name)}" is there twice`);
  }
  for (const column of given) {
    if (!names.includes(column)) {
      fail(`it has no column "${column}": its columns are ${excerpt(names.join(", "), 200)}`);
    }
  }
  const odd = rows.findIndex((row) => row.length !== names.length);
  if (odd >= 0) fail(`line ${lines[odd]}: want ${names.length} cells, got ${rows[odd].length}`);
  if (header) {
    rows.shift();
    lines.shift();
    if (rows.length === 0) fail("it has no rows below the columns' names");
  }
  return new Table(name, names, rows, lines);
}

/**
 * The rows without what other programs put at their edges: a comma behind the last cell of each row,
 * and the column without a name in which pandas counts the rows.
 *
 * @param count How many cells a row must have, if that is known
 */
function withoutEdges(rows: string[][], header: boolean, count?: number): string[][] {
  const [first = [], ...below] = rows;
  const hasTail = (row: string[]) => row.length > 1 && row.at(-1)!.trim() === "";
  const withoutTail = (row: string[]) => row.slice(0, -1);
  if (!header) {
    const isLonger = rows.every((row) => hasTail(row) && row.length - 1 === count);
    return isLonger ? rows.map(withoutTail) : rows;
  }
  if (below.length > 0 && below.every(hasTail)) {
    if (hasTail(first)) rows = rows.map(withoutTail);
    else if (below.every((row) => row.length === first.length + 1)) {
      rows = [first, ...below.map(withoutTail)];
    }
  }
  const isIndexed = first.length > 1 && first[0].trim() === "";
  return isIndexed ? rows.map((row) => row.slice(1)) : rows;
}

/** Files with tabs have no quotes around cells: one in a sentence is the sentence's own, also at its start. */
function splitTabs(text: string): string[][] {
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  return lines.filter((line) => line !== "").map((line) => line.split("\t"));
}

/** The line, counted from 1, at which each row starts: the parser skips empty lines, and a cell in quotes may be of many. */
function lineNumbers(text: string, rows: string[][]): number[] {
  const lines = text.split(/\r?\n/);
  let line = 0;
  return rows.map((row) => {
    while (lines[line] === "") line++;
    const start = line;
    line += row.join("").split("\n").length;
    return start + 1;
  });
}
