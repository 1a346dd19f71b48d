/**
 * Training in mixed precision (Micikevicius et al. 2018), as PyTorch's torch.amp has it: `autocast`
 * rounds the operands of matrix products to float16, and `GradScaler` keeps gradients out of the
 * range where float16 has only 0.
 *
 *     const scaler = new GradScaler();
 *     optimizer.backward(() => scaler.scale(autocast("float16", () => lossOf(model))));
 *     scaler.unscale(optimizer);
 *     const norm = clipGradNorm(optimizer, 1.0);
 *     await scaler.step(optimizer, norm);
 *     scaler.update();
 */
import * as tf from "@tensorflow/tfjs";
import { hasFloat16, operands, type OperandType } from "./engine/precision.ts";
import { fused } from "./engine/registry.ts";
import { UsageError } from "./io/errors.ts";
import { type AnyOptimizer, clipGradNorm } from "./optim.ts";
import { item, type Tensor } from "./tensor.ts";

/**
 * Runs `f`, whose matrix products, those of linear layers and attention, have operands that are
 * rounded to `dtype`. So have the products of its gradients, whenever they are computed. Sums,
 * results, parameters and all other operations stay float32. `f` must not be asynchronous.
 *
 * @throws {UsageError} If the device does not have `dtype`
 */
export function autocast<T>(dtype: string, f: () => T): T {
  checkDtype(dtype);
  const before = operands.dtype;
  operands.dtype = dtype;
  try {
    return f();
  } finally {
    operands.dtype = before;
  }
}

/**
 * Checks that the running device can compute with operands of this type, the value of a flag
 * `--dtype`.
 *
 * @throws {UsageError} If not; it says which device can
 */
export function checkDtype(dtype: string): asserts dtype is OperandType {
  const cannot = `Cannot compute with --dtype=${dtype}:`;
  if (dtype !== "float32" && dtype !== "float16") {
    const why = dtype === "bfloat16" ? "WebGPU has no bfloat16, nor has any device here; " : "";
    throw new UsageError(`${cannot} ${why}want float32, or float16 with --device=webgpu`);
  }
  if (dtype === "float32" || hasFloat16()) return;
  throw new UsageError(
    tf.getBackend() === "webgpu"
      ? `${cannot} this adapter lacks shader-f16; use --dtype=float32`
      : `${cannot} only --device=webgpu has it, on adapters with shader-f16; use --dtype=float32`,
  );
}

/**
 * Multiplies gradients by a number. Returns the gradients to use from now on; it takes over those
 * that it is given.
 */
export const scaleGradients = fused(
  "scaleGradients",
  (gradients: Tensor[], factor: number): Tensor[] => {
    const result = gradients.map((g) => tf.mul(g, factor));
    tf.dispose(gradients);
    return result;
  },
);

/** How a {@linkcode GradScaler} chooses its scale. */
export interface GradScalerSettings {
  /** Whether it does anything; otherwise `step` is the optimiser's. */
  enabled: boolean;
  /** The scale at first. */
  init_scale: number;
  /**
   * By what it is multiplied after `growth_interval` steps in a row whose gradients were finite.
   */
  growth_factor: number;
  /** By what it is multiplied after a step whose gradients were not. */
  backoff_factor: number;
  growth_interval: number;
}

/** Larger than the norm of any gradients: clipping to it changes nothing. */
const unlimited = 1e30;

/**
 * Scales the loss, and with it all gradients: as large as possible, so that small ones are not
 * rounded to 0, but so that none becomes infinite. Where one did, the step is skipped and the scale
 * falls; it rises again in time.
 */
export class GradScaler {
  /** How many steps were skipped so far. */
  skipped = 0;
  private settings: GradScalerSettings;
  private current: number;
  private growthTracker = 0; // steps in a row with finite gradients
  private unscaled = new Set<AnyOptimizer>(); // since the last update
  private finite?: boolean; // whether all gradients were since then; undefined before a step

