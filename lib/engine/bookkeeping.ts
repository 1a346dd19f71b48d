/**
 * tfjs's bookkeeping of tensors with less work: a small operation takes longer to be written down
 * than to be computed. This works on fields that tfjs calls private, which is why its version is
 * pinned.
 */
import * as tf from "@tensorflow/tfjs-core";

interface Scope {
  id: number;
  track: tf.Tensor[];
}

interface Engine {
  state: {
    activeScope: Scope | null;
    scopeStack: Scope[];
    tensorInfo: WeakMap<Id, unknown> | Infos;
  };
  track(tensor: tf.Tensor): tf.Tensor;
  endScope(result?: tf.TensorContainer): void;
}

type Id = object & { info?: unknown; block?: unknown };

/**
 * What tfjs's engine knows of a tensor's data, as a field of the data's id instead of an entry in a
 * WeakMap.
 */
class Infos {
  constructor(readonly earlier: WeakMap<Id, unknown>) {}

  get(id: Id): unknown {
    return id.info ?? this.earlier.get(id);
  }
  set(id: Id, info: unknown): void {
    id.info = info;
  }
  has(id: Id): boolean {
    return id.info !== undefined || this.earlier.has(id);
  }
  delete(id: Id): void {
    id.info = undefined;
    this.earlier.delete(id);
  }
}

/** What one backend knows of a tensor's data, likewise. */
class Blocks {
  get(id: Id): unknown {
    return id.block;
  }
  set(id: Id, block: unknown): void {
    id.block = block;
  }
  has(id: Id): boolean {
    return id.block !== undefined;
  }
  delete(id: Id): boolean {
    const had = id.block !== undefined;
    id.block = undefined;
    return had;
  }
}

/**
 * Makes the engine quick; `backend` is the one whose blocks become fields of the ids, before it has
 * any.
 */
export function quicken(backend: tf.KernelBackend): void {
  (backend as unknown as { data: { data: unknown } }).data.data = new Blocks();
  const engine = tf.engine() as unknown as Engine;
  const { tensorInfo } = engine.state;
  if (tensorInfo instanceof Infos) return;
  engine.state.tensorInfo = new Infos(tensorInfo);
  const endScope = engine.endScope;
  // The scope of an operation, like most others, ends with one tensor: there is nothing to search.
  engine.endScope = function (result) {
    if (!(result instanceof tf.Tensor)) return endScope.call(this, result);
    const { state } = this;
    const { id, track } = state.activeScope!;
    for (const tensor of track) if (tensor !== result && !tensor.kept) tensor.dispose();
    state.scopeStack.pop();
    state.activeScope = state.scopeStack.at(-1) ?? null;
    if (!result.kept && result.scopeId === id) this.track(result);
  };
}
