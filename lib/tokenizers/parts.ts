/** What a tokenizer.json says, as the function for each kind of tokenizer gets it. */
import type { InputError } from "../io/errors.ts";
import type { AddedToken } from "./added.ts";

/** The checked parts of a tokenizer.json. */
export interface TokenizerJSON {
  path: string;
  /** The file's text, so that it can go beside a model that is written. */
  text: string;
  /** What turns pieces into ids: its `type` is a key of `kinds`. */
  model: Record<string, unknown>;
  pre_tokenizer: unknown;
  post_processor: unknown;
  decoder: unknown;
  added: AddedToken[];
  /** What is done to a text first; undefined: nothing. */
  normalize?: (text: string) => string;
  /** An error that names the file. */
  refuse: (reason: string) => InputError;
}
