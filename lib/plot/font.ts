/** How wide a text is in a TrueType font: what a browser's canvas would measure, for placing labels without one. */

/** All but the characters of XML 1.0 (section 2.2): control characters, half surrogate pairs, U+FFFE, U+FFFF. */
const FORBIDDEN = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/** A text as a picture shows it: a character that XML forbids as its code, such as "U+0008". */
export function printable(text: string): string {
  return text.replace(FORBIDDEN, (char) => {
    const code = char.codePointAt(0)!.toString(16).toUpperCase();
    return `U+${code.padStart(4, "0")}`;
  });
}

/** The font of all figures, regular and bold: DejaVu Sans. */
export async function fontFiles(): Promise<Uint8Array[]> {
  // Importing something of the package makes the run fetch it, so that the files beside it have an address.
  await import("dejavu-fonts-ttf/package.json", { with: { type: "json" } });
  return await Promise.all([
    import.meta.resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf"),
    import.meta.resolve("dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf"),
  ].map((file) => Deno.readFile(new URL(file))));
}

export class Font {
  #advances = new Map<number, number>(); // code point -> width in em
  #other: number; // a character that the font lacks

  /**
   * Reads the tables that hold the widths (OpenType specification: head, hhea, hmtx, cmap format 12).
   * @param bytes the .ttf file
   */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const tables = new Map<string, number>(); // name -> offset
    for (let i = 0; i < view.getUint16(4); i++) {
      const entry = 12 + 16 * i;
      const name = String.fromCharCode(...bytes.subarray(entry, entry + 4));
      tables.set(name, view.getUint32(entry + 8));
    }
    const unitsPerEm = view.getUint16(tables.get("head")! + 18);
    const longMetrics = view.getUint16(tables.get("hhea")! + 34);
    const hmtx = tables.get("hmtx")!;
    const advance = (glyph: number) =>
      view.getUint16(hmtx + 4 * Math.min(glyph, longMetrics - 1)) / unitsPerEm;
    this.#other = advance(0);
    const cmap = tables.get("cmap")!;
    for (let i = 0; i < view.getUint16(cmap + 2); i++) {
      const map = cmap + view.getUint32(cmap + 8 + 8 * i);
      if (view.getUint16(map) !== 12) continue;
      for (let group = 0; group < view.getUint32(map + 12); group++) {
        const at = map + 16 + 12 * group;
        const first = view.getUint32(at), last = view.getUint32(at + 4);
        const glyph = view.getUint32(at + 8);
        for (let code = first; code <= last; code++) {
          this.#advances.set(code, advance(glyph + code - first));
        }
      }
    }
  }

  /** The width of `text` at `size` pixels as it is shown (see `printable`), kerning left out. */
  width(text: string, size: number): number {
    let em = 0;
    for (const char of printable(text)) {
      em += this.#advances.get(char.codePointAt(0)!) ?? this.#other;
    }
    return em * size;
  }
}
