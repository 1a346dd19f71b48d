/** Tables in CSV files, checked: an error names the line and the column. */
import { parse } from "@std/csv";
import { InputError } from "../io/errors.ts";
import { readText } from "../io/files.ts";

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
  let rows: string[][];
  try {
    rows = separator === "\t" ? splitTabs(text) : parse(text, { separator });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return fail(error.message);
  }
  if (rows.length === 0) fail("it is empty");

  const lines = lineNumbers(text, rows);
  const given = options.columns ?? [];
  // A third cell may be one comma too many in a sentence, but a third tab is meant.
  const count = given.length > 0 && separator !== "\t" ? given.length : rows[0].length;
  const names = header
    ? rows[0].map((cell) => cell.trim())
    : Array.from({ length: Math.max(count, given.length) }, (_, i) => given[i] ?? `${i + 1}`);
  for (const [i, name] of header ? names.entries() : []) {
    const place = `line ${lines[0]}, column ${i + 1}`;
    if (name === "") fail(`${place}: want the column's name, got an empty cell`);
    if (isNumber(name)) fail(`${place}: want the column's name, got the number ${name}`);
    if (names.indexOf(name) < i) fail(`${place}: the name "${name}" is there twice`);
  }
  for (const column of given) {
    if (!names.includes(column)) {
      fail(`it has no column "${column}": its columns are ${names.join(", ")}`);
    }
  }
  for (const [i, row] of rows.entries()) {
    if (row.length !== names.length) {
      fail(`line ${lines[i]}: want ${names.length} cells, got ${row.length}`);
    }
  }
  if (header) {
    rows.shift();
    lines.shift();
    if (rows.length === 0) fail("it has no rows below the columns' names");
  }
  return new Table(name, names, rows, lines);
}

/** A table out of a CSV file. */
export class Table {
  /** Made by `readCSV` and `parseCSV`. */
  constructor(
    private file: string,
    /** The columns' names. */
    readonly columns: string[],
    private rows: string[][],
    private lines: number[],
  ) {}

  /** The number of rows. */
  get length(): number {
    return this.rows.length;
  }

  /**
   * The numbers in these columns, row after row: the values of a tensor of shape (length, columns).
   *
   * @throws {InputError} If a cell is empty or no number; the message names its line and column
   */
  numbers(...columns: string[]): Float32Array {
    return Float32Array.from(this.cells(columns, "a number", isNumber), Number);
  }

  /**
   * The integers in these columns, row after row: the values of a tensor of shape (length, columns).
   *
   * @throws {InputError} If a cell is empty or no 32-bit integer; the message names its line and column
   */
  integers(...columns: string[]): Int32Array {
    const isInteger = (cell: string) => isNumber(cell) && (Number(cell) | 0) === Number(cell);
    return Int32Array.from(this.cells(columns, "an integer", isInteger), Number);
  }

  /**
   * The texts in a column.
   *
   * @throws {InputError} If a cell is empty; the message names its line
   */
  texts(column: string): string[] {
    return this.cells([column], "a text", () => true);
  }

  private cells(columns: string[], wanted: string, isWanted: (cell: string) => boolean) {
    const indices = columns.map((column) => {
      const index = this.columns.indexOf(column);
      if (index >= 0) return index;
      throw new InputError(
        `Cannot read '${this.file}': it has no column "${column}": ` +
          `its columns are ${this.columns.join(", ")}`,
      );
    });
    const cells: string[] = [];
    for (const [i, row] of this.rows.entries()) {
      for (const j of indices) {
        const cell = row[j].trim();
        if (cell === "" || !isWanted(cell)) {
          throw new InputError(
            `Cannot read '${this.file}': line ${this.lines[i]}, column "${this.columns[j]}": ` +
              `want ${wanted}, got ${cell === "" ? "an empty cell" : JSON.stringify(cell)}`,
          );
        }
        cells.push(cell);
      }
    }
    return cells;
  }
}

/** Files with tabs have no quotes around cells: one in a sentence is the sentence's own, also at its start. */
function splitTabs(text: string): string[][] {
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  return lines.filter((line) => line !== "").map((line) => line.split("\t"));
}

/** A plain decimal that float32 can hold: Number() alone would take "", "0x1f" and "Infinity". */
function isNumber(cell: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) && isFinite(Math.fround(Number(cell)));
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
