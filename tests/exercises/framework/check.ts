/** What a check can ask of a student's file, and what it says if the answer is not right. */
import type * as tf from "@tensorflow/tfjs";
import { countProducts } from "./cost.ts";
import type { Language, Text } from "./language.ts";
import { Failure, type Stage } from "./report.ts";
import { texts } from "./texts.ts";
import {
  differentShape,
  type Flat,
  flatten,
  isClose,
  show,
  showShape,
  type Values,
} from "./values.ts";

/**
 * What a mistake would give: the values, a function without parameters that works them out, or a function of what was
 * received (its values in one list, its shape) that recognises the mistake.
 */
export type Suspect =
  // deno-lint-ignore no-explicit-any
  | ((data: any[], shape?: number[]) => Values)
  | number
  | string
  | boolean
  | undefined
  | ArrayLike<unknown>
  | tf.Tensor
  | Record<string, unknown>;

/** A comparison. */
export interface Expectation<D extends string> {
  /** What is looked at, as a student would write it: `forward(x)[0]`. */
  what: string;
  /** Calls the student's code. */
  got: () => unknown;
  /** What it is to give. */
  want: Values;
  /** What went in: seed and shapes, or the values. */
  input?: string;
  stage?: "value" | "gradient";
  /** Absolute and relative; 1e-4 by default. */
  tolerance?: number;
  /** Typical mistakes, by the names of the exercise's diagnoses. The first that fits is reported. */
  suspects?: { [K in D]?: Suspect };
  /** The diagnosis if none of the suspects fits. */
  otherwise?: D;
}

/** Passed to the `check` of an exercise. */
export class Check<D extends string = string> {
  readonly #exports: Record<string, unknown>;
  readonly #diagnoses: Record<string, { means: Text }>;
  readonly #file: { url: string; shown: string };
  readonly #language: Language;

  constructor(
    exports: Record<string, unknown>,
    diagnoses: Record<string, { means: Text }>,
    file: { url: string; shown: string },
    language: Language,
  ) {
    this.#exports = exports;
    this.#diagnoses = diagnoses;
    this.#file = file;
    this.#language = language;
  }

  get #texts() {
    return texts[this.#language];
  }

  /** The exports of the student's file with these names. */
  exports<T>(...names: (keyof T & string)[]): T {
    for (const name of names) {
      if (this.#exports[name] === undefined) {
        throw new Failure({
          stage: "missing export",
          message: this.#texts.missing(name, this.#file.shown),
          means: this.#texts.unknownMissing,
        });
      }
    }
    return this.#exports as T;
  }

  /** Calls the student's code; what it throws ends the check with the place in the student's file. */
  async run<T>(what: string, f: () => T | Promise<T>, input?: string): Promise<T> {
    try {
      return await f();
    } catch (error) {
      throw this.#thrown(what, error, input);
    }
  }

