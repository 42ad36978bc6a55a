/**
 * The opcodes of Python's pickles, protocols 0 to 5, and how many bytes of argument each has. A
 * pickle is read one opcode after the other without executing anything: no class is ever looked
 * for.
 */

import { PickleError } from "./errors.ts";

export const OP = {
  MARK: 0x28,
  EMPTY_TUPLE: 0x29,
  STOP: 0x2e,
  POP: 0x30,
  POP_MARK: 0x31,
  DUP: 0x32,
  BINBYTES: 0x42,
  SHORT_BINBYTES: 0x43,
  FLOAT: 0x46,
  BINFLOAT: 0x47,
  INT: 0x49,
  BININT: 0x4a,
  BININT1: 0x4b,
  LONG: 0x4c,
  BININT2: 0x4d,
  NONE: 0x4e,
  PERSID: 0x50,
  BINPERSID: 0x51,
  REDUCE: 0x52,
  STRING: 0x53,
  BINSTRING: 0x54,
  SHORT_BINSTRING: 0x55,
  UNICODE: 0x56,
  BINUNICODE: 0x58,
  EMPTY_LIST: 0x5d,
  APPEND: 0x61,
  BUILD: 0x62,
  GLOBAL: 0x63,
  DICT: 0x64,
  APPENDS: 0x65,
  GET: 0x67,
  BINGET: 0x68,
  INST: 0x69,
  LONG_BINGET: 0x6a,
  LIST: 0x6c,
  OBJ: 0x6f,
  PUT: 0x70,
  BINPUT: 0x71,
  LONG_BINPUT: 0x72,
  SETITEM: 0x73,
  TUPLE: 0x74,
  SETITEMS: 0x75,
  EMPTY_DICT: 0x7d,
  PROTO: 0x80,
  NEWOBJ: 0x81,
  EXT1: 0x82,
  EXT2: 0x83,
  EXT4: 0x84,
  TUPLE1: 0x85,
  TUPLE2: 0x86,
  TUPLE3: 0x87,
  NEWTRUE: 0x88,
  NEWFALSE: 0x89,
  LONG1: 0x8a,
  LONG4: 0x8b,
  SHORT_BINUNICODE: 0x8c,
  BINUNICODE8: 0x8d,
  BINBYTES8: 0x8e,
  EMPTY_SET: 0x8f,
  ADDITEMS: 0x90,
  FROZENSET: 0x91,
  NEWOBJ_EX: 0x92,
  STACK_GLOBAL: 0x93,
  MEMOIZE: 0x94,
  FRAME: 0x95,
  BYTEARRAY8: 0x96,
  NEXT_BUFFER: 0x97,
  READONLY_BUFFER: 0x98,
} as const;

/** What follows an opcode. The low bits say how much of it. */
const ARGUMENT = { none: 0, bytes: 0x10, lines: 0x20, counted: 0x30, unknown: 0xff } as const;
const AMOUNT_MASK = 0x0f;

/**
 * For each opcode: a number of bytes, one or two lines, or a length in so many bytes and as many
 * bytes as it says.
 */
const ARGUMENTS = argumentTable();

function argumentTable(): Uint8Array {
  const table = new Uint8Array(256).fill(ARGUMENT.unknown);
  const put = (kind: number, amount: number, ops: readonly number[]) => {
    for (const op of ops) table[op] = kind | amount;
  };
  put(ARGUMENT.none, 0, Object.values(OP));
  const { bytes, lines, counted } = ARGUMENT;
  put(bytes, 1, [OP.BININT1, OP.BINGET, OP.BINPUT, OP.PROTO, OP.EXT1]);
  put(bytes, 2, [OP.BININT2, OP.EXT2]);
  put(bytes, 4, [OP.BININT, OP.LONG_BINGET, OP.LONG_BINPUT, OP.EXT4]);
  put(bytes, 8, [OP.BINFLOAT, OP.FRAME]);
  put(lines, 1, [OP.FLOAT, OP.INT, OP.LONG, OP.PERSID, OP.STRING, OP.UNICODE, OP.GET, OP.PUT]);
  put(lines, 2, [OP.GLOBAL, OP.INST]);
  put(counted, 1, [OP.SHORT_BINBYTES, OP.SHORT_BINSTRING, OP.LONG1, OP.SHORT_BINUNICODE]);
  put(counted, 4, [OP.BINBYTES, OP.BINSTRING, OP.BINUNICODE, OP.LONG4]);
  put(counted, 8, [OP.BINUNICODE8, OP.BINBYTES8, OP.BYTEARRAY8]);
  return table;
}

const NEWLINE = 0x0a;

/** Reads the opcodes of pickles that follow one another. */
export class OpcodeReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  /** The opcode that was read last, and where it is. */
  op = 0;
  at = 0;
  /** Where its argument begins (after its length) and ends. */
  argument = 0;
  end = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.end >= this.bytes.length;
  }

  /** Goes on to the next opcode. Throws a PickleError at the end, and for what is none. */
  next(): void {
    this.at = this.end;
    const op = this.bytes[this.at];
    if (op === undefined) throw new PickleError("the pickle ends before its last opcode");
    const argument = ARGUMENTS[op] ?? ARGUMENT.unknown;
    if (argument === ARGUMENT.unknown) {
      throw new PickleError(`there is no opcode 0x${op.toString(16)}, which is at ${this.at}`);
    }
    this.op = op;
    this.argument = this.at + 1;
    this.end = this.argument;
    if (argument === ARGUMENT.none) return;
    const amount = argument & AMOUNT_MASK;
    const kind = argument & ~AMOUNT_MASK;
    if (kind === ARGUMENT.bytes) this.end += amount;
    else if (kind === ARGUMENT.lines) this.#skipLines(amount);
    else this.#skipCounted(amount);
    if (this.end <= this.bytes.length) return;
    throw new PickleError(`the pickle ends within the opcode at ${this.at}`);
  }

  #skipLines(count: number): void {
    for (let line = 0; line < count; line++) {
      const newline = this.bytes.indexOf(NEWLINE, this.end);
      if (newline < 0) throw new PickleError(`the line at ${this.end} has no end`);
      this.end = newline + 1;
    }
  }

  #skipCounted(bytes: number): void {
    const start = this.argument + bytes;
    if (start > this.bytes.length) {
      throw new PickleError(`the pickle ends within the opcode at ${this.at}`);
    }
    const length = bytes === 1
      ? this.#view.getUint8(this.argument)
      : bytes === 4
      ? this.#view.getUint32(this.argument, true)
      : Number(this.#view.getBigUint64(this.argument, true));
    this.argument = start;
    this.end = start + length;
  }

  /** The number that is the argument: a line of digits, or of 1, 2 or 4 bytes. */
  number(): number {
    if (this.op === OP.GET || this.op === OP.PUT) return this.#digits();
    switch (this.end - this.argument) {
      case 1:
        return this.#view.getUint8(this.argument);
      case 2:
        return this.#view.getUint16(this.argument, true);
      default:
        return this.#view.getUint32(this.argument, true);
    }
  }

  #digits(): number {
    const text = this.line();
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new PickleError(`expected a number at ${this.argument}, found ${JSON.stringify(text)}`);
  }

  /** The line, or the first of two, that is the argument. */
  line(): string {
    const end = this.bytes.indexOf(NEWLINE, this.argument);
    return latin1(this.bytes.subarray(this.argument, end));
  }
}

/** Bytes as characters of the same number. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
