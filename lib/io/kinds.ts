/** What a file is, by its first bytes: for messages about files of another kind than the one wanted. */

/** The first bytes of kinds of file, as Latin-1 text. */
const STARTS: [start: string, kind: string][] = [
  ["\x1f\x8b", "compressed by gzip"],
  ["PK\x03\x04", "a ZIP archive, such as one of PyTorch's .pt files or NumPy's .npz"],
  ["\x93NUMPY", "an array of NumPy (.npy)"],
  ["BZh", "compressed by bzip2"],
  ["\xfd7zXZ", "compressed by xz"],
  ["\x28\xb5\x2f\xfd", "compressed by zstd"],
  ["\x89PNG", "a PNG picture"],
  ["\xff\xd8\xff", "a JPEG picture"],
  ["%PDF", "a PDF document"],
  ["PAR1", "a Parquet table"],
  ["SQLite format 3", "an SQLite data base"],
  ["\x89HDF", "an HDF5 file"],
  ["GGUF", "a GGUF model"],
  ["\x80\x02", "a pickle of Python's"],
  ["\x80\x03", "a pickle of Python's"],
  ["\x80\x04", "a pickle of Python's"],
  ["\x80\x05", "a pickle of Python's"],
  ["\xff\xfe", "a text in UTF-16"],
  ["\xfe\xff", "a text in UTF-16"],
];

/**
 * What a file is by its first bytes, with an article, such as "a PNG picture"; undefined if that is
 * not known. Texts in UTF-8 are not.
 */
export function fileKind(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  if (start.slice(8, 10) === '{"' && start.slice(4, 8) === "\0\0\0\0") return "a safetensors file";
  return STARTS.find(([first]) => start.startsWith(first))?.[1];
}
