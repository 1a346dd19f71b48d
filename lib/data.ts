/**
 * Data: tables in CSV files, MNIST's IDX format, data sets in memory, batches of them in PyTorch's
 * order, and downloads that are kept.
 */
export * from "./data/csv.ts";
export * from "./data/dataset.ts";
export * from "./data/download.ts";
export * from "./data/idx.ts";
export * from "./data/loader.ts";
