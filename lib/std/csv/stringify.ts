/** An index of an array or a key of an object. */
export type PropertyAccessor = number | string;

/** A column: where its value is and, if not named so, its header. */
export type ColumnDetails = {
  header?: string;
  prop: PropertyAccessor | PropertyAccessor[];
};

/** A column by details, by key, or by the keys that lead to a nested value. */
export type Column = ColumnDetails | PropertyAccessor | PropertyAccessor[];

/** A row: an array or an object. */
export type DataItem = Readonly<Record<string, unknown> | unknown[]>;

/** Options of `stringify`. */
export type StringifyOptions = {
  /** Write the row of headers if there are columns (default true). */
  headers?: boolean;
  /** What separates the fields (default `","`). */
  separator?: string;
  /** The columns; necessary if the rows are objects. */
  columns?: readonly Column[];
  /** Begin with a byte-order mark (default false). */
  bom?: boolean;
};

/**
 * Write rows as CSV text; each line ends with CRLF.
 *
 * @throws {TypeError} If a row is an object and there are no columns, if an
 * array is to be indexed by a string, or if the separator holds a quote.
 */
export function stringify(
  data: readonly DataItem[],
  options: StringifyOptions = {},
): string {
  const { headers = true, separator = ",", columns = [], bom = false } = options;
  if (separator.includes('"') || separator.includes("\r\n")) {
    throw new TypeError(
      "Separator cannot include the following strings:\n" +
        '  - U+0022: Quotation mark (")\n' +
        "  - U+000D U+000A: Carriage Return + Line Feed (\\r\\n)",
    );
  }
  const paths = columns.map((column) => {
    const { prop, header } = typeof column === "object" &&
        !Array.isArray(column)
      ? column
      : { prop: column, header: undefined };
    const keys = [prop].flat();
    return { keys, header: header ?? String(keys.at(-1)) };
  });
  const line = (values: readonly unknown[]) =>
    values.map((value) => quote(value, separator)).join(separator) + "\r\n";

  const head = headers && paths.length > 0 ? line(paths.map(({ header }) => header)) : "";
  const body = data.map((item) => {
    if (paths.length > 0) return line(paths.map(({ keys }) => get(item, keys)));
    if (Array.isArray(item)) return line(item);
    if (typeof item !== "object") return line([item]);
    throw new TypeError(
      "No property accessor function was provided for object",
    );
  });
  return (bom ? "\ufeff" : "") + head + body.join("");
}

/** The value that the keys lead to; what has no keys stands for itself. */
function get(item: unknown, keys: readonly PropertyAccessor[]): unknown {
  for (const key of keys) {
    if (typeof item !== "object" || item === null) continue;
    if (Array.isArray(item) && typeof key !== "number") {
      throw new TypeError('Property accessor is not of type "number"');
    }
    item = (item as Record<PropertyAccessor, unknown>)[key];
  }
  return item;
}

function quote(value: unknown, separator: string): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return [separator, "\n", '"'].some((special) => text.includes(special))
    ? `"${text.replaceAll('"', '""')}"`
    : text;
}
