/**
 * Persistent references in the records of a ZODB: which objects a record refers to, and the same
 * record with references to others. Nothing is unpickled, and no class is looked for; what is not
 * part of a reference stays as it is, byte by byte.
 *
 * A reference is an oid; (oid, class); [oid] or ["w", (oid,)] for a weak one; and those that name
 * another database, ["w", (oid, database)], ["n", (database, oid)], ["m", (database, oid, class)],
 * which have no meaning in one store and are refused.
 */

import { type Oid, oid } from "../codec/ids.ts";
import { PickleError } from "./errors.ts";
import { OP, OpcodeReader } from "./opcodes.ts";
import { type Found, Tracker } from "./tracker.ts";
import { isOwn, type Item, type Sequence, type Text } from "./values.ts";

/** What a reference becomes. */
export interface Target {
  readonly oid: Oid;
  /** Whether a class that stands beside the oid stays: it may not be that of another object. */
  readonly keepsClass: boolean;
}

export interface Reference {
  readonly oid: Oid;
  readonly isWeak: boolean;
}

/** A reference whose parts are known. */
interface Parsed extends Reference {
  readonly found: Found;
  readonly text: Text;
  /** The tuples and lists around the oid. */
  readonly around: readonly Sequence[];
  readonly class: Item | null;
}

const OID_BYTES = 8;
const LETTER = { weak: 0x77, other: 0x6e, otherWithClass: 0x6d } as const;

/** The objects that a record refers to, in order. Throws a PickleError. */
export function referencesOf(record: Uint8Array): Reference[] {
  if (!mayRefer(record)) return [];
  const tracker = new Tracker(record);
  tracker.run();
  return tracker.found.map((found) => {
    const { oid, isWeak } = parse(found);
    return { oid, isWeak };
  });
}

/**
 * A record whose references are replaced; null from `map` leaves one as it is. Returns the record
 * itself when nothing changes. Throws a PickleError.
 */
export function mapReferences(
  record: Uint8Array,
  map: (oid: Oid) => Target | null,
): Uint8Array {
  if (!mayRefer(record)) return record;
  const tracker = new Tracker(record);
  tracker.run();
  const parsed = tracker.found.map(parse);
  for (const reference of parsed) claim(reference);
  const changes: Change[] = [];
  for (const reference of parsed) {
    const target = map(reference.oid);
    if (target !== null) changes.push({ ...reference, target });
  }
  return changes.length === 0 ? record : new Rewriter(tracker, record).rewrite(changes);
}

/** A record without the opcodes' bytes has no references: most small ones are told at a glance. */
function mayRefer(record: Uint8Array): boolean {
  return record.includes(OP.BINPERSID) || record.includes(OP.PERSID);
}

function parse(found: Found): Parsed {
  const { item } = found;
  const { value } = item;
  if (value?.kind === "text") return reference(found, item, { around: [] });
  if (value?.kind === "tuple" && value.length === 2) {
    return reference(found, value.items[0], { around: [value], class: value.items[1] ?? null });
  }
  if (value?.kind === "list" && value.length === 1) {
    return reference(found, value.items[0], { around: [value], isWeak: true });
  }
  const [letter, rest] = value?.kind === "list" && value.length === 2 ? value.items : [];
  if (letter?.value?.kind === "text" && letter.value.bytes.length === 1) {
    const [code] = letter.value.bytes;
    const parts = rest?.value;
    if (code === LETTER.weak && parts?.kind === "tuple" && value?.kind === "list") {
      if (parts.length === 1) {
        return reference(found, parts.items[0], { around: [value, parts], isWeak: true });
      }
      throw refused("is a weak one to an object of another database");
    }
    if (code === LETTER.other || code === LETTER.otherWithClass) {
      throw refused("is to an object of another database");
    }
  }
  throw refused("has a form that ZODB does not have");
}

function refused(what: string): PickleError {
  return new PickleError(`a reference ${what}, which can't be brought into one store`);
}

function reference(
  found: Found,
  item: Item | undefined,
  rest: Pick<Parsed, "around"> & Partial<Pick<Parsed, "class" | "isWeak">>,
): Parsed {
  const value = item?.value;
  if (value?.kind !== "text" || value.bytes.length !== OID_BYTES) {
    throw refused("has no oid of 8 bytes");
  }
  const view = new DataView(value.bytes.buffer, value.bytes.byteOffset);
  const id = view.getBigUint64(0);
  if (id >> 63n !== 0n) throw refused("has an oid greater than 2^63-1");
  return { found, text: value, oid: oid(id), class: null, isWeak: false, ...rest };
}

/** Counts a reference among the uses of its parts. */
function claim({ text, around }: Parsed): void {
  const [outer, inner] = around;
  if (outer === undefined) {
    text.inReferences++;
    return;
  }
  outer.inReferences++;
  if (outer.claimed) return;
  outer.claimed = true;
  if (inner === undefined) {
    text.inReferences++;
    return;
  }
  inner.inReferences++;
  if (inner.claimed) return;
  inner.claimed = true;
  text.inReferences++;
}