  #thrown(what: string, error: unknown, input?: string): Failure {
    if (error instanceof Failure) return error;
    const { name, message, isOverflow } = describe(error);
    if (message.startsWith("TODO ")) {
      return new Failure({
        stage: "not started",
        message: this.#texts.notStarted,
        means: this.#texts.unknownStart,
      });
    }
    const place = placeIn(this.#file, error);
    return new Failure({
      stage: "throws",
      message: this.#texts.throws(what, `${name}: ${message.split("\n")[0]}`) +
        (place ? this.#texts.at(place) : ""),
      input,
      means: isOverflow ? this.#texts.unknownEndless : this.#texts.unknownThrow,
    });
  }

  /** Fails unless the student's code gives these values. */
  async equal(expectation: Expectation<D>): Promise<void> {
    const { what, got, want, input, stage = "value", tolerance = 1e-4 } = expectation;
    const received = await this.run(what, async () => await flatten(await got()), input);
    const expected = await flatten(want);
    const t = this.#texts;
    const fail = async (stage: Stage, message: string, otherwise: string, detail?: string) => {
      const { diagnosis, means } = await this.#diagnose(received, expectation) ??
        { diagnosis: undefined, means: otherwise };
      throw new Failure({ stage, message, detail, input, diagnosis, means });
    };
    const index = (path: string) => path === "" ? "" : t.at(path);

    const shape = differentShape(received, expected, t);
    if (shape) {
      await fail("shape", t.wrongShape(what, shape.expected, shape.received), t.unknownShape);
    }
    const { leaves } = expected;
    const nan = leaves.findIndex(({ value }, i) =>
      Number.isFinite(value) && typeof received.leaves[i].value === "number" &&
      !Number.isFinite(received.leaves[i].value)
    );
    if (nan >= 0) {
      const { path, value } = received.leaves[nan];
      await fail("NaN", t.nan(what, index(path), show(value)), t.unknownNaN);
    }
    const different = leaves.map((leaf, i) => [leaf.value, received.leaves[i].value, i] as const)
      .filter(([e, r]) => !isClose(r, e, tolerance));
    if (different.length > 0) {
      const [e, r, i] = different[0];
      const message = stage === "gradient" ? t.wrongGradient : t.wrongValue;
      await fail(
        stage,
        message(what, index(leaves[i].path), show(e), show(r)),
        this.#generalMistake(received, expected, tolerance),
        leaves.length > 1
          ? t.differ(
            showShape(expected, t),
            different.length,
            leaves.length,
            String(tolerance).replace("0.0001", "1e-4"),
          )
          : undefined,
      );
    }
  }

  /** Fails if a condition on the student's results does not hold; says what was expected and what received. */
  that(
    holds: boolean,
    { what, expected, received, input, stage = "value", diagnosis }: {
      what: string;
      expected: unknown;
      received: unknown;
      input?: string;
      stage?: "value" | "gradient" | "shape" | "cost";
      diagnosis: D;
    },
  ): void {
    if (holds) return;
    const t = this.#texts;
    const messages = {
      shape: t.wrongShape,
      cost: t.cost,
      value: (what: string, e: string, r: string) => t.wrongValue(what, "", e, r),
      gradient: (what: string, e: string, r: string) => t.wrongGradient(what, "", e, r),
    };
    throw new Failure({
      stage,
      message: messages[stage](what, show(expected), show(received)),
      input,
      ...this.#named(diagnosis),
    });
  }

  /**
   * Fails if the matrix products in the student's code need more than `most` multiplications, or if there are more than
   * `most` of them; returns the code's result.
   */
  async cost<T>(
    { what, got, most, unit = "multiplications", input, diagnosis }: {
      what: string;
      got: () => T | Promise<T>;
      most: number;
      unit?: "multiplications" | "products";
      input?: string;
      diagnosis: D;
    },
  ): Promise<T> {
    const { result, ...counts } = await countProducts(() => this.run(what, got, input));
    if (counts[unit] > most) {
      const name = this.#texts[unit];
      throw new Failure({
        stage: "cost",
        message: this.#texts.cost(what, `${most} ${name}`, `${counts[unit]} ${name}`),
        input,
        ...this.#named(diagnosis),
      });
    }
    return result;
  }

  #named(diagnosis: string) {
    return { diagnosis, means: this.#diagnoses[diagnosis].means[this.#language] };
  }

  async #diagnose(received: Flat, { suspects = {}, otherwise, tolerance = 1e-4 }: Expectation<D>) {
    const data = received.leaves.map(({ value }) => value);
    for (const [name, suspect] of Object.entries(suspects) as [D, Suspect][]) {
      if (typeof suspect === "function" && suspect.length > 0) {
        if (suspect(data, received.shape)) return this.#named(name);
        continue;
      }
      const mistake = await flatten(
        typeof suspect === "function" ? await (suspect as () => Values)() : suspect,
      );
      const same = !differentShape(received, mistake, this.#texts) &&
        mistake.leaves.every(({ value }, i) => isClose(received.leaves[i].value, value, tolerance));
      if (same) return this.#named(name);
    }
    return otherwise && this.#named(otherwise);
  }

  /** A mistake that shows in any numbers. */
  #generalMistake(received: Flat, expected: Flat, tolerance: number): string {
    const t = this.#texts;
    const e = expected.leaves.map(({ value }) => value);
    const r = received.leaves.map(({ value }) => value);
    if (![...e, ...r].every((x) => typeof x === "number")) return t.unknown;
    const [want, have] = [e as number[], r as number[]];
    const all = (f: (x: number, i: number) => number) =>
      want.every((x, i) => isClose(have[i], f(x, i), tolerance));
    const largest = want.reduce((best, x, i) => Math.abs(x) > Math.abs(want[best]) ? i : best, 0);
    if (want.some((x) => x !== 0) && all((x) => -x)) return t.sign;
    const factor = have[largest] / want[largest];
    if (have.length > 1 && Number.isFinite(factor) && factor !== 0 && all((x) => x * factor)) {
      return t.factor(show(factor));
    }
    const offset = have[0] - want[0];
    if (have.length > 1 && all((x) => x + offset)) return t.offset(show(offset));
    if (expected.shape?.length === 2 && expected.shape[0] === expected.shape[1]) {
      const n = expected.shape[0];
      if (all((_, i) => want[(i % n) * n + Math.floor(i / n)])) return t.transposed;
    }
    return t.unknown;
  }
}

/** Name and message of what was thrown, whatever it is: a student's error can throw when it is read. */
export function describe(error: unknown) {
  try {
    const isError = error instanceof Error;
    const message = String(isError ? error.message : error);
    const isOverflow = error instanceof RangeError && /call stack/i.test(message);
    return { name: String(isError ? error.name : typeof error), message, isOverflow };
  } catch {
    return { name: "Error", message: "an error that cannot be read", isOverflow: false };
  }
}

/** `my/name.ts:12:5` if the error comes from there. */
export function placeIn(file: { url: string; shown: string }, error: unknown): string | undefined {
  let text = "";
  try {
    if (error instanceof Error) text = `${error.message}\n${error.stack}`;
  } catch {
    return undefined;
  }
  const at = text.indexOf(file.url);
  const place = at < 0 ? undefined : /^[^:]*(:\d+:\d+)/.exec(text.slice(at + file.url.length));
  return place ? file.shown + place[1] : undefined;
}
