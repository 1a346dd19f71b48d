/**
 * Where an operation finds its fast version.
 *
 * `functional.ts`, `optim.ts` and `amp.ts` write each operation as its formula (the reference) and
 * wrap it with {@link fused}. An engine hands in its kernels, backend by backend, with {@link
 * registerKernels}. At each call the active backend decides which of the two runs: its kernel or,
 * if it has none of that name or the kernel declines, the formula.
 */
import { engine } from "@tensorflow/tfjs-core";

// Operations of any signature: `unknown` would not take them, as parameters are contravariant.
// deno-lint-ignore no-explicit-any
type Operation = (...args: any[]) => any;

/**
 * A kernel has its operation's signature and result. It declines a call that it cannot do (a data
 * type, an empty tensor, another axis) by returning undefined before it has changed anything. One
 * of an operation without a result returns true.
 */
// deno-lint-ignore no-explicit-any
export type Kernel = (...args: any[]) => NonNullable<unknown> | undefined;

/** Kernels by operation name. */
export type KernelTable = Record<string, Kernel>;

const tables: Record<string, KernelTable> = {};

/**
 * Is told of each outermost call of a fused operation: its name, its arguments and its result. One
 * listener at most; `undefined` (the default) costs one comparison a call.
 */
export const observer: {
  current?: (name: string, args: unknown[], result: unknown) => void;
} = {};

/**
 * Adds kernels for a tfjs backend; a later entry replaces an earlier one of the same name.
 *
 * @param backendName Name under which the backend is registered with tfjs: "engine" or "webgpu"
 * @param table Kernels by the names given to {@link fused}
 */
export function registerKernels(backendName: string, table: KernelTable): void {
  tables[backendName] = { ...tables[backendName], ...table };
}

/**
 * Makes an operation that runs the active backend's kernel of this name or else `reference`, which
 * is also its property of that name: `gelu.reference(x)` is the formula on any backend.
 *
 * @param name Name of the operation, as in a kernel table
 * @param reference The formula; its signature is the operation's
 */
export function fused<F extends Operation>(name: string, reference: F): F & { reference: F } {
  const run = (args: Parameters<F>): ReturnType<F> => {
    const kernel = tables[engine().backendName]?.[name];
    return kernel?.(...args) ?? reference(...args);
  };
  const operation = (...args: Parameters<F>): ReturnType<F> => {
    const listen = observer.current;
    if (listen === undefined) return run(args);
    observer.current = undefined; // the operations inside belong to this one
    try {
      const result = run(args);
      listen(name, args, result);
      return result;
    } finally {
      observer.current = listen;
    }
  };
  return Object.assign(operation as F, { reference });
}
