/** A fresh client looks for everything that was acknowledged, and for what nobody was told of. */

import { hexId, type Oid, type Tid } from "../../../nodes/codec/ids.ts";
import { CreationUndoneError, NotFoundError } from "../../../nodes/client/errors.ts";
import type { Client } from "../../../nodes/client/client.ts";
import type { RecordedClient } from "../workloads/recorded_client.ts";
import type { Acknowledged, Recorder } from "../workloads/recorder.ts";

const decoder = new TextDecoder();

/** Who looks, and what there should be. */
export interface Auditor {
  readonly client: Client;
  readonly recorder: Recorder;
}

/** Throws when something that was acknowledged is not there byte for byte. */
export async function audit(auditor: RecordedClient): Promise<void> {
  const { recorder } = auditor;
  await auditor.sync();
  // Others may go on meanwhile.
  const acknowledged = [...recorder.acknowledged];
  await auditAcknowledged(auditor, acknowledged);
  const seen = await list(auditor, (oid, tid, data) => recorder.found(oid, tid, data));
  for (const { tid } of acknowledged) {
    if (!seen.has(tid)) throw new Error(`the acknowledged ${hexId(tid)} is not listed`);
  }
}

/** Throws when something of these transactions is not there byte for byte. */
export async function auditAcknowledged(
  auditor: Auditor,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  const { packTid, uncertain } = auditor.recorder;
  const replaced = replacedBefore(acknowledged, packTid);
  for (const { tid, stores, checks, description } of acknowledged) {
    const found = await auditor.client.transaction(tid);
    assertSame(new Set(found.oids), new Set([...stores.keys(), ...checks]), tid);
    const text = decoder.decode(found.description);
    if (text !== description) {
      throw new Error(`${hexId(tid)} calls itself "${text}", not "${description}"`);
    }
    for (const [oid, data] of stores) {
      const found = await dataAt(auditor, oid, tid);
      // What was packed may be gone, if something came after it or nothing was left.
      const isReplaced = (replaced.get(oid) ?? tid) > tid || uncertain.has(oid);
      const mayBeGone = tid <= packTid && (data === null || isReplaced);
      if (found === undefined ? mayBeGone : sameBytes(found, data)) continue;
      const what = found === undefined ? "is gone" : "has other data than were acknowledged";
      throw new Error(`${hexId(oid)} at ${hexId(tid)} ${what}`);
    }
  }
}

/** The last revision of each object that is not after a tid. */
function replacedBefore(acknowledged: readonly Acknowledged[], limit: Tid): Map<Oid, Tid> {
  const last = new Map<Oid, Tid>();
  for (const { tid, stores } of acknowledged) {
    if (tid > limit) continue;
    for (const oid of stores.keys()) if (tid > (last.get(oid) ?? 0n)) last.set(oid, tid);
  }
  return last;
}

/** Goes through the whole history, in its order. Returns the tids. */
export async function list(
  { client }: Auditor,
  found: (oid: Oid, tid: Tid, data: Uint8Array | null) => void,
): Promise<ReadonlySet<Tid>> {
  const seen = new Set<Tid>();
  let last: Tid | null = null;
  for await (const transaction of client.transactions()) {
    const { tid } = transaction;
    if (last !== null && tid <= last) throw new Error(`${hexId(tid)} comes after ${hexId(last)}`);
    last = tid;
    seen.add(tid);
    for await (const { oid, data } of client.records(transaction)) found(oid, tid, data);
  }
  return seen;
}

/** The data of a revision: null for a deletion, undefined where there is none. */
async function dataAt(
  { client }: Auditor,
  oid: Oid,
  tid: Tid,
): Promise<Uint8Array | null | undefined> {
  try {
    return (await client.loadSerial(oid, tid)).data;
  } catch (error) {
    if (error instanceof CreationUndoneError) return null;
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

function assertSame(found: ReadonlySet<Oid>, expected: ReadonlySet<Oid>, tid: Tid): void {
  if (found.size === expected.size && [...found].every((oid) => expected.has(oid))) return;
  throw new Error(`${hexId(tid)} has ${[...found]}, not the acknowledged ${[...expected]}`);
}

/** Whether data are the same, byte for byte. */
export function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
