/**
 * Counters in objects, which many transactions increase at the same time: whatever happens on the
 * way, the sum of all counters is the number of increments that were committed.
 */

import assert from "node:assert/strict";
import { type Client, type Conflict, ConflictError, type Oid, TransientError } from "../../mod.ts";

/** A counter as object data. */
export function encodeCounter(value: number): Uint8Array {
  return new TextEncoder().encode(String(value));
}

export function decodeCounter(data: Uint8Array): number {
  return Number(new TextDecoder().decode(data));
}

/** Unites two increments of the same counter. */
export function resolveCounter({ old, saved, new: mine }: Conflict): Uint8Array {
  return encodeCounter(decodeCounter(saved) + decodeCounter(mine) - decodeCounter(old));
}

export async function createCounters(client: Client, count: number): Promise<Oid[]> {
  return await client.transact(async (tx) => {
    const oids: Oid[] = [];
    while (oids.length < count) oids.push(await tx.create(encodeCounter(0)));
    return oids;
  });
}

export async function readCounters(client: Client, oids: readonly Oid[]): Promise<number> {
  await client.sync();
  const values = await Promise.all(oids.map(async (oid) => (await client.load(oid)).data));
  return values.map(decodeCounter).reduce((sum, value) => sum + value, 0);
}

/** Increments that were tried, by what became of them. */
export interface Tally {
  committed: number;
  conflicts: number;
  failures: number;
}

/**
 * Increases some counters by one in one transaction, in the given order, which different workers
 * should not agree on.
 */
export async function increment(
  client: Client,
  oids: readonly Oid[],
  tally: Tally,
): Promise<void> {
  try {
    await using tx = await client.begin();
    for (const oid of oids) {
      const { data, serial } = await client.load(oid);
      await tx.store(oid, { data: encodeCounter(decodeCounter(data) + 1), serial });
    }
    await tx.finish();
    tally.committed += oids.length;
  } catch (error) {
    if (error instanceof ConflictError) tally.conflicts++;
    else if (error instanceof TransientError) tally.failures++;
    else throw error;
  }
}

/** Some of `items`, in an order that is different each time. */
export function someOf<T>(items: readonly T[], count: number, random: () => number): T[] {
  assert.ok(count <= items.length);
  const left = [...items];
  return Array.from({ length: count }, () => {
    const [taken] = left.splice(Math.floor(random() * left.length), 1);
    assert.ok(taken !== undefined);
    return taken;
  });
}
