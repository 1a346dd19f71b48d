/**
 * What our WebGPU kernels are written with: tensors to bind, and the launch. tfjs's
 * `runWebGPUProgram` has one output and read-only inputs; here a kernel may have several outputs
 * and change tensors in place. This works on fields that tfjs calls private, which is why its
 * version is pinned.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Backend } from "./backend.ts";

type Tensor = tf.Tensor;
type Info = tf.TensorInfo;
type WgslType = "f32" | "i32" | "u32" | "vec4f";

/** A tensor as a kernel sees it. */
interface Binding {
  tensor: Info;
  type: WgslType;
  access: "read" | "read_write";
}

/** A number that a kernel gets with each launch. */
interface Uniform {
  type: WgslType;
  value: number;
}

const wgslType = (t: Info): WgslType => t.dtype === "float32" ? "f32" : "i32";

/** A tensor that a kernel reads; booleans are i32, as tfjs stores them. */
export const read = (tensor: Info, type = wgslType(tensor)): Binding => ({
  tensor,
  type,
  access: "read",
});
/** A tensor that a kernel writes, or changes in place. */
export const write = (tensor: Info, type = wgslType(tensor)): Binding => ({
  tensor,
  type,
  access: "read_write",
});
/** A whole number from 0 on that a kernel gets as an argument. */
export const u32 = (value: number): Uniform => ({ type: "u32", value });
/** A number that a kernel gets as an argument. */
export const f32 = (value: number): Uniform => ({ type: "f32", value });

/** A kernel and what it works on. */
export interface Launch {
  /** The operation, for error messages. */
  name: string;
  /**
   * All that `globals` and `body` depend on beside the names and types of the buffers and uniforms.
   */
  variant?: string;
  /** Whether the WGSL has numbers of float16, which needs a device with shader-f16. */
  half?: boolean;
  /** Tensors by the names that the kernel calls them. An empty tensor cannot be bound. */
  buffers: Record<string, Binding>;
  /** Numbers by name; the kernel reads them as `u.name`. */
  uniforms?: Record<string, Uniform>;
  /** Threads in a workgroup: at most 256, which every adapter offers. */
  threads: number;
  /** How many workgroups. There may be a few more: the kernel returns if `group` is too large. */
  groups: number;
  /** WGSL at the level of the module: functions, workgroup memory. */
  globals?: () => string;
  /** WGSL of the kernel: `group` is the workgroup, `t` the thread in it, `i` the thread in all. */
  body: () => string;
}

interface Internals {
  commandQueueOwnedIds: WeakSet<object>;
  commandEncoder: GPUCommandEncoder;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
}

/** What launches on a device made that later ones use again, by all that it depends on. */
interface Cache {
  pipelines: Map<string, GPUComputePipeline>;
  uniforms: Map<string, GPUBuffer>;
}
const caches = new WeakMap<GPUDevice, Cache>();

function cacheOf(device: GPUDevice): Cache {
  let cache = caches.get(device);
  if (!cache) caches.set(device, cache = { pipelines: new Map(), uniforms: new Map() });
  return cache;
}

/** The backend, while it is the active one. */
export function backend(): Backend {
  return tf.engine().backend as Backend;
}

/** How many tensors one kernel may use, at most 32. */
export function maxBuffers(): number {
  return Math.min(backend().device.limits.maxStorageBuffersPerShaderStage, 32);
}

/** A tensor for a kernel to write. */
export function empty(shape: number[], dtype: "float32" | "int32" = "float32"): Tensor {
  return tf.engine().makeTensorFromTensorInfo(backend().makeTensorInfo(shape, dtype), backend());
}

