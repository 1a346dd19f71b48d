/** Pixels -> PNG files (W3C, Portable Network Graphics, third edition), compressed by the runtime's own zlib. */

/** Channels of a pixel -> the number that stands for them: grey or colour. */
const COLOR_TYPES = { 1: 0, 3: 2 } as const;

/** Pixels row by row, as many bytes each as it has channels -> a PNG file. */
export async function encodePng(
  pixels: Uint8Array,
  width: number,
  height: number,
  channels: keyof typeof COLOR_TYPES,
): Promise<Uint8Array<ArrayBuffer>> {
  const { crc32, deflateSync } = await import("node:zlib");
  const bytes = width * channels;
  const rows = new Uint8Array(height * (1 + bytes)); // each behind its filter's number: 0, none
  for (let y = 0; y < height; y++) {
    rows.set(pixels.subarray(y * bytes, (y + 1) * bytes), y * (1 + bytes) + 1);
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8); // bits of a channel
  header.setUint8(9, COLOR_TYPES[channels]);
  const chunks = [
    ["IHDR", new Uint8Array(header.buffer)],
    ["IDAT", deflateSync(rows)],
    ["IEND", new Uint8Array()],
  ] as const;

  const length = chunks.reduce((sum, [_, data]) => sum + 12 + data.length, 8);
  const file = new Uint8Array(length), view = new DataView(file.buffer);
  file.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  let at = 8;
  for (const [name, data] of chunks) {
    view.setUint32(at, data.length);
    new TextEncoder().encodeInto(name, file.subarray(at + 4));
    file.set(data, at + 8);
    const end = at + 8 + data.length;
    view.setUint32(end, crc32(file.subarray(at + 4, end)));
    at = end + 4;
  }
  return file;
}

/** A PNG file of `encodePng` -> its pixels. */
export async function decodePng(file: Uint8Array<ArrayBuffer>) {
  const { inflateSync } = await import("node:zlib");
  const view = new DataView(file.buffer, file.byteOffset);
  const width = view.getUint32(16), height = view.getUint32(20);
  const rows = inflateSync(file.subarray(41, 41 + view.getUint32(33))); // of the chunk IDAT
  const bytes = rows.length / height - 1;
  const pixels = new Uint8Array(height * bytes);
  for (let y = 0; y < height; y++) {
    pixels.set(rows.subarray(y * (1 + bytes) + 1, (y + 1) * (1 + bytes)), y * bytes);
  }
  return { pixels, width, height, channels: bytes / width };
}
