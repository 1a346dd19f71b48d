/** A check of whole numbers that are to be rows of a table or classes. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { at, heap } from "./runtime.ts";

/**
 * Checks that each number is in 0..count - 1 or is `ignored`.
 *
 * @param action What is done with them, for the message: "look up"
 * @throws {RangeError} If one is not; it says which and where
 */
export function checkIds(action: string, ids: Tensor, count: number, ignored?: number): void {
  const start = at(ids) / 4;
  const values = heap().i32.subarray(start, start + ids.size);
  for (let i = 0; i < values.length; i++) {
    if ((values[i] < 0 || values[i] >= count) && values[i] !== ignored) {
      throw new RangeError(
        `Cannot ${action} ${values[i]} (at position ${i} of ${values.length}): it must be in 0..${
          count - 1
        }`,
      );
    }
  }
}
