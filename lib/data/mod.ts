/**
 * Data: tables in CSV files, MNIST's IDX format, data sets in memory, batches of them in PyTorch's
 * order, and downloads that are kept.
 */
export * from "./csv.ts";
export * from "./dataset.ts";
export * from "../io/download.ts";
export * from "./idx.ts";
export * from "./loader.ts";
