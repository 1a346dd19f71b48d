/**
 * tfjs's WebGPU backend with errors that end the run. WebGPU reports an invalid operation, a faulty
 * shader, exhausted memory or a lost device by events, after the call that caused it has returned,
 * and goes on with zeros; tfjs listens to none of them. Here the first one is remembered, and the
 * next operation or reading of a value throws it.
 */
import { util } from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { InputError } from "../../io/errors.ts";

type Program = Parameters<WebGPUBackend["runWebGPUProgram"]>;
type TensorInfo = Program[1][number];

/**
 * A buffer of more bytes than this is made under an error scope, which tells what it was for if
 * memory runs out.
 */
const largeBuffer = 1 << 20;

const remedy = "use a smaller batch or model, or --device=cpu";

/** The backend: see the head of this file. */
export class Backend extends WebGPUBackend {
  /** How many kernels have been launched so far. */
  dispatches = 0;
  /** Why the device cannot go on, once it cannot. */
  failure?: InputError;
  /** The operation whose kernel is being launched. */
  operation = "";
  /** How often a kernel has changed a tensor in place. */
  private versions = new WeakMap<object, number>();
  private errors: string[] = [];
  private checks = new Set<Promise<void>>();

  constructor(device: GPUDevice, info: GPUAdapterInfo) {
    super(device, info);
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // otherwise it ends the process with a stack trace
      this.record((event as GPUUncapturedErrorEvent).error);
    });
    device.lost.then(({ message }) => {
      this.failure ??= new InputError(
        `Lost the WebGPU device${
          message ? `: ${oneLine(message)}` : ""
        }; start again, or use --device=cpu`,
      );
    });
    // The messages of WebGPU name an object by its label: let it be the operation.
    device.createBindGroup = (descriptor) =>
      GPUDevice.prototype.createBindGroup.call(device, { label: this.operation, ...descriptor });
    device.createBuffer = (descriptor) => this.createBuffer(descriptor);
  }

  /** Throws the error that the device reported, if it did. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /**
   * Notes that a kernel writes a tensor that exists, so that a copy of its old values is not taken
   * for it.
   */
  changed(dataId: object): void {
    this.versions.set(dataId, this.version(dataId) + 1);
    this.tensorMap.get(dataId)!.values = null!;
  }

  private version(dataId: object): number {
    return this.versions.get(dataId) ?? 0;
  }

  override async read(dataId: object): ReturnType<WebGPUBackend["read"]> {
    const version = this.version(dataId);
    try {
      this.check();
      const values = await super.read(dataId);
      await Promise.all(this.checks);
      if (this.version(dataId) !== version) this.tensorMap.get(dataId)!.values = null!;
      this.check();
      return values;
    } catch (error) {
      // A lost device rejects the reading first and says why afterwards.
      if (!this.failure) await new Promise((resolve) => setTimeout(resolve, 100));
      this.check();
      throw this.wrap(error, "reading a tensor");
    }
  }

  override uploadToGPU(dataId: object): void {
    const data = this.tensorMap.get(dataId)!;
    const { shape, dtype, resource, values } = data;
    if (resource || dtype === "string") return super.uploadToGPU(dataId);
    const bytes = 4 * util.sizeFromShape(shape);
    const limit = this.device.limits.maxStorageBufferBindingSize;
    if (bytes > limit) {
      throw new InputError(
        `Cannot hold a tensor of shape (${
          shape.join(", ")
        }) in "${this.operation}" on the WebGPU device: it takes ${
          megabytes(bytes)
        } and the adapter allows ${megabytes(limit)} for one tensor; ${remedy}`,
      );
    }
    if (!values) return super.uploadToGPU(dataId);
    // tfjs writes into a mapped buffer, whose memory Deno reads first: a graphics card gives it 25 MB
    // a second.
    const buffer = this.bufferManager.acquireBuffer(
      bytes,
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    );
    const Numbers = dtype === "float32" ? Float32Array : Int32Array;
    const numbers = values instanceof Numbers ? values : new Numbers(values as ArrayLike<number>);
    this.queue.writeBuffer(buffer, 0, numbers as Float32Array<ArrayBuffer>);
    data.resource = buffer;
    data.values = null!; // they are not needed twice
  }

  override runWebGPUProgram(...args: Program): TensorInfo {
    return this.launching(args[0].constructor.name.replace(/Program$/, ""), () => {
      const output = super.runWebGPUProgram(...args);
      if (util.sizeFromShape(output.shape) > 0) this.dispatches++;
      return output;
    });
  }

  /** Runs `f`, which launches a kernel, under the name of its operation. */
  launching<T>(operation: string, f: () => T): T {
    this.check();
    this.operation = operation;
    try {
      return f();
    } catch (error) {
      throw this.wrap(error, `"${operation}"`);
    }
  }

  /**
   * An error that WebGPU throws (it does where memory cannot be reached any more) as one line;
   * others as they are.
   */
  private wrap(error: unknown, where: string): unknown {
    if (!(error instanceof DOMException)) return error;
    return this.failure ??= new InputError(
      `Lost the WebGPU device or its memory in ${where} (${
        oneLine(error.message)
      }); start again, or use --device=cpu`,
    );
  }

  private createBuffer(descriptor: GPUBufferDescriptor): GPUBuffer {
    const create = () => GPUDevice.prototype.createBuffer.call(this.device, descriptor);
    if (descriptor.size < largeBuffer) return create();
    const { operation } = this;
    this.device.pushErrorScope("out-of-memory");
    try {
      return create();
    } catch (error) { // as where the memory is to be filled at once and there is none
      this.outOfMemory(operation, descriptor.size);
      throw this.failure ?? error;
    } finally {
      const checked: Promise<void> = this.device.popErrorScope()
        .then((error) => {
          if (error) this.outOfMemory(operation, descriptor.size);
        }, () => {}) // the device is lost, which is reported by itself
        .then(() => void this.checks.delete(checked));
      this.checks.add(checked);
    }
  }

  private record(error: GPUError): void {
    if (error instanceof GPUOutOfMemoryError) return this.outOfMemory(this.operation);
    // The first error is the cause; those that follow from it may be the first to say where.
    this.errors.push(error.message);
    if (this.errors.length > 20) return;
    const labels = this.errors.map((m) => m.match(/(?<=Shader )'[^']+'|'[^']+'(?= label)/)?.[0]);
    const label = labels.find(Boolean)?.slice(1, -1) ?? this.operation;
    const operation = label.replace(/Program$/, "");
    const failure = new InputError(
      `The WebGPU device failed in "${operation}": ${oneLine(this.errors[0])}`,
    );
    if (this.errors.length === 1) this.failure ??= failure;
    else if (this.failure?.message.endsWith(oneLine(this.errors[0]))) this.failure = failure;
  }

  private outOfMemory(operation: string, bytes?: number): void {
    this.failure ??= new InputError(
      `Out of memory on the WebGPU device in "${operation}": ${
        bytes ? `${megabytes(bytes)} more are needed beside ` : ""
      }${megabytes(this.bufferManager.numBytesAllocated)} in use; ${remedy}`,
    );
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
}

/** A message of several lines (a faulty shader shows the place) as one. */
function oneLine(message: string): string {
  return message.trim().replace(/\s*\n\s*/g, " ").replace(/\.$/, "");
}
