/** Training: from a text to a byte-pair vocabulary of its own. */
import { learnMerges } from "./learn.ts";
import { byteEncoder, splitIntoPieces } from "./steps.ts";
import { BPETokenizer } from "./tokenizer.ts";

/**
 * Learns a vocabulary from a text: it begins with the 256 bytes, and the most frequent pair of
 * neighbours becomes a new token, again and again. Of equally frequent pairs the one with the
 * smaller ids comes first, so that the same text always gives the same vocabulary.
 *
 * @param vocabSize number of tokens wanted, 256 or more; it is not reached if the text is too short
 *   to have as many
 * @param options.endOfText if true, the last token is the special token <|endoftext|>
 * @param options.onMerge called after each merge with the number of merges done
 * @throws {RangeError} If `vocabSize` is no integer of 256 or more (257 with `endOfText`)
 */
export function trainBPE(
  text: string,
  vocabSize: number,
  { endOfText = false, onMerge }: { endOfText?: boolean; onMerge?: (done: number) => void } = {},
): BPETokenizer {
  const smallest = endOfText ? 257 : 256;
  if (!Number.isInteger(vocabSize) || vocabSize < smallest) {
    throw new RangeError(
      `Cannot train a vocabulary: its size must be an integer of ${smallest} or more, it is ${vocabSize}`,
    );
  }
  const pieces = new Map<string, number>(); // piece -> how often it occurs
  for (const piece of splitIntoPieces(text.toWellFormed())) {
    pieces.set(piece, (pieces.get(piece) ?? 0) + 1);
  }
  const merges = learnMerges(pieces, byteEncoder, vocabSize - smallest, onMerge);
  const tokens = new Set([
    ...byteEncoder.toSorted(), // GPT-2's order
    ...merges.map(([left, right]) => left + right),
    ...endOfText ? ["<|endoftext|>"] : [],
  ]);
  return new BPETokenizer(
    new Map([...tokens].map((token, id) => [token, id])),
    merges.map((pair) => pair.join(" ")),
  );
}
