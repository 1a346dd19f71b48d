/**
 * Random numbers: one Mersenne Twister with three front ends that draw what PyTorch, NumPy and Python draw for the same
 * seed. Values are drawn here, on the host, and are therefore the same on every device.
 *
 *     seedAll(42);
 *     const w = tf.tensor(torch.randn(6), [2, 3]); // what torch.randn(2, 3) gives after torch.manual_seed(42)
 *     const order = numpy.permutation(10); // what numpy.random.permutation(10) gives after numpy.random.seed(42)
 *     const word = python.choice(words); // what random.choice(words) gives after random.seed(42)
 */

import { NumpyGenerator, PythonGenerator, TorchGenerator } from "./random/mod.ts";

export * from "./random/mod.ts";

/** The generator behind initial weights, dropout, data order and sampling: what `torch.*` functions use. */
export const torch = new TorchGenerator();
/** The generator behind `numpy.random`. */
export const numpy = new NumpyGenerator();
/** The generator behind Python's `random`. */
export const python = new PythonGenerator();

/**
 * Seeds all three: `random.seed(seed)`, `numpy.random.seed(seed)` and `torch.manual_seed(seed)`. NumPy takes no seeds of
 * more than 32 bits; there the low 32 bits are used, as PyTorch does.
 * @throws {RangeError} If the seed is no integer.
 */
export function seedAll(seed: number | bigint): void {
  python.seed(seed);
  torch.manualSeed(seed);
  numpy.seed(torch.initialSeed() & 0xffffffffn);
}
