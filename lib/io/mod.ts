/**
 * Files: read with bounds and errors that say what is wrong, written whole or not at all.
 *
 * What may stand in this room: what reads or writes bytes and texts without knowing what they mean
 * to a model, the two kinds of error that a user can mend, and formats that serve several rooms.
 * Nothing here knows a tensor. data/ reads what is learned from, weights/ what was learned.
 */
export * from "./errors.ts";
export * from "./files.ts";
export * from "./kinds.ts";
export * from "./pickle.ts";
