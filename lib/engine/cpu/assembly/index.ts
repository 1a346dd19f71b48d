// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// The module: every kernel file is re-exported here. Append only.
export { setScratch } from "./common";
export * from "./threads";
export * from "./binary";
export * from "./fused_dropout";
export * from "./fused_embedding";
export * from "./fused_gelu";
export * from "./fused_loss";
export * from "./fused_norm";
export * from "./fused_optim";
export * from "./fused_softmax";
export * from "./matmul";
export * from "./unary";
export * from "./reduce";
export * from "./move";
export * from "./fused_attention";
export { drawBits } from "./twister";
