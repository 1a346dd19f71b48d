/**
 * The merges of byte-pair encoding, fast: the same ids as `BPETokenizer.bpe` in tokenizer.ts, which
 * says what is computed; here stands how it is computed quickly. Everything lives in typed arrays,
 * and no string is made.
 *
 * - A hash table from a pair of ids to its rank.
 * - A cache from the bytes of a piece to its ids: of a text's pieces nine in ten have been seen
 *   before. Its size is bounded; when it is full it is emptied.
 * - A piece that is not in the cache is merged in small arrays if it is short, and with linked
 *   lists and one bucket a rank if it is long, so that the time grows linearly with the length even
 *   if a text is a single piece.
 */
import { pieceEnd } from "./scan.ts";

const NONE = 0x7fffffff; // rank of a pair that does not merge
const SHORT = 256; // longest piece in bytes that is merged in small arrays: beyond, the buckets are faster
const CACHED = 48; // longest piece in bytes that is worth a place in the cache
const ENTRIES = 1 << 16; // pieces in the cache
const SLOTS = 2 * ENTRIES;

const utf8 = new TextEncoder();

/** Encodes texts by the merges of one vocabulary. */
export class MergeEncoder {
  /** Id of each byte. */
  #byteIds: Int32Array;
  /** Id that the merge of each rank makes. */
  #results: Int32Array;
  /** Hash table of the merges: left id, right id, rank; -1 as left id marks a free place. */
  #pairs: Int32Array;
  #shift: number;
  /** First node of the bucket of each rank (-1: empty), made when the first long piece comes. */
  #heads?: Int32Array;

  // The cache. An entry is: hash, place of its bytes, their number, place of its ids, their number.
  #slots = new Int32Array(SLOTS); // entry + 1, or 0
  #entries = new Int32Array(ENTRIES * 5);
  #size = 0;
  #bytes = new Uint8Array(ENTRIES * 12);
  #byteCount = 0;
  #ids = new Int32Array(ENTRIES * 4);
  #idCount = 0;

  // The piece that is being merged: its ids, and the rank of each id with the next one.
  #symbols = new Int32Array(SHORT);
  #ranks = new Int32Array(SHORT);

  /**
   * @param byteIds (256) the id of each byte
   * @param merges (3 M) left id, right id and id of the result, the M merges in order of rank, no
   *   pair twice
   */
  constructor(byteIds: Int32Array, merges: Int32Array) {
    const count = merges.length / 3;
    const bits = Math.ceil(Math.log2(count + 1)) + 1; // at most half full
    this.#byteIds = byteIds;
    this.#results = new Int32Array(count);
    this.#pairs = new Int32Array(3 << bits).fill(-1);
    this.#shift = 32 - bits;
    for (let rank = 0; rank < count; rank++) {
      const left = merges[3 * rank], right = merges[3 * rank + 1];
      const place = this.#place(left, right);
      this.#pairs[place] = left;
      this.#pairs[place + 1] = right;
      this.#pairs[place + 2] = rank;
      this.#results[rank] = merges[3 * rank + 2];
    }
  }

  /** Where the pair stands in the hash table, or the free place where it would stand. */
  #place(left: number, right: number): number {
    const pairs = this.#pairs;
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    let place = 3 * (Math.imul(hash ^ hash >>> 15, 0x2c1b3c6d) >>> this.#shift);
    while (pairs[place] >= 0 && (pairs[place] !== left || pairs[place + 1] !== right)) {
      place += 3;
      if (place === pairs.length) place = 0;
    }
    return place;
  }

