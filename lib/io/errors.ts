/** The two kinds of error that a user can mend; a run that ends with one prints its message alone, without a stack trace. */

/** Input that cannot be used: a damaged file, a missing folder, an absent device. The run ends with exit code 1. */
export class InputError extends Error {
  override name = "InputError";
  exitCode = 1;
}

/** A wrong command line: an unknown flag, a value of the wrong type or out of range. The run ends with exit code 2. */
export class UsageError extends InputError {
  override name = "UsageError";
  override exitCode = 2;
}

/** The start of a text for a message: no message repeats a long one whole. */
export function excerpt(text: string, most = 60): string {
  return text.length > most ? `${text.slice(0, most)}...` : text;
}
