/**
 * Byte-level byte-pair encoding, GPT-2's. Here stands what turns texts into byte pairs and back, and what learns and
 * reads such vocabularies; other kinds of tokenizer do not.
 *
 *   steps.ts       the encoding by definition: pieces, bytes as characters, merges
 *   tokenizer.ts   BPETokenizer: begin here
 *   vocabulary.ts  the files encoder.json and vocab.bpe: read and checked
 *   json.ts        the same out of tokenizer.json
 *   scan.ts        pieces, fast
 *   merge.ts       merges, fast
 *   train.ts       a vocabulary of a text
 *   learn.ts       its merges, fast
 *   program.ts     shows each step of an encoding, and trains vocabularies
 */
export { bytesToUnicode, getPairs, mergePair, splitIntoPieces } from "./steps.ts";
export { BPETokenizer, type Part } from "./tokenizer.ts";
export { trainBPE } from "./train.ts";
