/**
 * Follows the stack and the memo of pickles, and reports the persistent references. Pickles that
 * follow one another share a memo, as the two of a ZODB record do.
 */

import { ACT, ACT_MASK, ACTS, COUNT_SHIFT } from "./acts.ts";
import { PickleError } from "./errors.ts";
import { unquoted } from "./literal.ts";
import { latin1, OP, OpcodeReader } from "./opcodes.ts";
import {
  type Encoder,
  type Item,
  MAX_PARTS,
  sequence,
  type Text,
  text,
  type Value,
} from "./values.ts";

/** Strings of which references are made have 8 bytes, or as characters up to 16, or 1. */
const OID_BYTES = 8;
const MAX_TEXT_BYTES = 16;
/** Values, numbers and marks that one record may have at a time; big ones have some thousands. */
const MAX_VALUES = 1 << 22;
/** The function that makes bytes of characters, as a pickle names it. */
const LATIN_1 = "_codecs\nencode\n";

/** A value with a number, and where it got it and was last referred to. */
export interface Memo {
  readonly value: Value;
  readonly putAt: number;
  lastGetAt: number;
}

/** A persistent reference: what is referred to, and where the opcode is that makes it one. */
export interface Found {
  readonly item: Item;
  readonly at: number;
}

export class Tracker {
  readonly found: Found[] = [];
  /** In the order of `putAt`. */
  readonly memos: Memo[] = [];
  /** Where frames are announced, whose lengths hold only while nothing is inserted. */
  readonly frames: number[] = [];
  readonly #reader: OpcodeReader;
  readonly #memo = new Map<number, Memo>();
  #stack: Item[] = [];
  #hasEncoder = false;
  #marks: { readonly depth: number; readonly at: number }[] = [];

  constructor(bytes: Uint8Array) {
    this.#reader = new OpcodeReader(bytes);
  }

  /** Follows all pickles. Throws a PickleError. */
  run(): void {
    const reader = this.#reader;
    while (!reader.atEnd) {
      do {
        reader.next();
        this.#step();
        this.#checkSize();
      } while (reader.op !== OP.STOP);
      if (this.#stack.length !== 1) throw new PickleError("a pickle does not end with one value");
      this.#stack = [];
      this.#marks = [];
    }
  }

  #checkSize(): void {
    if (
      this.#stack.length <= MAX_VALUES && this.memos.length <= MAX_VALUES &&
      this.#marks.length <= MAX_VALUES
    ) return;
    throw new PickleError(`expected at most ${MAX_VALUES} values in a record, found more`);
  }