/** Records a kernel; it runs with the next ones, at the latest when a value is read. */
export function launch(kernel: Launch): void {
  const gpu = backend();
  gpu.launching(kernel.name, () => {
    const bindings = Object.values(kernel.buffers);
    for (const { tensor } of bindings) gpu.uploadToGPU(tensor.dataId);
    for (const { tensor, access } of bindings) {
      if (access === "read_write") gpu.changed(tensor.dataId);
    }
    const resources: GPUBuffer[] = bindings.map(({ tensor }) =>
      gpu.tensorMap.get(tensor.dataId)!.resource as GPUBuffer
    );
    const internals = gpu as unknown as Internals;
    const uniforms = Object.values(kernel.uniforms ?? {});
    if (uniforms.length) resources.push(uniformBuffer(gpu.device, uniforms));
    const pipeline = pipelineOf(gpu.device, kernel);
    const bindGroup = gpu.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: resources.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    for (const { tensor } of bindings) internals.commandQueueOwnedIds.add(tensor.dataId);
    gpu.ensureCommandEncoderReady();
    internals.computePassEncoder ??= internals.commandEncoder.beginComputePass();
    internals.computePassEncoder.setPipeline(pipeline);
    internals.computePassEncoder.setBindGroup(0, bindGroup);
    const limit = gpu.device.limits.maxComputeWorkgroupsPerDimension;
    const x = Math.min(kernel.groups, limit);
    internals.computePassEncoder.dispatchWorkgroups(x, Math.ceil(kernel.groups / x));
    gpu.dispatches++;
    if (
      ++internals.dispatchCountInPass >= tf.env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE")
    ) {
      gpu.endComputePassEncoder();
      gpu.submitQueue();
    }
  });
}

/**
 * A buffer with the numbers. Most launches have the numbers of an earlier one, and so its buffer:
 * none is written twice.
 */
function uniformBuffer(device: GPUDevice, uniforms: Uniform[]): GPUBuffer {
  const data = new DataView(new ArrayBuffer(4 * uniforms.length));
  uniforms.forEach(({ type, value }, i) => {
    if (type === "f32") data.setFloat32(4 * i, value, true);
    else data.setUint32(4 * i, value, true); // also two's complement for i32
  });
  const { uniforms: cache } = cacheOf(device);
  const key = new Uint32Array(data.buffer).join();
  let buffer = cache.get(key);
  if (!buffer) {
    if (cache.size >= 1000) cache.clear(); // numbers that change with every step
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    buffer = device.createBuffer({ size: data.byteLength, usage });
    device.queue.writeBuffer(buffer, 0, data.buffer);
    cache.set(key, buffer);
  }
  return buffer;
}

function pipelineOf(device: GPUDevice, kernel: Launch): GPUComputePipeline {
  const { pipelines: cache } = cacheOf(device);
  const { name, variant = "", half = false, buffers, uniforms = {}, threads } = kernel;
  const signature = Object.entries(buffers).map(([name, b]) => `${name}:${b.type}:${b.access}`);
  const key = `${name}|${variant}|${half}|${threads}|${signature}|${Object.keys(uniforms)}`;
  let pipeline = cache.get(key);
  if (!pipeline) {
    const module = device.createShaderModule({ label: name, code: source(kernel) });
    pipeline = device.createComputePipeline({
      label: name,
      layout: "auto",
      compute: { module, entryPoint: "main" },
    });
    cache.set(key, pipeline);
  }
  return pipeline;
}

function source({ half, buffers, uniforms = {}, threads, globals, body }: Launch): string {
  const bindings = Object.entries(buffers).map(([name, { type, access }], i) =>
    `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${type}>;`
  );
  const fields = Object.entries(uniforms).map(([name, { type }]) => `${name}: ${type},`);
  return `${half ? "enable f16;" : ""}
${bindings.join("\n")}
${
    fields.length
      ? `struct Uniforms { ${fields.join(" ")} }
@group(0) @binding(${bindings.length}) var<uniform> u: Uniforms;`
      : ""
  }
${globals?.() ?? ""}
@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) t: u32,
) {
  let group = workgroup.y * workgroups.x + workgroup.x;
  let i = group * ${threads}u + t;
${body()}
}`;
}

/** Lines of WGSL for 0 to n - 1, which a loop would leave in slow indexed registers. */
export function unroll(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join("\n");
}
