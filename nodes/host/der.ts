/**
 * A strict reader of DER, the encoding of certificates and revocation lists. Strict, because what
 * two readers take for different things is how a forged certificate gets in: lengths have one
 * form, booleans are 00 or FF, and nothing may follow what was read.
 */

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** The tag of a constructed value `[number]`. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

/** One value: its content, and `whole`, which is tag, length and content. */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

/** Bytes that are not what they should be. */
export class DerError extends Error {}

/** Reads values one after the other. All its methods throw a DerError. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The tag of the next value, or null at the end. */
  peek(): number | null {
    return this.#bytes[this.#at] ?? null;
  }

  next(): DerValue {
    const start = this.#at;
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw new DerError("a tag of more than one byte");
    const length = this.#length();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new DerError("a value that is cut off");
    const content = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return { tag, content, whole: this.#bytes.subarray(start, end) };
  }

  /** The next value, which must have this tag. */
  expect(tag: number): DerValue {
    const value = this.next();
    if (value.tag === tag) return value;
    throw new DerError(`expected the tag 0x${tag.toString(16)}, found 0x${value.tag.toString(16)}`);
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerValue | null {
    return this.peek() === tag ? this.next() : null;
  }

  /** A reader of the content of the next value, which must have this tag. */
  enter(tag: number): DerReader {
    return new DerReader(this.expect(tag).content);
  }

  /** Nothing may be left. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new DerError("bytes after the last value");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new DerError("an end in the middle of a value");
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const size = first & 0x7f;
    if (size === 0 || size > 4) throw new DerError("a length without end, or beyond 4 bytes");
    let length = 0;
    for (let index = 0; index < size; index++) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (size - 1)) throw new DerError("a length in long form");
    return length;
  }
}

/** The text of an object identifier, such as `2.5.29.15`. */
export function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    arcs.push(value);
    value = 0;
  }
  const first = arcs.shift() ?? 0;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...arcs].join(".");
}

export function readBoolean({ content: [byte, ...rest] }: DerValue): boolean {
  if (rest.length === 0 && (byte === 0x00 || byte === 0xff)) return byte === 0xff;
  throw new DerError("a boolean that is neither 00 nor FF");
}

const TIME = /^(\d+)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/** Unix time in milliseconds of a UTCTime (two digits of a year) or a GeneralizedTime (four). */
export function readTime({ tag, content }: DerValue): number {
  const text = String.fromCharCode(...content);
  const [year = NaN, month = NaN, ...others] = TIME.exec(text)?.slice(1).map(Number) ?? [];
  if (tag === TAG.utcTime && text.length === 13) {
    return Date.UTC(year < 50 ? 2000 + year : 1900 + year, month - 1, ...others);
  }
  if (tag === TAG.generalizedTime && text.length === 15) {
    return Date.UTC(year, month - 1, ...others);
  }
  throw new DerError(`expected a time, found ${JSON.stringify(text)}`);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
