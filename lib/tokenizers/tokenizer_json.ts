/**
 * Hugging Face's tokenizer.json, which describes any tokenizer in parts: normalizer, pre_tokenizer, model,
 * post_processor, decoder and added_tokens. Here they are read and checked as far as all kinds share them; `kinds` says
 * which function makes the tokenizer of each type of model. A new kind is one more line there.
 */
import { InputError } from "../io/errors.ts";
import { readText } from "../io/files.ts";
import { isObject, readObject, short } from "../io/json.ts";
import { checkAdded } from "./added.ts";
import { bpeFromJSON } from "./bpe/json.ts";
import type { TokenizerJSON } from "./parts.ts";
import type { Tokenizer } from "./tokenizer.ts";

const kinds: Record<string, (file: TokenizerJSON) => Tokenizer> = {
  BPE: bpeFromJSON,
};

/**
 * Reads a tokenizer.json.
 *
 * @throws {InputError} If it is damaged, or has a part that we do not compute
 */
export async function readTokenizerJSON(path: string): Promise<Tokenizer> {
  const refuse = (reason: string) =>
    new InputError(`Cannot use the tokenizer '${path}': ${reason}`);
  const { model, normalizer, added_tokens = [], pre_tokenizer, post_processor, decoder } =
    await readObject(path);
  if (!isObject(model)) throw refuse("it has no model");
  const type = model.type ?? (Object.hasOwn(model, "merges") ? "BPE" : undefined); // old files have no type
  if (typeof type !== "string" || !Object.hasOwn(kinds, type)) {
    throw refuse(`its model is of the type ${short(type)}, and we have ${Object.keys(kinds)} only`);
  }
  if (!Array.isArray(added_tokens)) throw refuse("added_tokens is no list");
  return kinds[type]({
    path,
    text: await readText(path),
    model,
    pre_tokenizer,
    post_processor,
    decoder,
    added: added_tokens.map((token) => checkAdded(token, path)),
    normalize: toNormalize(normalizer, refuse),
    refuse,
  });
}

/** The function for a normalizer: one of Unicode's four forms, several of them, or none. */
function toNormalize(
  normalizer: unknown,
  refuse: TokenizerJSON["refuse"],
): ((text: string) => string) | undefined {
  if (normalizer === null || normalizer === undefined) return undefined;
  const { type, normalizers } = isObject(normalizer) ? normalizer : {};
  if (type === "Sequence" && Array.isArray(normalizers)) {
    const steps = normalizers.map((step) => toNormalize(step, refuse));
    return (text) => steps.reduce((done, step) => step ? step(done) : done, text);
  }
  if (["NFC", "NFD", "NFKC", "NFKD"].includes(type as string)) {
    return (text) => text.normalize(type as string);
  }
  throw refuse(`its normalizer is ${short(type)}, and we have NFC, NFD, NFKC and NFKD only`);
}
