/**
 * Tokenizers: between texts and the ids that a model reads. Here stand the kinds of tokenizer, one interface for all of
 * them, and the readers of their files. What a tokenizer does needs no device and no weights: those stand elsewhere.
 *
 *   tokenizer.ts       the interface: encode, decode, decode as a stream, size, special tokens
 *   open.ts            openTokenizer(): the vocabulary in a model's folder, of whatever kind
 *   characters.ts      an id for each character
 *   bpe/               byte-level byte pairs, GPT-2's
 *   added.ts           tokens that were added to a vocabulary, such as <|endoftext|>
 *   tokenizer_json.ts  Hugging Face's file for all kinds; a new kind has its line there
 *   parts.ts           what such a file says, checked, as each kind gets it
 */
export { decodeAll, encodePrompt, type StreamDecoder, type Tokenizer } from "./tokenizer.ts";
export { characterTokenizer, checkCharacters, readCharacters } from "./characters.ts";
export { BPETokenizer, trainBPE } from "./bpe/mod.ts";
export { openTokenizer, VOCABULARY_FILES } from "./open.ts";
