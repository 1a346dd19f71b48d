/**
 * Operands of matrix products in workgroup memory, which hold 1, 2 or 4 numbers: float32, or
 * rounded to float16.
 */

/** The WGSL of an operand. */
export class Operand {
  /** Its type in workgroup memory. */
  readonly type: string;
  /** The type of float32 that it is computed with. */
  readonly wideType: string;

  constructor(readonly half: boolean, readonly width: 1 | 2 | 4) {
    const vector = (scalar: string) => width === 1 ? scalar : `vec${width}<${scalar}>`;
    this.type = vector(half ? "f16" : "f32");
    this.wideType = vector("f32");
  }

  /** A value of float32 as an operand. */
  narrow(value: string): string {
    return this.half ? `narrow${this.width}(${value})` : value;
  }

  /** An operand as float32, in which products are summed. */
  wide(operand: string): string {
    return this.half ? `${this.wideType}(${operand})` : operand;
  }

  /**
   * A value rounded as an operand is. By arithmetic, as there are drivers that leave out a
   * conversion there and back.
   */
  round(value: string): string {
    return this.half ? `round${this.width}(${value})` : value;
  }

  /** Number i of a value of `wideType`. */
  at(value: string, i: number): string {
    return this.width === 1 ? value : `${value}[${i}]`;
  }

  /**
   * The functions that `narrow` and `round` call. A device may round to the nearest float16 or
   * towards zero, which makes of what is too large infinity or 65504. A loss scale that is too high
   * has to be noticed everywhere: it is infinity here.
   */
  get globals(): string {
    if (!this.half) return "";
    const bits = this.width === 1 ? "u32" : `vec${this.width}u`;
    return `
fn bounded${this.width}(value: ${this.wideType}, other: ${this.wideType}) -> ${this.wideType} {
  let bits = bitcast<${bits}>(value);
  let infinity = (bits & ${bits}(0x80000000u)) | ${bits}(0x7f800000u);
  let large = (bits & ${bits}(0x7fffffffu)) >= ${bits}(0x477ff000u); // 65520 and more
  return select(other, bitcast<${this.wideType}>(infinity), large);
}
fn narrow${this.width}(value: ${this.wideType}) -> ${this.type} {
  return ${this.type}(bounded${this.width}(value, value));
}
fn round${this.width}(value: ${this.wideType}) -> ${this.wideType} {
  let bits = bitcast<${bits}>(value);
  let even = (bits >> ${bits}(13u)) & ${bits}(1u);
  let rounded = (bits + ${bits}(0xfffu) + even) & ${bits}(0xffffe000u); // to a fraction of 10 bits
  let normal = bitcast<${this.wideType}>(rounded);
  let subnormal = round(value * 16777216.0) / 16777216.0; // to multiples of 2^-24
  let small = abs(value) < ${this.wideType}(6.103515625e-5);
  return bounded${this.width}(value, select(normal, subnormal, small));
}`;
  }
}