  #step(): void {
    const { op, at } = this.#reader;
    const act = ACTS[op] ?? ACT.push;
    const count = act >> COUNT_SHIFT;
    switch (act & ACT_MASK) {
      case ACT.push:
        return this.#push(this.#literal(op), at);
      case ACT.take:
        return this.#push(null, this.#pop(count)[0]?.start ?? at);
      case ACT.drop:
        return void this.#pop(count);
      case ACT.takeToMark:
        return this.#push(null, this.#toMark().at);
      case ACT.dropToMark:
        return void this.#toMark();
      case ACT.tuple: {
        const items = this.#pop(count);
        return this.#push(sequence("tuple", items), items[0]?.start ?? at);
      }
      case ACT.tupleToMark: {
        const { at: start, items } = this.#toMark();
        return this.#push(sequence("tuple", items), start);
      }
      case ACT.other:
        return this.#other(op);
    }
  }

  #other(op: number): void {
    const { at } = this.#reader;
    switch (op) {
      case OP.MARK:
        this.#marks.push({ depth: this.#stack.length, at });
        return;
      case OP.FRAME:
        this.frames.push(at);
        return;
      case OP.POP:
        if (this.#marks.at(-1)?.depth === this.#stack.length) this.#marks.pop();
        else this.#pop(1);
        return;
      case OP.DUP: {
        const [top] = this.#pop(1);
        if (top !== undefined) this.#stack.push(top);
        return this.#push(top?.value ?? null, at);
      }
      case OP.REDUCE:
        return this.#reduce();
      case OP.PERSID:
      case OP.BINPERSID:
        return this.#reference(op);
      default:
        if (!this.#list(op)) this.#memoize(op);
    }
  }

  #push(value: Value, start: number): void {
    if (value !== null) value.pushes++;
    this.#stack.push({ value, start, end: this.#reader.end });
  }

  #pop(count: number): Item[] {
    const least = this.#marks.at(-1)?.depth ?? 0;
    if (this.#stack.length - count < least) {
      throw new PickleError(`the opcode at ${this.#reader.at} takes more values than there are`);
    }
    if (count === 1) {
      const top = this.#stack.pop();
      return top === undefined ? [] : [top];
    }
    return count === 0 ? [] : this.#stack.splice(-count);
  }

  #toMark(): { readonly at: number; readonly items: Item[] } {
    const mark = this.#marks.pop();
    if (mark === undefined) {
      throw new PickleError(`the opcode at ${this.#reader.at} needs a mark, and there is none`);
    }
    return { at: mark.at, items: this.#stack.splice(mark.depth) };
  }

  #literal(op: number): Value {
    const { argument, end, bytes } = this.#reader;
    switch (op) {
      case OP.SHORT_BINSTRING:
      case OP.BINSTRING:
        return this.#text(false);
      case OP.SHORT_BINUNICODE:
      case OP.BINUNICODE:
      case OP.BINUNICODE8:
        return end - argument === 1 || this.#hasEncoder ? this.#text(false) : null;
      case OP.SHORT_BINBYTES:
      case OP.BINBYTES:
      case OP.BINBYTES8:
        return this.#text(true);
      case OP.STRING:
        return text(unquoted(this.#reader.line()));
      case OP.GLOBAL: {
        const isEncoder = end - argument === LATIN_1.length &&
          latin1(bytes.subarray(argument, end)) === LATIN_1;
        this.#hasEncoder ||= isEncoder;
        return isEncoder ? encoder() : null;
      }
      default:
        return null;
    }
  }

  #text(isBytes: boolean): Text | null {
    const { argument, end, bytes } = this.#reader;
    const length = end - argument;
    const matters = length === OID_BYTES || length === 1 ||
      (this.#hasEncoder && length <= MAX_TEXT_BYTES);
    return matters ? text(bytes.slice(argument, end), { at: argument, isBytes }) : null;
  }

  #list(op: number): boolean {
    switch (op) {
      case OP.EMPTY_LIST:
        this.#push(sequence("list", []), this.#reader.at);
        return true;
      case OP.LIST: {
        const { at, items } = this.#toMark();
        this.#push(sequence("list", items), at);
        return true;
      }
      case OP.APPEND:
        this.#append(this.#pop(1));
        return true;
      case OP.APPENDS:
        this.#append(this.#toMark().items);
        return true;
      default:
        return false;
    }
  }

  #append(items: readonly Item[]): void {
    const [list] = this.#pop(1);
    if (list === undefined) return;
    const { value } = list;
    if (value?.kind === "list") {
      value.items.push(...items.slice(0, MAX_PARTS - value.items.length));
      value.length += items.length;
    }
    list.end = this.#reader.end;
    this.#stack.push(list);
  }

  #memoize(op: number): void {
    const reader = this.#reader;
    switch (op) {
      case OP.MEMOIZE:
        return this.#put(this.#memo.size);
      case OP.PUT:
      case OP.BINPUT:
      case OP.LONG_BINPUT:
        return this.#put(reader.number());
      default: {
        const memo = this.#memo.get(reader.number());
        if (memo === undefined) {
          throw new PickleError(`the opcode at ${reader.at} refers to a value that has no number`);
        }
        memo.lastGetAt = reader.at;
        this.#push(memo.value, reader.at);
      }
    }
  }

  #put(number: number): void {
    const top = this.#stack.at(-1);
    if (top === undefined) throw new PickleError("a number is given to no value");
    const memo = { value: top.value, putAt: this.#reader.at, lastGetAt: -1 };
    this.#memo.set(number, memo);
    this.memos.push(memo);
    top.end = this.#reader.end;
  }

  /** A call: that of the function that makes bytes of Latin-1 characters is one that matters. */
  #reduce(): void {
    const [called, given] = this.#pop(2);
    const start = called?.start ?? this.#reader.at;
    const [characters] = given?.value?.kind === "tuple" ? given.value.items : [];
    if (called?.value?.kind !== "encoder" || characters?.value?.kind !== "text") {
      return this.#push(null, start);
    }
    const decoded = new TextDecoder().decode(characters.value.bytes);
    const bytes = Uint8Array.from(decoded, (character) => character.charCodeAt(0));
    this.#push(text(bytes, { isBytes: true }), start);
  }

  #reference(op: number): void {
    const { at, argument, end, bytes } = this.#reader;
    if (op === OP.PERSID) {
      const value = text(bytes.slice(argument, end - 1));
      value.pushes = 1;
      this.found.push({ item: { value, start: at, end: at }, at });
      return this.#push(null, at);
    }
    const [item] = this.#pop(1);
    if (item === undefined) return;
    this.found.push({ item, at });
    this.#push(null, item.start);
  }
}

function encoder(): Encoder {
  return { kind: "encoder", pushes: 0, inReferences: 0 };
}
