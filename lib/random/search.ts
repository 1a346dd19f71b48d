/** Binary search, as torch.searchsorted and numpy.searchsorted do it. */

/**
 * The first place of increasing numbers whose number is not below x or, with `right`, is above x;
 * their count if there is none.
 */
export function searchSorted(sorted: ArrayLike<number>, x: number, right = false): number {
  let [first, end] = [0, sorted.length];
  while (first < end) {
    const middle = (first + end) >> 1;
    const isBefore = right ? sorted[middle] <= x : sorted[middle] < x;
    if (isBefore) first = middle + 1;
    else end = middle;
  }
  return first;
}
