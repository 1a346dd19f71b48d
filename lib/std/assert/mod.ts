/**
 * Stand-in for `@std/assert` 1.0.19, for networks that reach only npm.
 *
 * The part that is here, with the published names, signatures and behaviour:
 * AssertionError, equal, assert, assertFalse, assertEquals, assertNotEquals,
 * assertStrictEquals, assertNotStrictEquals, assertAlmostEquals, assertExists,
 * assertGreater(OrEqual), assertLess(OrEqual), assertMatch, assertNotMatch,
 * assertStringIncludes, assertArrayIncludes, assertObjectMatch,
 * assertInstanceOf, assertIsError, assertThrows, assertRejects, fail,
 * unreachable. Not here: subpaths such as `@std/assert/equals`, and the exact
 * layout of the difference that a failed assertEquals shows.
 * @module
 */
import { diff, stripVTControlCharacters } from "node:util";
import { equal } from "./equal.ts";

export { equal };

/** The error of every failed assertion. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

// deno-lint-ignore no-explicit-any
type AnyClass<T = any> = abstract new (...args: any[]) => T;

/** What `assertFalse` leaves of a type. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** An array or what is indexed like one, but not a string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** A message ends with the caller's own words or with a full stop. */
const end = (msg?: string) => msg ? `: ${msg}` : ".";

function format(value: unknown): string {
  return Deno.inspect(value, {
    depth: Infinity,
    sorted: true,
    trailingComma: true,
    compact: false,
    iterableLimit: Infinity,
    strAbbreviateSize: Infinity,
    getters: true,
  });
}

const paint = (code: number, text: string) =>
  Deno.noColor ? text : `\x1b[${code}m\x1b[1m${text}\x1b[22m\x1b[39m`;
const red = (text: string) => paint(31, text);
const green = (text: string) => paint(32, text);
const gray = (text: string) => paint(90, text);

/** The lines of two values side by side: `-` actual, `+` expected. */
function difference(actual: unknown, expected: unknown): string {
  const texts = typeof actual === "string" && typeof expected === "string"
    ? [actual, expected]
    : [format(actual), format(expected)];
  const [a, b] = texts.map((text) => text.split("\n"));
  const lines = diff(a, b).map(([kind, line]) =>
    kind === 0
      ? `    ${line}`
      : kind > 0
      ? red(`-   ${stripVTControlCharacters(line)}`)
      : green(`+   ${stripVTControlCharacters(line)}`)
  );
  const header = `    ${gray("[Diff]")} ${red("Actual")} / ${green("Expected")}`;
  return ["", "", header, "", "", ...lines, ""].join("\n");
}

/** Assert that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Assert that `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/** Fail always. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${end(msg)}`);
}

/** Fail because this line must not be reached. */
export function unreachable(msg?: string): never {
  throw new AssertionError(`Unreachable${end(msg)}`);
}

/** Assert that two values are deeply equal (see `equal`). */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `Values are not equal${end(msg)}\n${difference(actual, expected)}`,
  );
}

/** Assert that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected actual: ${format(actual)} not to be: ${format(expected)}${end(msg)}`,
  );
}

/** Assert that two values are the same by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const text = format(actual);
  if (text === format(expected)) {
    const indented = text.split("\n").map((line) => `    ${line}`).join("\n");
    throw new AssertionError(
      `Values have the same structure but are not reference-equal${end(msg)}\n\n${red(indented)}\n`,
    );
  }
  throw new AssertionError(
    `Values are not strictly equal${end(msg)}\n${difference(actual, expected)}`,
  );
}

/** Assert that two values are not the same by `Object.is`. */
export function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(
    `Expected "actual" to not be strictly equal to: ${format(actual)}${end(msg)}\n`,
  );
}

/**
 * Assert that two numbers differ by at most `tolerance`
 * (default: 1e-7 of the expected value).
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  const limit = tolerance ??
    (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (delta <= limit) return;
  const show = (n: number) => Number.isInteger(n) ? n : n.toExponential();
  throw new AssertionError(
    `Expected actual: "${show(actual)}" to be close to "${show(expected)}": ` +
      `delta "${show(delta)}" is greater than "${show(limit)}"${end(msg)}`,
  );
}

/** Assert that a value is neither null nor undefined. */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to not be null or undefined${end(msg)}`,
  );
}

function order(
  holds: boolean,
  sign: string,
  actual: unknown,
  expected: unknown,
  msg?: string,
): void {
  if (holds) return;
  throw new AssertionError(
    msg ?? `Expect ${format(actual)} ${sign} ${format(expected)}`,
  );
}

/** Assert that `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  order(actual > expected, ">", actual, expected, msg);
}

/** Assert that `actual >= expected`. */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  order(actual >= expected, ">=", actual, expected, msg);
}

/** Assert that `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  order(actual < expected, "<", actual, expected, msg);
}

/** Assert that `actual <= expected`. */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  order(actual <= expected, "<=", actual, expected, msg);
}

/** Assert that a string matches a regular expression. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to match: "${expected}"${end(msg)}`,
  );
}

/** Assert that a string does not match a regular expression. */
export function assertNotMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (!expected.test(actual)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to not match: "${expected}"${end(msg)}`,
  );
}

/** Assert that a string contains another. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to contain: "${expected}"${end(msg)}`,
  );
}

