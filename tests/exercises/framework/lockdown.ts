/**
 * Closes what the checker itself relies on, before a student's file is loaded: from then on nobody
 * changes the language's own objects, a tensor's methods or the checker's classes in this process.
 */
import * as tf from "@tensorflow/tfjs";
import { Check } from "./check.ts";
import { Failure } from "./report.ts";

/** The language's objects by name: what they hold, and what their instances inherit. */
const names = [
  "Array",
  "ArrayBuffer",
  "BigInt",
  "Boolean",
  "DataView",
  "Date",
  "Error",
  "Float32Array",
  "Float64Array",
  "Int32Array",
  "Iterator",
  "JSON",
  "Map",
  "Math",
  "Number",
  "Object",
  "Promise",
  "Proxy",
  "RangeError",
  "Reflect",
  "RegExp",
  "Set",
  "String",
  "Symbol",
  "TypeError",
  "Uint8Array",
  "WeakMap",
  "isFinite",
  "isNaN",
  "parseFloat",
  "parseInt",
  "structuredClone",
] as const;

/** The prototypes that have no name of their own: of typed arrays, iterators and generators. */
function nameless(): object[] {
  const parent = Object.getPrototypeOf;
  const iterators = [[].values(), new Map().entries(), new Set().values(), "".matchAll(/./g)];
  const generators = [function* () {}, async function* () {}, async () => {}].map(parent);
  return [
    parent(Uint8Array),
    parent(Uint8Array).prototype,
    ...iterators.map(parent),
    ...generators,
    ...generators.map((f) => f.prototype).filter(Boolean),
  ];
}

/** Freezes them all. It cannot be undone: what runs in this process afterwards lives with it. */
export function lockDown(): void {
  const world = globalThis as unknown as Record<string, { prototype?: object }>;
  // An object's own toString() and the like can still be set, which libraries do: see below.
  const inherited = [Object.prototype, Function.prototype];
  for (const prototype of [...inherited, Error.prototype]) keepOverridable(prototype);
  const objects: object[] = names.flatMap((name) =>
    [world[name], world[name].prototype].filter((x) => x !== undefined)
  );
  const classes = [tf.Tensor, tf.Variable, Check, Failure];
  for (const each of [...objects, ...nameless(), ...inherited]) Object.freeze(each);
  for (const each of classes) [each, each.prototype].forEach(Object.freeze);
  for (const name of names) {
    Object.defineProperty(globalThis, name, { writable: false, configurable: false });
  }
  [tf.engine(), tf.backend()].forEach(fixMethods);
  // What one file stores here, another would find: they are kept on the disk, by the program's name.
  for (const name of ["localStorage", "sessionStorage", "caches"]) {
    Object.defineProperty(globalThis, name, { value: undefined });
  }
}

/**
 * Makes a prototype's fields ones that cannot be changed, but that an object below can have of its
 * own by assignment; of a frozen field, JavaScript forbids that too.
 */
function keepOverridable(prototype: object): void {
  for (const [name, field] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (!field.configurable || !("value" in field)) continue;
    Object.defineProperty(prototype, name, {
      get: () => field.value,
      set(value) {
        if (this === prototype) throw new TypeError(`Cannot change ${name} of a built-in object`);
        const own = { value, writable: true, enumerable: true, configurable: true };
        Object.defineProperty(this, name, own);
      },
      enumerable: false,
      configurable: false,
    });
  }
}

/** Makes the methods of an object its own for good. */
function fixMethods(object: object): void {
  for (let at = object; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value !== "function" || name === "constructor") continue;
      const own = Object.getOwnPropertyDescriptor(object, name);
      if (own && !own.configurable) continue;
      Object.defineProperty(object, name, { value, writable: false, configurable: false });
    }
  }
}