interface Change extends Parsed {
  readonly target: Target;
}

class Rewriter {
  readonly #tracker: Tracker;
  readonly #record: Uint8Array;
  /** The next value with a number that was not looked at. */
  #memo = 0;

  constructor(tracker: Tracker, record: Uint8Array) {
    this.#tracker = tracker;
    this.#record = record.slice();
  }

  rewrite(changes: readonly Change[]): Uint8Array {
    const others: Change[] = [];
    for (const change of changes) {
      if (!this.#changeInPlace(change)) others.push(change);
    }
    return others.length === 0 ? this.#record : this.#replace(others);
  }

  #changeInPlace({ text, around, class: classOf, target }: Change): boolean {
    if (text.at === null || (classOf !== null && !target.keepsClass)) return false;
    if (!isOwn(text) || !around.every(isOwn)) return false;
    this.#record.set(oidBytes(target.oid), text.at);
    return true;
  }

  /** Puts new opcodes in the place of those that make the references. */
  #replace(changes: readonly Change[]): Uint8Array {
    const record = this.#record;
    const pieces: Uint8Array[] = [];
    let at = 0;
    const { frames } = this.#tracker;
    let nextFrame = 0;
    const copyUntil = (end: number) => {
      for (let frame = frames[nextFrame]; frame !== undefined && frame < end;) {
        pieces.push(record.subarray(at, frame));
        at = frame + 1 + OID_BYTES;
        frame = frames[++nextFrame];
      }
      pieces.push(record.subarray(at, end));
      at = end;
    };
    for (const change of changes) {
      const { item, at: referenceAt } = change.found;
      if (item.start < at) throw new PickleError("a reference is part of another one");
      copyUntil(item.start);
      // What others refer to by its number is made all the same, and then thrown away.
      if (this.#isNeeded(item.start, referenceAt)) {
        copyUntil(referenceAt);
        pieces.push(Uint8Array.of(OP.POP));
      }
      pieces.push(this.#literal(change));
      at = change.found.item.end === referenceAt && record[referenceAt] === OP.PERSID
        ? record.indexOf(0x0a, referenceAt) + 1
        : referenceAt + 1;
    }
    copyUntil(record.length);
    return concat(pieces);
  }

  /** Whether a value that gets its number in [start, end) is referred to after it. */
  #isNeeded(start: number, end: number): boolean {
    const { memos } = this.#tracker;
    // References do not overlap and come in their order, so the search goes on where it was.
    for (let memo = memos[this.#memo]; memo !== undefined && memo.putAt < end;) {
      const { putAt, lastGetAt } = memo;
      const isNeeded = lastGetAt >= end || this.#record[putAt] === OP.MEMOIZE;
      if (putAt >= start && isNeeded) return true;
      memo = memos[++this.#memo];
    }
    return false;
  }

  #literal({ target, class: classOf, around, isWeak, text }: Change): Uint8Array {
    const op = text.isBytes ? OP.SHORT_BINBYTES : OP.SHORT_BINSTRING;
    const id = Uint8Array.of(op, OID_BYTES, ...oidBytes(target.oid));
    const pieces: Uint8Array[] = [];
    if (isWeak) {
      const [letter] = around.length === 2 ? around[0]?.items ?? [] : [];
      pieces.push(Uint8Array.of(OP.EMPTY_LIST));
      if (letter === undefined) {
        pieces.push(id);
      } else {
        pieces.push(...this.#copy(letter), Uint8Array.of(OP.APPEND, OP.MARK), id);
        pieces.push(Uint8Array.of(OP.TUPLE));
      }
      pieces.push(Uint8Array.of(OP.APPEND));
    } else if (classOf !== null && target.keepsClass) {
      pieces.push(Uint8Array.of(OP.MARK), id, ...this.#copy(classOf), Uint8Array.of(OP.TUPLE));
    } else {
      pieces.push(id);
    }
    pieces.push(Uint8Array.of(OP.BINPERSID));
    return concat(pieces);
  }

  /** The opcodes that make a value, without those that give numbers: these exist already. */
  #copy({ start, end }: Item): Uint8Array[] {
    const opcodes = this.#record.subarray(start, end);
    const reader = new OpcodeReader(opcodes);
    const pieces: Uint8Array[] = [];
    while (!reader.atEnd) {
      reader.next();
      const { op, at, end: after } = reader;
      if (!NUMBERING.has(op)) pieces.push(opcodes.subarray(at, after));
    }
    return pieces;
  }
}

const NUMBERING: ReadonlySet<number> = new Set([
  OP.PUT,
  OP.BINPUT,
  OP.LONG_BINPUT,
  OP.MEMOIZE,
  OP.FRAME,
]);

function oidBytes(id: Oid): Uint8Array {
  const bytes = new Uint8Array(OID_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, id);
  return bytes;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
