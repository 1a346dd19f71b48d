/**
 * Deep equality as `@std/assert` defines it. Node's `isDeepStrictEqual` is not
 * that: it tells 0 from -0 and does not look at getters of a prototype.
 * @module
 */

type Pairs = Map<object, object>;

const isObject = (x: unknown): x is object => typeof x === "object" && x !== null;

const isPrimitive = (x: unknown) => !isObject(x) && typeof x !== "function";

/** Classes without own fields that their text tells apart. */
const COMPARED_AS_TEXT = [RegExp, URL, URLSearchParams, Intl.Locale];

/**
 * Whether two values are deeply equal: same structure, same prototypes, NaN
 * equal to NaN and 0 equal to -0. Functions are compared by reference.
 *
 * @throws {TypeError} If two WeakMaps or two WeakSets are compared.
 */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

function compare(a: unknown, b: unknown, open: Pairs): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime());
  }
  // An object without a prototype counts as a plain one.
  const plain = Object.prototype;
  const prototype = Object.getPrototypeOf(a) ?? plain;
  if (prototype !== (Object.getPrototypeOf(b) ?? plain)) return false;

  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError(`Cannot compare ${a.constructor.name} instances`);
  }
  if (a instanceof WeakRef) {
    return compare(a.deref(), (b as WeakRef<WeakKey>).deref(), open);
  }
  if (ArrayBuffer.isView(a) && !(a instanceof DataView)) {
    return sameElements(a as Uint8Array, b as Uint8Array);
  }
  if (a instanceof ArrayBuffer || a instanceof SharedArrayBuffer) {
    return sameElements(new Uint8Array(a), new Uint8Array(b as ArrayBuffer));
  }
  if (COMPARED_AS_TEXT.some((type) => type.prototype === prototype)) {
    return String(a) === String(b);
  }

  // A pair that is being compared further up is equal unless something else
  // differs: this ends the recursion of objects that hold themselves.
  if (open.get(a) === b) return true;
  open.set(a, b);
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  if (a instanceof Set) {
    const entries = (set: Set<unknown>) => [...set].map((x) => [x, x] as const);
    return sameEntries(entries(a), entries(b as Set<unknown>), open);
  }
  if (a instanceof Map) {
    return sameEntries([...a], [...b as Map<unknown, unknown>], open);
  }
  const values = (x: object) => x as Record<PropertyKey, unknown>;
  return [...new Set([...keysOf(a), ...keysOf(b)])].every((key) =>
    (key in a) === (key in b) && compare(values(a)[key], values(b)[key], open)
  );
}

function sameElements(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !Object.is(a[i], b[i])) return false;
  }
  return true;
}

type Entry = readonly [unknown, unknown];

/** Whether each entry of `a` has its own equal in `b`, in any order. */
function sameEntries(a: Entry[], b: Entry[], open: Pairs): boolean {
  if (a.length !== b.length) return false;
  const byKey = new Map(b);
  const left = new Set(b.filter(([key]) => !isPrimitive(key)));
  return a.every(([key, value]) => {
    if (isPrimitive(key)) {
      return byKey.has(key) && compare(value, byKey.get(key), open);
    }
    for (const entry of left) {
      if (compare(key, entry[0], open) && compare(value, entry[1], open)) {
        return left.delete(entry);
      }
    }
    return false;
  });
}

/** Own enumerable keys; of a class's instance also those it inherits. */
function keysOf(object: object): PropertyKey[] {
  const prototype = Object.getPrototypeOf(object);
  if (
    prototype === null || prototype === Object.prototype ||
    prototype === Array.prototype
  ) {
    return Reflect.ownKeys(object).filter((key) =>
      Object.prototype.propertyIsEnumerable.call(object, key)
    );
  }
  const keys: PropertyKey[] = [];
  for (
    let at = object;
    at !== null && at !== Object.prototype && at !== Array.prototype;
    at = Object.getPrototypeOf(at)
  ) keys.push(...Reflect.ownKeys(at));
  return keys;
}
