/**
 * Where an operation finds its fast version.
 *
 * `functional.ts` and `optim.ts` write each operation as its formula (the reference) and wrap it with {@link fused}. An
 * engine hands in its kernels, backend by backend, with {@link registerKernels}. At each call the backend that is
 * active decides which of the two runs; a backend without a kernel of that name runs the formula.
 */
import { engine } from "@tensorflow/tfjs-core";

// deno-lint-ignore no-explicit-any
type Operation = (...args: any[]) => any;

/** Kernels by operation name. A kernel has its reference's signature and result, and may call the reference. */
export type KernelTable = Record<string, Operation>;

const tables: Record<string, KernelTable> = {};

/**
 * Is told of each outermost call of a fused operation: its name, its arguments and its result. One listener at most;
 * `undefined` (the default) costs one comparison a call.
 */
export const observer: {
  current?: (name: string, args: unknown[], result: unknown) => void;
} = {};

/**
 * Adds kernels for a tfjs backend; a later entry replaces an earlier one of the same name.
 *
 * @param backendName Name under which the backend is registered with tfjs, such as "engine" or "webgpu".
 * @param table Kernels by the names given to {@link fused}.
 */
export function registerKernels(backendName: string, table: KernelTable): void {
  tables[backendName] = { ...tables[backendName], ...table };
}

/**
 * Makes an operation that runs the active backend's kernel of this name, or else `reference`, which is also its
 * property of that name: `gelu.reference(x)` is the formula on any backend.
 *
 * @param name Name of the operation, as in a kernel table.
 * @param reference The formula; its signature is the operation's.
 */
export function fused<F extends Operation>(name: string, reference: F): F & { reference: F } {
  const operation = (...args: Parameters<F>): ReturnType<F> => {
    const kernel = tables[engine().backendName]?.[name] ?? reference;
    const listen = observer.current;
    if (listen === undefined) return kernel(...args);
    observer.current = undefined; // the operations inside belong to this one
    try {
      const result = kernel(...args);
      listen(name, args, result);
      return result;
    } finally {
      observer.current = listen;
    }
  };
  return Object.assign(operation as F, { reference });
}