  /** Rank of a pair of ids, `NONE` if it does not merge. */
  #rank(left: number, right: number): number {
    const place = this.#place(left, right);
    return this.#pairs[place] < 0 ? NONE : this.#pairs[place + 2];
  }

  /** Encodes a text. */
  encode(text: string): number[] {
    const bytes = utf8.encode(text); // a lone surrogate becomes U+FFFD
    const out: number[] = [];
    for (let start = 0; start < bytes.length;) {
      const end = pieceEnd(bytes, start);
      if (end - start <= CACHED) this.#encodeCached(bytes, start, end, out);
      else this.#encodeLong(bytes, start, end, out);
      start = end;
    }
    return out;
  }

  #encodeCached(bytes: Uint8Array, start: number, end: number, out: number[]): void {
    let hash = end - start;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193); // FNV-1a
    hash ^= hash >>> 15;
    let slot = hash & SLOTS - 1;
    while (this.#slots[slot] !== 0) {
      const entry = 5 * (this.#slots[slot] - 1);
      if (this.#entries[entry] === hash && this.#same(entry, bytes, start, end)) {
        const first = this.#entries[entry + 3], last = first + this.#entries[entry + 4];
        for (let i = first; i < last; i++) out.push(this.#ids[i]);
        return;
      }
      slot = slot + 1 & SLOTS - 1;
    }
    const count = this.#mergeShort(bytes, start, end);
    for (let i = 0; i < count; i++) out.push(this.#symbols[i]);
    this.#remember(slot, hash, bytes, start, end, count);
  }

  /** Whether the entry's bytes are those from `start` to `end`. */
  #same(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#entries[entry + 2] !== end - start) return false;
    const place = this.#entries[entry + 1] - start;
    for (let i = start; i < end; i++) if (this.#bytes[place + i] !== bytes[i]) return false;
    return true;
  }

  /** Puts the piece that was merged last into the cache. */
  #remember(
    slot: number,
    hash: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): void {
    const length = end - start;
    if (
      this.#size === ENTRIES || this.#byteCount + length > this.#bytes.length ||
      this.#idCount + count > this.#ids.length
    ) {
      this.#slots.fill(0);
      this.#size = this.#byteCount = this.#idCount = 0;
      slot = hash & SLOTS - 1;
    }
    const entry = 5 * this.#size++;
    this.#slots[slot] = this.#size;
    this.#entries[entry] = hash;
    this.#entries[entry + 1] = this.#byteCount;
    this.#entries[entry + 2] = length;
    this.#entries[entry + 3] = this.#idCount;
    this.#entries[entry + 4] = count;
    for (let i = start; i < end; i++) this.#bytes[this.#byteCount++] = bytes[i];
    for (let i = 0; i < count; i++) this.#ids[this.#idCount++] = this.#symbols[i];
  }

  /** Merges a short piece; leaves its ids in `#symbols` and returns their number. */
  #mergeShort(bytes: Uint8Array, start: number, end: number): number {
    const symbols = this.#symbols, ranks = this.#ranks;
    let length = end - start;
    for (let i = 0; i < length; i++) symbols[i] = this.#byteIds[bytes[start + i]];
    for (let i = 0; i + 1 < length; i++) ranks[i] = this.#rank(symbols[i], symbols[i + 1]);
    while (length > 1) {
      let best = ranks[0], first = 0;
      for (let i = 1; i + 1 < length; i++) {
        if (ranks[i] < best) {
          best = ranks[i];
          first = i;
        }
      }
      if (best === NONE) break;
      // All occurrences of the best pair, from left to right.
      for (let i = first; i + 1 < length; i++) {
        if (ranks[i] !== best) continue;
        symbols[i] = this.#results[best];
        length--;
        for (let j = i + 1; j < length; j++) {
          symbols[j] = symbols[j + 1];
          ranks[j] = ranks[j + 1];
        }
        if (i > 0) ranks[i - 1] = this.#rank(symbols[i - 1], symbols[i]);
        if (i + 1 < length) ranks[i] = this.#rank(symbols[i], symbols[i + 1]);
      }
    }
    return length;
  }

  #encodeLong(bytes: Uint8Array, start: number, end: number, out: number[]): void {
    if (end - start <= SHORT) {
      const count = this.#mergeShort(bytes, start, end);
      for (let i = 0; i < count; i++) out.push(this.#symbols[i]);
    } else {
      this.#mergeLong(bytes.subarray(start, end), out);
    }
  }

  /**
   * Merges a long piece and appends its ids: symbols in a doubly linked list, and for each rank a
   * bucket with the places where that merge can be done. A bucket is emptied at one go, from left
   * to right.
   */
  #mergeLong(piece: Uint8Array, out: number[]): void {
    const n = piece.length, results = this.#results;
    const symbols = new Int32Array(n);
    const next = new Int32Array(n); // n behind the last symbol
    const previous = new Int32Array(n); // -1 before the first
    const ranks = new Int32Array(n).fill(NONE); // of the pair that begins here
    const heads = this.#heads ??= new Int32Array(results.length).fill(-1); // first node of each bucket
    const places = new Int32Array(3 * n); // of each node: n pairs at first, and at most two more a merge
    const following = new Int32Array(3 * n); // the next node in the bucket
    const batch = new Int32Array(n);
    let nodes = 0;

    const put = (i: number): number => { // the pair that begins at i, into its bucket
      const j = next[i];
      const rank = ranks[i] = j < n ? this.#rank(symbols[i], symbols[j]) : NONE;
      if (rank !== NONE) {
        places[nodes] = i;
        following[nodes] = heads[rank];
        heads[rank] = nodes++;
      }
      return rank;
    };

    for (let i = n - 1; i >= 0; i--) {
      symbols[i] = this.#byteIds[piece[i]];
      next[i] = i + 1;
      previous[i] = i - 1;
      put(i);
    }
    for (let rank = 0; rank < results.length;) {
      let size = 0, sorted = true;
      for (let node = heads[rank]; node >= 0; node = following[node]) {
        const i = places[node];
        if (ranks[i] !== rank) continue; // an older merge took one of the two symbols
        if (size > 0 && i < batch[size - 1]) sorted = false;
        batch[size++] = i;
      }
      heads[rank] = -1;
      if (!sorted) batch.subarray(0, size).sort();
      let lowest = rank + 1; // merges of trained vocabularies only make pairs of higher rank; others may not
      for (let k = 0; k < size; k++) {
        const i = batch[k];
        if (ranks[i] !== rank) continue; // in "aaa" the second "aa" is gone once the first is merged
        const gone = next[i], after = next[gone];
        symbols[i] = results[rank];
        ranks[gone] = NONE;
        next[i] = after;
        if (after < n) previous[after] = i;
        lowest = Math.min(lowest, put(i));
        if (i > 0) lowest = Math.min(lowest, put(previous[i]));
      }
      rank = lowest;
    }
    for (let i = 0; i < n; i = next[i]) out.push(symbols[i]);
  }
}
