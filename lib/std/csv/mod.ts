/**
 * Stand-in for `@std/csv` 1.0.6, for networks that reach only npm.
 *
 * The part that is here: `parse` over csv-parse, with the published errors
 * (a SyntaxError with line and column), and `stringify`. Not here: the options
 * `lazyQuotes` and `trimLeadingSpace`, the streams, subpaths.
 * @module
 */
export { parse, type ParseOptions, type ParseResult, type RecordWithColumn } from "./parse.ts";
export {
  type Column,
  type ColumnDetails,
  type DataItem,
  type PropertyAccessor,
  stringify,
  type StringifyOptions,
} from "./stringify.ts";
