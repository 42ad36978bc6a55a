/**
 * What is known of the values on the stack of a pickle: only those of which persistent references
 * are made matter, so most are `null`.
 *
 * A value may be used several times, since pickles give values numbers and refer to them. Each
 * value counts how often it was pushed, and how many of these are within persistent references:
 * where the two are equal nobody else sees it, and it may be changed in its place.
 */

interface Shared {
  pushes: number;
  inReferences: number;
}

/** A short string. */
export interface Text extends Shared {
  readonly kind: "text";
  readonly bytes: Uint8Array;
  /** Where these bytes are as they are; null where they are written in another way. */
  readonly at: number | null;
  /** Whether it is one of `bytes` as Python 3 knows them. */
  readonly isBytes: boolean;
}

/** A tuple or a list. */
export interface Sequence extends Shared {
  readonly kind: "tuple" | "list";
  readonly items: Item[];
  /** How many items it has; only the first few are kept. */
  length: number;
  /** Whether its items have been counted as parts of a reference. */
  claimed: boolean;
}

/** The function that Python 3 writes bytes with in the old protocols. */
export interface Encoder extends Shared {
  readonly kind: "encoder";
}

export type Value = Text | Sequence | Encoder | null;

/** A value on the stack, and the opcodes that make it. */
export interface Item {
  readonly value: Value;
  readonly start: number;
  end: number;
}

/** References have no more parts than this. */
export const MAX_PARTS = 4;

export function text(
  bytes: Uint8Array,
  { at = null, isBytes = false }: { readonly at?: number | null; readonly isBytes?: boolean } = {},
): Text {
  return { kind: "text", bytes, at, isBytes, pushes: 0, inReferences: 0 };
}

export function sequence(kind: Sequence["kind"], items: readonly Item[]): Sequence {
  return {
    kind,
    items: items.slice(0, MAX_PARTS),
    length: items.length,
    claimed: false,
    pushes: 0,
    inReferences: 0,
  };
}

/** Whether nobody but references uses a value. */
export function isOwn({ pushes, inReferences }: Shared): boolean {
  return pushes === inReferences;
}
