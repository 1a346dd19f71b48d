/**
 * Training of a byte-pair encoding, fast. What it computes is short: count all pairs of neighbours,
 * merge the most frequent one everywhere, and again. To count anew after each merge would take the
 * time of the whole text each time; here a merge updates the counts at the places where it happens,
 * and a heap knows the most frequent pair.
 */

/** Two neighbouring symbols, and where they stand. */
interface Pair {
  left: number;
  right: number;
  /** How often the pair occurs in the text. */
  count: number;
  /** Places of its left symbol; those where the pair does not stand any more are skipped. */
  places: number[];
  merged: boolean;
}

/** A pair with the count that it had when it was put into the heap. */
type Candidate = { pair: Pair; count: number };

/** Whether `a` is to be merged before `b`: more frequent, or as frequent and of smaller ids. */
function isBefore(a: Candidate, b: Candidate): boolean {
  if (a.count !== b.count) return a.count > b.count;
  if (a.pair.left !== b.pair.left) return a.pair.left < b.pair.left;
  return a.pair.right < b.pair.right;
}

/** Binary heap whose first element is the candidate to merge next. */
class Heap {
  #items: Candidate[] = [];

  push(item: Candidate): void {
    const items = this.#items;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(item, items[parent])) break;
      items[i] = items[parent];
      i = parent;
    }
    items[i] = item;
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    const top = items[0];
    const item = items.pop();
    if (item === undefined || items.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1], items[child])) child++;
      if (!isBefore(items[child], item)) break;
      items[i] = items[child];
      i = child;
    }
    items[i] = item;
    return top;
  }
}

/**
 * Learns merges: always the most frequent pair, among equals the one of the smallest left id, then
 * right id (the rule of Hugging Face's trainer). Pairs never span two pieces.
 *
 * @param pieces how often each piece occurs
 * @param alphabet (256) the token of each byte; its index after sorting is its id
 * @param limit how many new tokens to learn; fewer come back if no pair is left
 * @param onMerge called after each merge with the number of tokens learned so far
 * @returns the merges in order, as pairs of tokens
 */
export function learnMerges(
  pieces: Map<string, number>,
  alphabet: string[],
  limit: number,
  onMerge?: (done: number) => void,
): [string, string][] {
  const tokens = alphabet.toSorted(); // by id
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const byteIds = alphabet.map((token) => ids.get(token)!);

  // All pieces, one behind the other, as one linked list of symbols; an end of a piece links to -1.
  const encoded = [...pieces].map(([piece, count]) => ({
    bytes: new TextEncoder().encode(piece),
    count,
  }));
  const length = encoded.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const symbols = new Int32Array(length); // -1 once merged into the symbol before
  const next = new Int32Array(length);
  const previous = new Int32Array(length);
  const weights = new Float64Array(length); // how often the piece occurs

  const pairs = new Map<number, Pair>();
  const touched = new Set<Pair>(); // pairs that became more frequent since they were put into the heap
  const keyOf = (left: number, right: number) => left * 2 ** 26 + right;
  /** Counts the pair that begins at `place`. */
  const add = (place: number) => {
    const left = symbols[place], right = symbols[next[place]];
    const key = keyOf(left, right);
    let pair = pairs.get(key);
    if (pair === undefined) {
      pairs.set(key, pair = { left, right, count: 0, places: [], merged: false });
    }
    pair.count += weights[place];
    pair.places.push(place);
    touched.add(pair);
  };
  /** Counts the pair that begins at `place` no more. */
  const remove = (place: number) => {
    pairs.get(keyOf(symbols[place], symbols[next[place]]))!.count -= weights[place];
  };

  let place = 0;
  for (const { bytes, count } of encoded) {
    for (let i = 0; i < bytes.length; i++, place++) {
      symbols[place] = byteIds[bytes[i]];
      previous[place] = i > 0 ? place - 1 : -1;
      next[place] = i + 1 < bytes.length ? place + 1 : -1;
      weights[place] = count;
    }
  }
  for (let i = 0; i < length; i++) if (next[i] >= 0) add(i);

  const heap = new Heap();
  const merges: [string, string][] = [];
  while (tokens.length < alphabet.length + limit) {
    for (const pair of touched) heap.push({ pair, count: pair.count });
    touched.clear();
    const top = heap.pop();
    if (top === undefined) break; // every piece is one token
    const { pair, count } = top;
    if (pair.count !== count) { // it became rarer since it was put there (or stands there twice)
      if (pair.count > 0 && pair.count < count) heap.push({ pair, count: pair.count });
      continue;
    }
    if (count <= 0 || pair.merged) continue;

    const token = tokens[pair.left] + tokens[pair.right];
    let id = ids.get(token);
    if (id === undefined) { // (almost always: the same token can come about by two pairs)
      id = tokens.length;
      tokens.push(token);
      ids.set(token, id);
    }
    merges.push([tokens[pair.left], tokens[pair.right]]);
    pair.merged = true;
    const places = pair.places;
    if (pair.left === pair.right) places.sort((a, b) => a - b); // "aaa" merges from left to right
    for (const place of places) {
      const gone = next[place];
      if (symbols[place] !== pair.left || gone < 0 || symbols[gone] !== pair.right) continue;
      const before = previous[place], after = next[gone];
      if (before >= 0) remove(before);
      if (after >= 0) remove(gone);
      symbols[place] = id;
      symbols[gone] = -1;
      next[place] = after;
      if (after >= 0) {
        previous[after] = place;
        add(place);
      }
      if (before >= 0) add(before);
    }
    pair.count = 0;
    pair.places = [];
    onMerge?.(tokens.length - alphabet.length);
  }
  return merges;
}
