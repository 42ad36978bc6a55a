/**
 * The order in which Python 2.7 goes through a dictionary of names. NEO 1.11 numbers the databases
 * that it merges in this order, and whoever imports the same ones must get the same oids.
 */

const LEAST_SLOTS = 8;
const PERTURB_SHIFT = 5n;
const MASK = (1n << 64n) - 1n;
/** Dictionaries that are bigger than this grow by less; no import has that many mount points. */
const MAX_NAMES = 50_000;

/** Python's hash of a string, as a 64-bit number without sign. */
function hashOf(name: string): bigint {
  const bytes = new TextEncoder().encode(name);
  let hash = BigInt(bytes[0] ?? 0) << 7n;
  for (const byte of bytes) hash = ((1000003n * hash) & MASK) ^ BigInt(byte);
  hash ^= BigInt(bytes.length);
  return hash === MASK ? MASK - 1n : hash;
}

/** Puts names into a dictionary in their order, and takes them out in the dictionary's. */
export function dictionaryOrder(names: readonly string[]): string[] {
  if (names.length > MAX_NAMES) throw new RangeError(`${names.length} names are too many`);
  let slots: (string | undefined)[] = new Array(LEAST_SLOTS).fill(undefined);
  let used = 0;
  for (const name of names) {
    put(slots, name);
    used++;
    if (used * 3 < slots.length * 2) continue;
    let size = LEAST_SLOTS;
    while (size <= used * 4) size *= 2;
    const old = slots;
    slots = new Array(size).fill(undefined);
    for (const moved of old) if (moved !== undefined) put(slots, moved);
  }
  return slots.filter((name) => name !== undefined);
}

function put(slots: (string | undefined)[], name: string): void {
  const mask = BigInt(slots.length - 1);
  let perturb = hashOf(name);
  let slot = perturb & mask;
  while (slots[Number(slot & mask)] !== undefined) {
    slot = slot * 5n + perturb + 1n;
    perturb >>= PERTURB_SHIFT;
  }
  slots[Number(slot & mask)] = name;
}