/** Assert that an array holds an equal of every element of another. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const items = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) =>
    !items.some((item) => equal(wanted, item))
  );
  if (missing.length === 0) return;
  throw new AssertionError(
    `Expected actual: "${format(actual)}" to include: "${format(expected)}"${end(msg)}\nmissing: ${
      format(missing)
    }`,
  );
}

/**
 * Assert that every key that `expected` has is in `actual` with an equal
 * value; nested objects, arrays, Maps and Sets may hold more as well.
 */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  for (const value of [actual, expected] as unknown[]) {
    if (typeof value !== "object" || value === null) {
      throw new TypeError(
        `Cannot assertObjectMatch ${value === null ? null : `type ${typeof value}`}`,
      );
    }
  }
  const part = common(actual, expected, new Map());
  assertEquals(part, common(expected, expected, new Map()), msg);
}

/** The part of `actual` whose keys `expected` has too, as plain objects. */
function common(
  actual: unknown,
  expected: unknown,
  seen: Map<unknown, [unknown, unknown]>,
): unknown {
  const isObject = (x: unknown): x is object => typeof x === "object" && x !== null;
  if (!isObject(actual) || !isObject(expected)) return actual;
  if (actual instanceof RegExp || actual instanceof Date) return actual;
  const known = seen.get(actual);
  if (known && known[0] === expected) return known[1];
  const remember = <T>(part: T): T => {
    seen.set(actual, [expected, part]);
    return part;
  };

  if (Array.isArray(actual) && Array.isArray(expected)) {
    const part: unknown[] = remember([]);
    const length = Math.min(actual.length, expected.length);
    for (let i = 0; i < length; i++) {
      part.push(common(actual[i], expected[i], seen));
    }
    return part;
  }
  if (actual instanceof Set && expected instanceof Set) {
    return remember(actual.intersection(expected));
  }
  if (actual instanceof Map && expected instanceof Map) {
    const part = remember(new Map<unknown, unknown>());
    for (const [key, value] of actual) {
      if (expected.has(key)) {
        part.set(key, common(value, expected.get(key), seen));
      }
    }
    return part;
  }
  const part = remember({} as Record<PropertyKey, unknown>);
  const keys = Reflect.ownKeys(actual);
  const wanted = Reflect.ownKeys(expected);
  const shared = keys.filter((key) => wanted.includes(key));
  // Nothing in common: show what is there rather than an empty object.
  const shown = shared.length > 0 || wanted.length === 0 ? shared : keys;
  for (const key of shown) {
    Object.defineProperty(part, key, {
      value: common(
        (actual as Record<PropertyKey, unknown>)[key],
        (expected as Record<PropertyKey, unknown>)[key],
        seen,
      ),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  return part;
}

/** Assert that `actual` is an instance of a class. */
export function assertInstanceOf<
  // deno-lint-ignore no-explicit-any
  T extends abstract new (...args: any[]) => any,
>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  const wanted = expectedType.name;
  const given = actual === null
    ? "null"
    : typeof actual === "object"
    ? actual.constructor?.name ?? "Object"
    : typeof actual;
  const but = given === wanted
    ? ""
    : given === "function"
    ? " but was not an instanced object"
    : ` but was "${given}"`;
  throw new AssertionError(
    `Expected object to be an instance of "${wanted}"${but}${end(msg)}`,
  );
}

/** Assert that a value is an error of a class with a message that matches. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: abstract new (...args: any[]) => E,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(
      `Expected "error" to be an Error object${end(msg)}`,
    );
  }
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${ErrorClass.name}", but was "${error.constructor?.name}"${
        end(msg)
      }`,
    );
  }
  if (!msgMatches) return;
  const text = stripVTControlCharacters(error.message);
  const matches = typeof msgMatches === "string"
    ? text.includes(stripVTControlCharacters(msgMatches))
    : msgMatches.test(text);
  if (matches) return;
  const wanted = typeof msgMatches === "string" ? JSON.stringify(msgMatches) : String(msgMatches);
  throw new AssertionError(
    `Expected error message to include ${wanted}, but got ${JSON.stringify(error.message)}${
      end(msg)
    }`,
  );
}

/** The arguments after the function of assertThrows and assertRejects. */
type Expectation<E extends Error> = [
  errorClassOrMsg?: AnyClass<E> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
];

/** The same arguments by name: (msg) or (class, part of the message, msg). */
function expectation<E extends Error>(
  [first, second, third]: Expectation<E>,
): { type?: AnyClass<E>; includes?: string; msg?: string } {
  return typeof first === "string" ? { msg: first } : { type: first, includes: second, msg: third };
}

/** Assert that a function throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Assert that a function throws an error of a class; returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ...rest: Expectation<E>
): unknown {
  const { type, includes, msg } = expectation(rest);
  try {
    fn();
  } catch (error) {
    if (type) {
      if (!(error instanceof Error)) {
        throw new AssertionError(`A non-Error object was thrown${end(msg)}`);
      }
      assertIsError(error, type, includes, msg);
    }
    return error;
  }
  throw new AssertionError(`Expected function to throw${end(msg)}`);
}

/** Assert that the promise of a function rejects; returns the reason. */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/** Assert that the promise rejects with an error of a class; returns it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ...rest: Expectation<E>
): Promise<unknown> {
  const { type, includes, msg } = expectation(rest);
  const notPromised = () =>
    new AssertionError(`Function throws when expected to reject${end(msg)}`);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch {
    throw notPromised();
  }
  if (typeof promise?.then !== "function") throw notPromised();
  try {
    await promise;
  } catch (error) {
    if (type) {
      if (!(error instanceof Error)) {
        throw new AssertionError(`A non-Error object was rejected${end(msg)}`);
      }
      assertIsError(error, type, includes, msg);
    }
    return error;
  }
  throw new AssertionError(`Expected function to reject${end(msg)}`);
}
