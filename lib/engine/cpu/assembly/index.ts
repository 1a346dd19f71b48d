// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// The module: every kernel file is re-exported here. Append only.
export { setScratch } from "./common";
export * from "./threads";
export * from "./binary";
