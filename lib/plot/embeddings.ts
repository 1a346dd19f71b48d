/** Pictures of word vectors. */

import type { Figure } from "./figure.ts";
import { scatter } from "./scatter.ts";

/**
 * Each word at the place of its vector: vectors (V, E), a row a word. Of more than two dimensions the two principal
 * components are shown, the directions in which the vectors differ most; a single dimension lies on a line.
 *
 * @param what The title; the axes say which dimensions they are
 * @throws {TypeError} If there is not one vector for each word
 */
export async function plotEmbeddings(
  title: string,
  words: string[],
  vectors: number[][],
): Promise<Figure> {
  if (words.length !== vectors.length) {
    throw new TypeError(
      `Cannot plot ${vectors.length} vectors for ${words.length} words: there must be one for each`,
    );
  }
  const { points, axes } = await toPlane(vectors);
  return scatter({
    title,
    xLabel: axes[0],
    yLabel: axes[1],
    points: points.map(([x, y], i) => ({ x, y, label: words[i] })),
    width: 640,
    height: 560,
  });
}

/** Vectors (V, E) as points of the plane (V, 2), with the names of the two axes. */
async function toPlane(vectors: number[][]): Promise<{ points: number[][]; axes: string[] }> {
  const axes = ["dimension 1", "dimension 2"];
  const isFinite = vectors.every((vector) => vector.every(Number.isFinite));
  if (vectors.length < 2 || vectors[0].length <= 2 || !isFinite) {
    return { points: vectors.map(([x, y = 0]) => [x, y]), axes };
  }
  const { PCA } = await import("ml-pca");
  const pca = new PCA(vectors);
  const shares = pca.getExplainedVariance().map((share) => `${(100 * share).toFixed(0)} %`);
  return {
    points: pca.predict(vectors, { nComponents: 2 }).to2DArray(),
    axes: [0, 1].map((i) => `principal component ${i + 1} (${shares[i]} of the variance)`),
  };
}
