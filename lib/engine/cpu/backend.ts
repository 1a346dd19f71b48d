/**
 * The tfjs backend: inherits tfjs's JavaScript backend, and keeps the values of float32, int32 and
 * bool tensors in the engine's memory.
 *
 * A tensor's values are in one of two places. What a kernel of the engine, or the user, made is a
 * block of the memory, and inherited kernels see a view of it. What an inherited kernel made is a
 * JavaScript array, and is copied into the memory when a kernel of the engine first needs it.
 */
import {
  backend_util,
  type DataId,
  type DataType,
  engine as tfjsEngine,
  type TensorInfo,
  util,
} from "@tensorflow/tfjs-core";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import type { EngineMemory } from "./memory.ts";

/** Data types that can live in the memory. */
export type EngineType = "float32" | "int32" | "bool";

type Values = Float32Array | Int32Array | Uint8Array;

/** One tensor's values. */
export class Block {
  refCount = 1;
  complexTensorInfos?: unknown;
  #values: Values | undefined;

  constructor(
    readonly dtype: DataType,
    /** Elements. */
    readonly size: number,
    /** The block in the memory, or 0 while the values are a JavaScript array. */
    public pointer: number,
    private memory: EngineMemory,
    values?: Values,
  ) {
    this.#values = values;
  }

  /** The values, without a copy: valid until the tensor is disposed of. */
  get values(): Values {
    const values = this.#values;
    // A memory that is not shared leaves old views empty when it grows.
    if (values !== undefined && values.length === this.size) return values;
    return this.#values = view(
      this.memory.memory.buffer,
      this.dtype as EngineType,
      this.pointer,
      this.size,
    );
  }

  set values(values: Values) {
    this.#values = values;
  }
}

function view(
  buffer: ArrayBufferLike,
  dtype: EngineType,
  pointer: number,
  size: number,
): Values {
  return dtype === "float32"
    ? new Float32Array(buffer, pointer, size)
    : dtype === "int32"
    ? new Int32Array(buffer, pointer, size)
    : new Uint8Array(buffer, pointer, size);
}

function livesInMemory(dtype: DataType): dtype is EngineType {
  return dtype === "float32" || dtype === "int32" || dtype === "bool";
}

/** The backend that is registered as "engine". */
export class EngineBackend extends MathBackendCPU {
  constructor(readonly heap: EngineMemory) {
    super();
  }

  // The inherited class declares the type of its records more narrowly.
  get #blocks(): {
    get(id: DataId): Block;
    set(id: DataId, value: Block): void;
    has(id: DataId): boolean;
    delete(id: DataId): boolean;
  } {
    // deno-lint-ignore no-explicit-any
    return this.data as any;
  }

  /** Values that come from outside: copied at once, for their array may change. */
  override write(
    values: backend_util.BackendValues,
    shape: number[],
    dtype: DataType,
  ): DataId {
    if (!livesInMemory(dtype) || values == null) {
      return super.write(values, shape, dtype);
    }
    const id = {};
    this.#blocks.set(id, this.#upload(values as Values, shape, dtype));
    return id;
  }

  #upload(values: Values, shape: readonly number[], dtype: EngineType): Block {
    const size = values.length;
    const pointer = this.heap.alloc(
      dtype === "bool" ? size : 4 * size,
      shape,
    );
    const heap = this.heap;
    if (dtype === "float32") heap.f32.set(values, pointer / 4);
    else if (dtype === "int32") heap.i32.set(values, pointer / 4);
    else heap.u8.set(values, pointer);
    return new Block(dtype, size, pointer, heap);
  }

  /** A result of an inherited kernel: stays where it is until it is needed. */
  override makeTensorInfo(
    shape: number[],
    dtype: DataType,
    values?: backend_util.BackendValues | string[],
  ): TensorInfo {
    if (!livesInMemory(dtype) || values == null) {
      return super.makeTensorInfo(shape, dtype, values);
    }
    const dataId = {};
    const array = values as Values;
    // A view of another tensor's block would change when that is reused.
    const shared = !(array.buffer instanceof ArrayBuffer) ||
      array.buffer === this.heap.memory.buffer ||
      array.BYTES_PER_ELEMENT !== (dtype === "bool" ? 1 : 4);
    this.#blocks.set(
      dataId,
      shared
        ? this.#upload(array, shape, dtype)
        : new Block(dtype, array.length, 0, this.heap, array),
    );
    return { dataId, shape, dtype };
  }

  override move(
    dataId: DataId,
    values: backend_util.BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    if (!livesInMemory(dtype)) {
      super.move(dataId, values, shape, dtype, refCount);
      return;
    }
    const block = this.#upload(values as Values, shape, dtype);
    block.refCount = refCount;
    this.#blocks.set(dataId, block);
  }

  override readSync(dataId: DataId): backend_util.BackendValues {
    const { dtype } = this.#blocks.get(dataId);
    if (!livesInMemory(dtype)) return super.readSync(dataId);
    return this.#blocks.get(dataId).values.slice();
  }

  // deno-lint-ignore require-await
  override async read(dataId: DataId): Promise<backend_util.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: DataId, force = false): boolean {
    const blocks = this.#blocks;
    if (!blocks.has(dataId)) return true;
    const block = blocks.get(dataId);
    if (block.dtype === "complex64" || !(block instanceof Block)) {
      return super.disposeData(dataId, force);
    }
    if (--block.refCount > 0 && !force) return false;
    if (block.pointer !== 0) this.heap.free(block.pointer);
    block.pointer = 0;
    blocks.delete(dataId);
    return true;
  }

  /**
   * Where the values of a float32, int32 or bool tensor are in the memory; copies them there if an
   * inherited kernel made them.
   */
  pointer(tensor: TensorInfo): number {
    const block = this.#blocks.get(tensor.dataId);
    if (block.pointer === 0) {
      if (!livesInMemory(block.dtype)) {
        throw new TypeError(`A ${block.dtype} tensor is not in the memory`);
      }
      const copy = this.#upload(block.values, tensor.shape, block.dtype);
      block.pointer = copy.pointer;
      block.values = copy.values;
    }
    return block.pointer;
  }

  /** A tensor whose values the caller fills in: they are undefined now. */
  output(
    shape: number[],
    dtype: EngineType = "float32",
  ): { info: TensorInfo; pointer: number } {
    const size = util.sizeFromShape(shape);
    const pointer = this.heap.alloc(dtype === "bool" ? size : 4 * size, shape);
    const dataId = {};
    this.#blocks.set(dataId, new Block(dtype, size, pointer, this.heap));
    return { info: { dataId, shape, dtype }, pointer };
  }

  /** The same values under another shape; one more reference to them. */
  alias(tensor: TensorInfo, shape: number[]): TensorInfo {
    this.#blocks.get(tensor.dataId).refCount++;
    return { dataId: tensor.dataId, shape, dtype: tensor.dtype };
  }

  override memory(): { unreliable: boolean; reasons: string[] } {
    // tfjs adds the counts of tensors and bytes, which are exact here.
    return { unreliable: false, reasons: [] };
  }

  /** The tensor of a result; for code that runs outside of a tfjs kernel. */
  tensor(info: TensorInfo) {
    return tfjsEngine().makeTensorFromTensorInfo(info, this);
  }
}
