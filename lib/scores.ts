/** How good predictions are: who was taken for whom, and F1. */

/**
 * How often each class was taken for each: counts[t][p] for the true class t and the predicted p, in
 * the order of `labels`.
 *
 * @throws {TypeError} If there are not as many predictions as truths, or one is no label
 */
export function confusionCounts(
  truths: ArrayLike<string>,
  predictions: ArrayLike<string>,
  labels: string[],
): number[][] {
  if (truths.length !== predictions.length) {
    throw new TypeError(
      `Cannot compare ${truths.length} truths with ${predictions.length} predictions`,
    );
  }
  const index = new Map(labels.map((label, i) => [label, i]));
  const indexOf = (label: string) => {
    const i = index.get(label);
    if (i === undefined) throw new TypeError(`Cannot count "${label}": it is not among the labels`);
    return i;
  };
  const counts = labels.map(() => labels.map(() => 0));
  for (let i = 0; i < truths.length; i++) {
    counts[indexOf(truths[i])][indexOf(predictions[i])]++;
  }
  return counts;
}

/**
 * The mean of the classes' F1, 2 TP / (2 TP + FP + FN): rare classes count as much as frequent ones
 * (macro-averaged F1). A class that neither truths nor predictions have is left out; with none, 1.
 *
 * @param counts Those of {@linkcode confusionCounts}
 */
export function macroF1(counts: number[][]): number {
  const sum = (xs: number[]) => xs.reduce((a, b) => a + b, 0);
  const scores = counts.flatMap((row, i) => {
    const total = sum(row) + sum(counts.map((row) => row[i])); // 2 TP + FP + FN
    return total === 0 ? [] : [2 * row[i] / total];
  });
  return scores.length === 0 ? 1 : sum(scores) / scores.length;
}
