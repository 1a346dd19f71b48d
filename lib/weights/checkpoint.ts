/**
 * Weights in files: state dicts that are saved here open in PyTorch
 * (`safetensors.torch.load_file`), and files from there open here.
 * The format itself is in safetensors.ts.
 */
import * as tf from "@tensorflow/tfjs";
import { InputError } from "../io/errors.ts";
import {
  type Dtype,
  type SafetensorsEntry,
  SafetensorsReader,
  type TensorData,
  toFloat32,
  toInt32,
  writeSafetensors,
} from "./safetensors.ts";

export * from "./safetensors.ts";

/**
 * Refuses to write a tensor with NaN or infinity: whoever opened the file would get nonsense.
 *
 * @throws {InputError} That names the tensor and the file, which stays as it was
 */
export function checkFinite(path: string, name: string, data: TensorData): void {
  if (!(data instanceof Float32Array)) return;
  const bad = data.findIndex((x) => !Number.isFinite(x));
  if (bad < 0) return;
  throw new InputError(
    `Cannot save '${path}': the numbers are no longer finite, first in ${name} (${data[bad]}); ` +
      "lower the learning rate; what was saved before is untouched",
  );
}

/**
 * Writes a state dict to a safetensors file, atomically: a kill at any moment
 * leaves the old file or the new one. Await it before the next training step.
 *
 * @param path The file
 * @param stateDict Tensors by name: float32 is written as F32, int32 as I32, bool as BOOL
 * @param metadata Texts by name; `format: "pt"`, which Hugging Face's loaders ask for, is added
 * @throws {TypeError} If a tensor holds strings or complex numbers
 * @throws {InputError} If a number is NaN or infinite, or the file cannot be written
 */
export async function saveCheckpoint(
  path: string,
  stateDict: Record<string, tf.Tensor>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const dtypes: Record<string, Dtype> = {
    float32: "F32",
    int32: "I32",
    bool: "BOOL",
  };
  const entries = await Promise.all(
    Object.entries(stateDict).map(async ([name, tensor]) => {
      const dtype = dtypes[tensor.dtype];
      if (dtype === undefined) {
        throw new TypeError(
          `Cannot save ${JSON.stringify(name)} as its type has no place in a ` +
            `checkpoint: want float32, int32 or bool, got ${tensor.dtype}`,
        );
      }
      const data = await tensor.data() as TensorData;
      checkFinite(path, name, data);
      return [name, { dtype, shape: tensor.shape, data }] as const;
    }),
  );
  await writeSafetensors(path, new Map(entries), { format: "pt", ...metadata });
}

/**
 * Reads a safetensors file, ours or PyTorch's, as a state dict of new tensors
 * on the current device. F16, BF16 and F64 become float32; I64 and U8 become
 * int32. The caller disposes the tensors.
 *
 * @param path The file; its metadata are in `readSafetensorsHeader(path)`
 * @returns Tensors by name, in the order of the file's values
 * @throws {InputError} If the file cannot be read, is malformed, or has an I64 value that int32 cannot hold
 */
export async function loadCheckpoint(
  path: string,
): Promise<Record<string, tf.Tensor>> {
  using reader = await SafetensorsReader.open(path);
  // No prototype, so that a tensor may have any name, "__proto__" too.
  const stateDict: Record<string, tf.Tensor> = Object.create(null);
  try {
    for (const name of reader.header.tensors.keys()) {
      stateDict[name] = toTensor(await reader.read(name), name, path);
    }
  } catch (error) {
    tf.dispose(Object.values(stateDict));
    throw error;
  }
  return stateDict;
}

function toTensor(
  entry: SafetensorsEntry,
  name: string,
  path: string,
): tf.Tensor {
  const { dtype, shape, data } = entry;
  if (dtype === "BOOL") return tf.tensor(data as Uint8Array, shape, "bool");
  if (dtype === "I64" || dtype === "I32" || dtype === "U8") {
    try {
      return tf.tensor(toInt32(entry), shape, "int32");
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new InputError(
        `Cannot read '${path}': tensor ${JSON.stringify(name)}: ${error.message}`,
      );
    }
  }
  return tf.tensor(toFloat32(entry), shape, "float32");
}
