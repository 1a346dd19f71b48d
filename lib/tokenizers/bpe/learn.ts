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

/** All pieces, one behind the other, as one linked list of symbols, and how often each pair of neighbours occurs in it. */
class Text {
  /** Ids; -1 once merged into the symbol before. */
  #symbols: Int32Array;
  /** The places of the symbols behind and before; -1 at the ends of a piece. */
  #next: Int32Array;
  #previous: Int32Array;
  /** How often the piece of each symbol occurs. */
  #weights: Float64Array;
  #pairs = new Map<number, Pair>();
  /** Pairs that became more frequent since they were put into the heap. */
  #touched = new Set<Pair>();
  #heap = new Heap();

  /**
   * @param pieces how often each piece occurs
   * @param byteIds (256) the id of each byte
   */
  constructor(pieces: Map<string, number>, byteIds: number[]) {
    const utf8 = new TextEncoder();
    const encoded = [...pieces].map(([piece, count]) => ({ bytes: utf8.encode(piece), count }));
    const length = encoded.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#symbols = new Int32Array(length);
    this.#next = new Int32Array(length);
    this.#previous = new Int32Array(length);
    this.#weights = new Float64Array(length);
    let place = 0;
    for (const { bytes, count } of encoded) {
      for (let i = 0; i < bytes.length; i++, place++) {
        this.#symbols[place] = byteIds[bytes[i]];
        this.#previous[place] = i > 0 ? place - 1 : -1;
        this.#next[place] = i + 1 < bytes.length ? place + 1 : -1;
        this.#weights[place] = count;
      }
    }
    for (let i = 0; i < length; i++) if (this.#next[i] >= 0) this.#add(i);
  }

  #key(place: number): number {
    return this.#symbols[place] * 2 ** 26 + this.#symbols[this.#next[place]];
  }

  /** Counts the pair that begins at `place`. */
  #add(place: number): void {
    const key = this.#key(place);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      const left = this.#symbols[place], right = this.#symbols[this.#next[place]];
      this.#pairs.set(key, pair = { left, right, count: 0, places: [], merged: false });
    }
    pair.count += this.#weights[place];
    pair.places.push(place);
    this.#touched.add(pair);
  }

  /** Counts the pair that begins at `place` no more. */
  #remove(place: number): void {
    this.#pairs.get(this.#key(place))!.count -= this.#weights[place];
  }

  /** The pair to merge next; undefined if every piece is one token. */
  mostFrequent(): Pair | undefined {
    for (const pair of this.#touched) this.#heap.push({ pair, count: pair.count });
    this.#touched.clear();
    for (let top; (top = this.#heap.pop()) !== undefined;) {
      const { pair, count } = top;
      if (pair.count === count) {
        if (count > 0 && !pair.merged) return pair;
      } else if (pair.count > 0 && pair.count < count) { // it became rarer since it was put there
        this.#heap.push({ pair, count: pair.count });
      } // otherwise it stands there twice
    }
  }

  /** Merges the pair everywhere into the symbol `id`. */
  merge(pair: Pair, id: number): void {
    const symbols = this.#symbols, next = this.#next, previous = this.#previous;
    pair.merged = true;
    if (pair.left === pair.right) pair.places.sort((a, b) => a - b); // "aaa" merges from left to right
    for (const place of pair.places) {
      const gone = next[place];
      if (symbols[place] !== pair.left || gone < 0 || symbols[gone] !== pair.right) continue;
      const before = previous[place], after = next[gone];
      if (before >= 0) this.#remove(before);
      if (after >= 0) this.#remove(gone);
      symbols[place] = id;
      symbols[gone] = -1;
      next[place] = after;
      if (after >= 0) {
        previous[after] = place;
        this.#add(place);
      }
      if (before >= 0) this.#add(before);
    }
    pair.count = 0;
    pair.places = [];
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
  alphabet: readonly string[],
  limit: number,
  onMerge?: (done: number) => void,
): [string, string][] {
  const tokens = alphabet.toSorted(); // by id
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const text = new Text(pieces, alphabet.map((token) => ids.get(token)!));
  const merges: [string, string][] = [];
  while (tokens.length < alphabet.length + limit) {
    const pair = text.mostFrequent();
    if (pair === undefined) break;
    const parts: [string, string] = [tokens[pair.left], tokens[pair.right]];
    const token = parts.join("");
    let id = ids.get(token);
    if (id === undefined) { // (almost always: the same token can come about by two pairs)
      id = tokens.length;
      tokens.push(token);
      ids.set(token, id);
    }
    merges.push(parts);
    text.merge(pair, id);
    onMerge?.(tokens.length - alphabet.length);
  }
  return merges;
}