  constructor(settings: Partial<GradScalerSettings> = {}) {
    this.settings = {
      enabled: true,
      init_scale: 65536,
      growth_factor: 2,
      backoff_factor: 0.5,
      growth_interval: 2000,
      ...settings,
    };
    this.current = this.settings.init_scale;
  }

  get enabled(): boolean {
    return this.settings.enabled;
  }

  /** The scale of the next loss; 1 if not enabled. */
  getScale(): number {
    return this.enabled ? this.current : 1;
  }

  /** The loss times the scale: its gradients are those of `optimizer.backward`. */
  scale(loss: Tensor): Tensor {
    return this.enabled ? tf.mul(loss, this.current) : loss;
  }

  /**
   * Divides the optimiser's gradients by the scale, for what looks at them before the step, such as
   * clipping.
   *
   * @throws {RangeError} If there are none, or that was done already since the last update
   */
  unscale(optimizer: AnyOptimizer): void {
    if (!this.enabled) return;
    if (this.unscaled.has(optimizer)) {
      throw new RangeError("Cannot unscale gradients twice: call update() after each step");
    }
    const params = [...optimizer.gradients.keys()];
    if (params.length === 0) {
      throw new RangeError("Cannot unscale as there are no gradients: call backward() first");
    }
    const gradients = scaleGradients([...optimizer.gradients.values()], 1 / this.current);
    params.forEach((p, i) => optimizer.gradients.set(p, gradients[i]));
    this.unscaled.add(optimizer);
  }

  /**
   * Updates the parameters if the gradients are finite, and forgets the gradients; unscales them
   * first if that is not done. They are finite if their norm is, the one number that is read back
   * from the device.
   *
   * @param norm The gradients' norm if it is known, from `clipGradNorm`; it stays the caller's to
   *   free
   * @returns Whether the parameters were updated
   */
  async step(optimizer: AnyOptimizer, norm?: Tensor): Promise<boolean> {
    if (!this.enabled) {
      optimizer.step();
      return true;
    }
    if (!this.unscaled.has(optimizer)) this.unscale(optimizer);
    const own = norm ? undefined : clipGradNorm(optimizer, unlimited);
    const finite = Number.isFinite(await item(norm ?? own!));
    own?.dispose();
    if (finite) optimizer.step();
    else {
      optimizer.zeroGrad();
      this.skipped++;
    }
    this.finite = finite && this.finite !== false;
    return finite;
  }

  /**
   * Chooses the scale of the next steps.
   *
   * @throws {RangeError} If there was no step since the last time
   */
  update(): void {
    if (!this.enabled) return;
    if (this.finite === undefined) {
      throw new RangeError("Cannot update the loss scale: call step() first");
    }
    const { growth_factor, backoff_factor, growth_interval } = this.settings;
    if (!this.finite) {
      this.current = Math.fround(this.current * backoff_factor);
      this.growthTracker = 0;
    } else if (++this.growthTracker === growth_interval) {
      const grown = Math.fround(this.current * growth_factor);
      if (Number.isFinite(grown)) this.current = grown;
      this.growthTracker = 0;
    }
    this.unscaled.clear();
    this.finite = undefined;
  }

  /** What a checkpoint needs to go on; nothing if not enabled. */
  stateDict(): GradScalerState {
    const { current, growthTracker, skipped } = this;
    return this.enabled ? { scale: current, growth_tracker: growthTracker, skipped } : {};
  }

  /** Goes on from a state; an empty one leaves the scaler as it is. */
  loadStateDict({ scale, growth_tracker, skipped }: GradScalerState): void {
    this.current = scale ?? this.current;
    this.growthTracker = growth_tracker ?? this.growthTracker;
    this.skipped = skipped ?? this.skipped;
  }
}

/** The state of a {@linkcode GradScaler}. */
export interface GradScalerState {
  scale?: number;
  growth_tracker?: number;
  skipped?: number;
}
