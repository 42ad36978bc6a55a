/** A fresh client looks for everything that was acknowledged, and for what nobody was told of. */

import { hexId, type Oid, type Tid } from "../../../nodes/codec/ids.ts";
import { CreationUndoneError } from "../../../nodes/client/errors.ts";
import type { RecordedClient } from "../workloads/recorded_client.ts";

/** Throws when something that was acknowledged is not there byte for byte. */
export async function audit(auditor: RecordedClient): Promise<void> {
  await auditor.sync();
  const { client, recorder } = auditor;
  for (const { tid, stores, checks } of recorder.acknowledged) {
    const { oids } = await client.transaction(tid);
    assertSame(new Set(oids), new Set([...stores.keys(), ...checks]), tid);
    for (const [oid, data] of stores) {
      const found = await dataAt(auditor, oid, tid);
      if (!sameBytes(found, data)) {
        throw new Error(`${hexId(oid)} at ${hexId(tid)} has other data than were acknowledged`);
      }
    }
  }
  const seen = new Set<Tid>();
  let last: Tid | null = null;
  for await (const transaction of client.transactions()) {
    const { tid } = transaction;
    if (last !== null && tid <= last) throw new Error(`${hexId(tid)} comes after ${hexId(last)}`);
    last = tid;
    seen.add(tid);
    for await (const { oid, data } of client.records(transaction)) recorder.found(oid, tid, data);
  }
  for (const { tid } of recorder.acknowledged) {
    if (!seen.has(tid)) throw new Error(`the acknowledged ${hexId(tid)} is not listed`);
  }
}

async function dataAt(
  { client }: RecordedClient,
  oid: Oid,
  tid: Tid,
): Promise<Uint8Array | null> {
  try {
    return (await client.loadSerial(oid, tid)).data;
  } catch (error) {
    if (error instanceof CreationUndoneError) return null;
    throw error;
  }
}

function assertSame(found: ReadonlySet<Oid>, expected: ReadonlySet<Oid>, tid: Tid): void {
  if (found.size === expected.size && [...found].every((oid) => expected.has(oid))) return;
  throw new Error(`${hexId(tid)} has ${[...found]}, not the acknowledged ${[...expected]}`);
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
