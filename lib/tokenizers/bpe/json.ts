/** Byte-level byte pairs out of tokenizer.json: what we compute, and a reason for each thing that we do not. */
import { isObject, short } from "../../io/json.ts";
import type { TokenizerJSON } from "../parts.ts";
import type { BPEOptions } from "./tokenizer.ts";
import { BPETokenizer } from "./tokenizer.ts";
import { toEncoder } from "./vocabulary.ts";

/** What the model's part may say otherwise; not said, it is as here. */
const fixed = {
  dropout: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
};

/**
 * Makes the tokenizer that a tokenizer.json of the type BPE describes.
 *
 * @throws {InputError} If it is damaged, or no byte-level one of GPT-2's kind
 */
export function bpeFromJSON(file: TokenizerJSON): BPETokenizer {
  const { path, model, added, text, refuse } = file;
  for (const [name, value] of Object.entries(fixed)) {
    const got = model[name] || value; // "", 0 and false are as good as null
    if (got !== value) throw refuse(`model.${name} is ${short(got)}, and we have ${value} only`);
  }
  const encoder = toEncoder(model.vocab, path);
  const { unk_token } = model;
  const unknown = typeof unk_token === "string" ? encoder.get(unk_token) : undefined;
  return new BPETokenizer(
    encoder,
    toMerges(file),
    {
      files: { encoder: path, merges: path },
      added,
      partial: true,
      addPrefixSpace: addsPrefixSpace(file),
      normalize: file.normalize,
      unknown,
      json: text,
    } satisfies BPEOptions,
  );
}

/** The merges, each "left right" or ["left", "right"]. */
function toMerges({ model, refuse }: TokenizerJSON): string[] {
  const { merges } = model;
  if (!Array.isArray(merges)) throw refuse("model.merges is no list");
  return merges.map((merge, i) => {
    if (typeof merge === "string") return merge;
    const isPair = Array.isArray(merge) && merge.length === 2 &&
      merge.every((part) => typeof part === "string" && !part.includes(" "));
    if (isPair) return merge.join(" ");
    throw refuse(`model.merges[${i}] is ${short(merge)}, not two tokens`);
  });
}

/** Checks that texts are split and bytes written as GPT-2 does; returns whether a blank is put before them. */
function addsPrefixSpace({ pre_tokenizer, decoder, post_processor, refuse }: TokenizerJSON) {
  if (!isObject(pre_tokenizer) || pre_tokenizer.type !== "ByteLevel") {
    const type = isObject(pre_tokenizer) ? short(pre_tokenizer.type) : "none";
    throw refuse(`its pre_tokenizer is ${type}, and of BPE we have the byte-level one only`);
  }
  if (pre_tokenizer.use_regex === false) {
    throw refuse("it does not split texts into words, and we have GPT-2's way only");
  }
  for (const [name, part] of Object.entries({ decoder, post_processor })) {
    if (part !== null && part !== undefined && !(isObject(part) && part.type === "ByteLevel")) {
      const type = isObject(part) ? short(part.type) : short(part);
      throw refuse(`its ${name} is ${type}, and we have ByteLevel only`);
    }
  }
  return pre_tokenizer.add_prefix_space === true;
}
