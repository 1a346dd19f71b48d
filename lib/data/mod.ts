/**
 * Data: what scripts learn from. Tables in CSV files, sentences in CoNLL columns, pairs of sentences,
 * MNIST's IDX format, data sets in memory, batches of them in PyTorch's order, and downloads that
 * are kept.
 *
 * What may stand in this room: readers of files of data, which check all that they read, and what
 * makes batches of it. texts.ts, mnist.ts and digits.ts are imported by themselves: two of them fetch
 * a package. What turns text into ids stands in tokenizers/, what holds weights in weights/.
 */
export * from "./conll.ts";
export * from "./csv.ts";
export * from "./dataset.ts";
export * from "../io/download.ts";
export * from "./idx.ts";
export * from "./loader.ts";
export * from "./pairs.ts";
export * from "./sentences.ts";
export { Table } from "./table.ts";
