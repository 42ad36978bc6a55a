/**
 * Loads pickles of plain values: numbers, strings, lists, tuples, dictionaries. Instances of
 * classes come as descriptions of themselves; no class is looked for, and nothing is executed.
 */

import { PickleError } from "./errors.ts";
import { unquoted } from "./literal.ts";
import { latin1, OP, OpcodeReader } from "./opcodes.ts";

/** How big numbers may be: to make one takes a time that grows with the square of its length. */
const MAX_DIGITS = 400;
const MAX_INTEGER_BYTES = 160;

/** A function or a class, by its name. */
export class PlainGlobal {
  constructor(readonly name: string) {}
}

/** What a class or a function would have made, and the state that it would have been given. */
export class PlainInstance {
  state: Plain = null;

  constructor(readonly made: Plain, readonly given: Plain) {}
}

export type PlainDictionary = Map<string, Plain>;

/** Python's bytes are bytes here; keys of dictionaries are texts of the same characters. */
export type Plain =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Plain[]
  | PlainDictionary
  | PlainGlobal
  | PlainInstance;

/** Loads pickles that follow one another. */
export class PlainLoader {
  readonly #reader: OpcodeReader;
  readonly #memo = new Map<number, Plain>();
  #stack: Plain[] = [];
  #marks: number[] = [];

  constructor(bytes: Uint8Array) {
    this.#reader = new OpcodeReader(bytes);
  }

  /** Where the next pickle begins. */
  get position(): number {
    return this.#reader.end;
  }

  /** Loads the next pickle. Throws a PickleError. */
  load(): Plain {
    const reader = this.#reader;
    for (;;) {
      reader.next();
      if (reader.op === OP.STOP) break;
      this.#step();
    }
    const value = this.#pop();
    this.#stack = [];
    this.#marks = [];
    return value;
  }

  #step(): void {
    const reader = this.#reader;
    const literal = this.#literal();
    if (literal !== undefined) return void this.#stack.push(literal);
    if (this.#collect() || this.#memoize()) return;
    switch (reader.op) {
      case OP.PROTO:
      case OP.FRAME:
        return;
      case OP.MARK:
        this.#marks.push(this.#stack.length);
        return;
      case OP.REDUCE:
      case OP.NEWOBJ: {
        const given = this.#pop();
        this.#stack.push(new PlainInstance(this.#pop(), given));
        return;
      }
      case OP.BUILD: {
        const state = this.#pop();
        const instance = this.#stack.at(-1);
        if (instance instanceof PlainInstance) instance.state = state;
        return;
      }
      default:
        throw new PickleError(`the opcode at ${reader.at} is not that of a plain value`);
    }
  }

  #literal(): Plain | undefined {
    const reader = this.#reader;
    const { op, argument, end, bytes } = reader;
    const raw = bytes.subarray(argument, end);
    switch (op) {
      case OP.NONE:
        return null;
      case OP.NEWTRUE:
        return true;
      case OP.NEWFALSE:
        return false;
      case OP.BININT1:
      case OP.BININT2:
        return BigInt(reader.number());
      case OP.BININT:
        return BigInt(reader.number() | 0);
      case OP.INT:
      case OP.LONG:
        return integer(reader.line());
      case OP.LONG1:
      case OP.LONG4:
        return littleEndian(raw);
      case OP.STRING:
        return unquoted(reader.line());
      case OP.SHORT_BINSTRING:
      case OP.BINSTRING:
      case OP.SHORT_BINBYTES:
      case OP.BINBYTES:
      case OP.BINBYTES8:
        return raw;
      case OP.SHORT_BINUNICODE:
      case OP.BINUNICODE:
      case OP.BINUNICODE8:
        return new TextDecoder().decode(raw);
      case OP.UNICODE:
        return reader.line();
      case OP.GLOBAL:
        return new PlainGlobal(latin1(raw).trim().replace("\n", " "));
      default:
        return undefined;
    }
  }

  #collect(): boolean {
    const stack = this.#stack;
    switch (this.#reader.op) {
      case OP.EMPTY_TUPLE:
      case OP.EMPTY_LIST:
        return stack.push([]) > 0;
      case OP.TUPLE1:
        return stack.push(this.#take(1)) > 0;
      case OP.TUPLE2:
        return stack.push(this.#take(2)) > 0;
      case OP.TUPLE3:
        return stack.push(this.#take(3)) > 0;
      case OP.TUPLE:
      case OP.LIST:
        return stack.push(this.#toMark()) > 0;
      case OP.EMPTY_DICT:
        return stack.push(new Map()) > 0;
      case OP.DICT:
        return stack.push(fill(new Map(), this.#toMark())) > 0;
      case OP.SETITEM:
        fill(...this.#withBelow(this.#take(2)));
        return true;
      case OP.SETITEMS:
        fill(...this.#withBelow(this.#toMark()));
        return true;
      default:
        return false;
    }
  }

  #withBelow(items: Plain[]): [Plain, Plain[]] {
    return [this.#stack.at(-1) ?? null, items];
  }

  #memoize(): boolean {
    const reader = this.#reader;
    switch (reader.op) {
      case OP.MEMOIZE:
        this.#memo.set(this.#memo.size, this.#stack.at(-1) ?? null);
        return true;
      case OP.PUT:
      case OP.BINPUT:
      case OP.LONG_BINPUT:
        this.#memo.set(reader.number(), this.#stack.at(-1) ?? null);
        return true;
      case OP.GET:
      case OP.BINGET:
      case OP.LONG_BINGET:
        this.#stack.push(this.#memo.get(reader.number()) ?? null);
        return true;
      default:
        return false;
    }
  }

  #pop(): Plain {
    const value = this.#stack.pop();
    if (value === undefined) {
      throw new PickleError(`the opcode at ${this.#reader.at} takes more values than there are`);
    }
    return value;
  }

  #take(count: number): Plain[] {
    if (this.#stack.length < count) this.#stack.length = 0;
    const items = this.#stack.splice(-count);
    if (items.length < count) this.#pop();
    return items;
  }

  #toMark(): Plain[] {
    return this.#stack.splice(this.#marks.pop() ?? 0);
  }
}

function fill(dictionary: Plain, items: readonly Plain[]): Plain {
  if (!(dictionary instanceof Map)) throw new PickleError("items are given to no dictionary");
  for (let at = 0; at + 1 < items.length; at += 2) {
    const key = items[at];
    if (key instanceof Uint8Array) dictionary.set(latin1(key), items[at + 1] ?? null);
    else if (typeof key === "object") throw new PickleError("a key is no plain value");
    else dictionary.set(String(key), items[at + 1] ?? null);
  }
  return dictionary;
}

function integer(line: string): bigint {
  const found = line.length > MAX_DIGITS ? null : /^(-?\d+)L?$/.exec(line.trim());
  if (found?.[1] === undefined) {
    throw new PickleError(`${JSON.stringify(line.slice(0, 40))} is no number`);
  }
  return BigInt(found[1]);
}

function littleEndian(bytes: Uint8Array): bigint {
  if (bytes.length > MAX_INTEGER_BYTES) {
    throw new PickleError(`a number has ${bytes.length} bytes, more than ${MAX_INTEGER_BYTES}`);
  }
  let value = 0n;
  for (const byte of bytes.toReversed()) value = value << 8n | BigInt(byte);
  return BigInt.asIntN(bytes.length * 8, value);
}
