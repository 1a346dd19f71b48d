/**
 * Generators that draw what PyTorch, NumPy and Python draw for the same seed: one Mersenne Twister,
 * three front ends. lib/random.ts has the three that programs share.
 *
 * What may stand in this room: generators of other libraries, reproduced to the last bit, and the
 * arithmetic under them. Nothing here knows a tensor or a device.
 */

export { NumpyGenerator, type NumpyState } from "./numpy.ts";
export { PythonGenerator, type PythonState } from "./python.ts";
export { TorchGenerator, type TorchState } from "./torch.ts";
export { MersenneTwister, type TwisterState } from "./mersenne_twister.ts";
