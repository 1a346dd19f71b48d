/** Tables of cells, read column by column. */
import { excerpt, InputError } from "../io/errors.ts";

/** A table out of a CSV file. Its cells are checked when they are asked for: an error names the line and the column. */
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

  /**
   * Refuses the file for a cell whose value is not what it must be.
   *
   * @param row The row, counted from 0
   * @param wanted What must stand there, such as "a digit from 0 to 9"
   * @throws {InputError} Always; the message names line and column
   */
  refuse(row: number, column: string, wanted: string): never {
    const cell = this.rows[row][this.columns.indexOf(column)].trim();
    throw new InputError(
      `Cannot read '${this.file}': line ${this.lines[row]}, column "${column}": ` +
        `want ${wanted}, got ${cell === "" ? "an empty cell" : JSON.stringify(excerpt(cell))}`,
    );
  }

  private cells(columns: string[], wanted: string, isWanted: (cell: string) => boolean) {
    const indices = columns.map((column) => {
      const index = this.columns.indexOf(column);
      if (index >= 0) return index;
      throw new InputError(
        `Cannot read '${this.file}': it has no column "${column}": ` +
          `its columns are ${excerpt(this.columns.join(", "), 200)}`,
      );
    });
    const cells: string[] = [];
    for (const [i, row] of this.rows.entries()) {
      for (const j of indices) {
        const cell = row[j].trim();
        if (cell === "" || !isWanted(cell)) this.refuse(i, this.columns[j], wanted);
        cells.push(cell);
      }
    }
    return cells;
  }
}

/** A plain decimal that float32 can hold: Number() alone would take "", "0x1f" and "Infinity". */
export function isNumber(cell: string): boolean {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(cell) &&
    isFinite(Math.fround(Number(cell)));
}
