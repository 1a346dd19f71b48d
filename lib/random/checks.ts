/** What the generators refuse, before anything is drawn. */

/** A seed as a 64-bit integer. @throws {RangeError} If it is no integer. */
export function checkSeed(seed: number | bigint): bigint {
  if (typeof seed !== "bigint" && !Number.isSafeInteger(seed)) {
    throw new RangeError(
      `Cannot seed the generator as the seed must be an integer: seed=${seed}`,
    );
  }
  return BigInt(seed);
}

/** Checks a number of values to draw. @throws {RangeError} If it is no integer or below 0. */
export function checkCount(n: number, name = "n"): void {
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new RangeError(
      `Cannot draw as the number of values must be a non-negative integer: ${name}=${n}`,
    );
  }
}

/** Checks a probability. @throws {RangeError} If it is outside [0, 1]. */
export function checkProbability(p: number): void {
  if (!(p >= 0 && p <= 1)) {
    throw new RangeError(
      `Cannot draw as a probability must be between 0 and 1: p=${p}`,
    );
  }
}

/** Checks a spread: a standard deviation, a scale. @throws {RangeError} If it is negative or NaN. */
export function checkSpread(value: number, name: string): void {
  if (!(value >= 0)) {
    throw new RangeError(
      `Cannot draw as ${name} must not be negative: ${name}=${value}`,
    );
  }
}

/** Checks the ends of an interval. @throws {RangeError} If high is below low, or one of them is not finite. */
export function checkInterval(low: number, high: number): void {
  if (!(high >= low && isFinite(high - low))) {
    throw new RangeError(
      `Cannot draw uniform values as low and high must be finite and high not below low: low=${low}, high=${high}`,
    );
  }
}

/** Checks the cached value in a state. @throws {RangeError} If it is neither null nor a number. */
export function checkCachedNormal(value?: number | null): number | null {
  if (value !== null && !Number.isFinite(value)) {
    throw new RangeError(
      `Cannot set the generator's state as the value kept from a pair must be a number or null: it is ${value}; pass what getState() returned`,
    );
  }
  return value as number | null;
}

/** Checks the integers low..high - 1. @throws {RangeError} If there are none, or they do not fit between `least` and `most`. */
export function checkRange(
  low: number | bigint,
  high: number | bigint,
  least: number | bigint = -(2 ** 31),
  most: number | bigint = 2 ** 31,
): void {
  for (const [name, value] of [["low", low], ["high", high]] as const) {
    if (typeof value !== "bigint" && !Number.isSafeInteger(value)) {
      throw new RangeError(
        `Cannot draw integers as ${name} must be an integer: ${name}=${value}`,
      );
    }
  }
  if (high <= low) {
    throw new RangeError(
      `Cannot draw integers as high must be above low: low=${low}, high=${high}`,
    );
  }
  if (low < least || high > most) {
    throw new RangeError(
      `Cannot draw integers as they must lie in ${least}..${most} (high not included): low=${low}, high=${high}`,
    );
  }
}

/** Checks the cut of a normal distribution. @throws {RangeError} If [a, b] is empty or far from the mean. */
export function checkCut(mean: number, std: number, a: number, b: number): void {
  if (!(a < b && a <= mean + 4 * std && b >= mean - 4 * std)) {
    throw new RangeError(
      `Cannot draw from a normal distribution cut to [a, b] as that leaves next to no values: mean=${mean}, std=${std}, a=${a}, b=${b}`,
    );
  }
}

/** Checks the rate of an exponential distribution. @throws {RangeError} If it is not positive. */
export function checkRate(lambda: number): void {
  if (!(lambda > 0)) {
    throw new RangeError(
      `Cannot draw exponential values as the rate must be positive: lambda=${lambda}`,
    );
  }
}

/** Checks the seed in a state. @throws {RangeError} If it is no text of digits. */
export function checkSeedDigits(seed: string): void {
  if (!/^\d+$/.test(seed)) {
    throw new RangeError(
      `Cannot set the generator's state as its seed must be digits: seed=${seed}; pass what getState() returned`,
    );
  }
}
