import { CsvError, type Info, parse as parseCsv } from "csv-parse/sync";

/** Options of `parse`. */
export interface ParseOptions {
  /** What separates the fields (default `","`). */
  separator?: string;
  /** Lines that start with this character are left out. */
  comment?: string;
  /**
   * How many fields each record must have; 0: as many as the first, negative
   * or missing: any number.
   */
  fieldsPerRecord?: number;
  /** Leave out the first row; without `columns` it names the columns. */
  skipFirstRow?: boolean;
  /** The names of the columns: records become objects. */
  columns?: readonly string[];
}

/** An object with the columns `C`. */
export type RecordWithColumn<C extends string> = string extends C ? Record<string, string>
  : Record<C, string>;

/** Objects if there are names for the columns, else arrays of strings. */
export type ParseResult<Options, T> = T extends
  Options & { columns: readonly (infer C extends string)[] } ? RecordWithColumn<C>[]
  : T extends Options & { skipFirstRow: true } ? Record<string, string>[]
  : T extends Options & { columns?: undefined; skipFirstRow?: false | undefined } ? string[][]
  : Record<string, string>[] | string[][];

/**
 * Parse CSV text. A byte-order mark and empty lines are skipped; fields are
 * strings, also the empty ones.
 *
 * @throws {SyntaxError} If a quote is misplaced or missing, or if a record has
 * another number of fields than `fieldsPerRecord` says.
 * @throws {Error} If a record has another number of fields than the columns.
 */
export function parse(input: string): string[][];
/** Parse CSV text with options. */
export function parse<const T extends ParseOptions>(
  input: string,
  options: T,
): ParseResult<ParseOptions, T>;
export function parse(
  input: string,
  options: ParseOptions = {},
): string[][] | Record<string, string | undefined>[] {
  const { columns, skipFirstRow = false } = options;
  const rows = parseRows(input, options);
  if (columns === undefined && !skipFirstRow) return rows;

  const head = skipFirstRow ? rows.shift() : undefined;
  if (skipFirstRow && head === undefined) {
    throw new TypeError("Cannot parse input: headers must be defined");
  }
  const names = columns ?? head!;
  return rows.map((row, i) => {
    if (row.length !== names.length) {
      const line = i + (skipFirstRow ? 2 : 1);
      throw new Error(
        `Syntax error on line ${line}: The record has ${row.length} fields, ` +
          `but the header has ${names.length} fields`,
      );
    }
    return Object.fromEntries(names.map((name, j) => [name, row[j]]));
  });
}

function parseRows(input: string, options: ParseOptions): string[][] {
  const { separator = ",", comment, fieldsPerRecord = -1 } = options;
  const reserved = ["\r", "\n", '"'];
  if (
    reserved.includes(separator) || separator === comment ||
    (comment !== undefined && reserved.includes(comment))
  ) throw new Error("Cannot parse input: invalid delimiter");

  // Lines end with LF or CRLF, within quotes too; a lone CR is text, unless it
  // is the last character.
  const text = input.replace(/^\ufeff/, "").replaceAll("\r\n", "\n")
    .replace(/\r$/, "");
  let end = 0; // of the last good record, in bytes
  let wanted = fieldsPerRecord;
  try {
    return parseCsv(text, {
      comment,
      comment_no_infix: true,
      delimiter: separator,
      on_record: (record: string[], at) => {
        end = at.bytes;
        if (wanted === 0) wanted = record.length;
        if (wanted < 0 || record.length === wanted) return record;
        throw new SyntaxError(
          `Syntax error on line ${
            rowNumber(at)
          }: expected ${wanted} fields but got ${record.length}`,
        );
      },
      record_delimiter: "\n",
      relax_column_count: true,
      skip_empty_lines: true,
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const row = rowNumber(error as unknown as Info) + 1;
    throw quoteError(text, end, row, separator, comment);
  }
}

/** The number of the row counted from 1; a record of many lines is one row. */
const rowNumber = (at: Info) => at.records + at.empty_lines + at.comment_lines;

/** The error of a misplaced quote: csv-parse names the row, not the column. */
function quoteError(
  text: string,
  end: number,
  row: number,
  separator: string,
  comment: string | undefined,
): SyntaxError {
  // To the start of the bad record: behind the last good one, and behind the
  // lines that are none.
  const bytes = new TextEncoder().encode(text).subarray(end);
  const lines = new TextDecoder().decode(bytes).split("\n");
  const isRecord = (line: string) => line !== "" && !(comment && line.startsWith(comment));
  const record = lines.slice(lines.findIndex(isRecord)).join("\n");

  const { offset, problem } = findBadQuote(record, separator);
  const before = record.slice(0, offset).split("\n");
  return new SyntaxError(
    `Syntax error on line ${row}; parse error on line ${row + before.length - 1}, column ${
      [...before.at(-1)!].length + 1
    }: ${problem}`,
  );
}

/** Where the first quote stands that may not stand there. */
function findBadQuote(
  record: string,
  separator: string,
): { offset: number; problem: string } {
  const quoted = /"(?:[^"]|"")*"(?!")/y;
  for (let at = 0;;) {
    if (record[at] === '"') {
      const problem = 'extraneous or missing " in quoted-field';
      quoted.lastIndex = at;
      if (!quoted.test(record)) {
        // Never closed, which shows in the last line.
        const text = record.replace(/\n$/, "");
        const offset = text.endsWith('"') ? text.length : text.lastIndexOf("\n") + 1;
        return { offset, problem };
      }
      at = quoted.lastIndex;
      if (!record.startsWith(separator, at)) return { offset: at - 1, problem };
      at += separator.length;
    } else {
      const quote = record.indexOf('"', at);
      const next = record.indexOf(separator, at);
      if (next === -1 || quote < next) {
        return { offset: quote, problem: 'bare " in non-quoted-field' };
      }
      at = next + separator.length;
    }
  }
}
