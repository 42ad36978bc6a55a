/**
 * Undoing a transaction within another one: objects that were not changed since go back to the
 * revision before; for others, the application's conflict resolver may unite what came since with
 * the undoing.
 */

import { AskObjectUndoSerial, type UndoSerial } from "../../gen/packets.ts";
import { hexId, type Oid, type Tid } from "../codec/ids.ts";
import { PeerError } from "../wire/refusal.ts";
import { assertNotAborted } from "./abortable.ts";
import { fromPeer, NotFoundError, UndoError } from "./errors.ts";
import { History } from "./history.ts";
import { after } from "./loads.ts";
import { inParallel } from "./parallel.ts";
import type { Parts } from "./parts.ts";
import type { CallOptions } from "./options.ts";
import type { Writer } from "./writer.ts";
import { newWrite, type Write } from "./writes.ts";

/**
 * Stores what undoes a transaction, or nothing when it can't be undone. Resolves with the objects
 * that it concerns.
 */
export async function undo(
  parts: Parts,
  { writer, undone }: { readonly writer: Writer; readonly undone: Tid },
  { signal }: CallOptions,
): Promise<Oid[]> {
  // What this transaction has stored so far counts as current: the storages must have it.
  await writer.settled(signal);
  const { oids } = await new History(parts).transaction(undone, { signal });
  const stored = await inParallel(oids, (oid) => isStoredBy(parts, { oid, undone }, signal));
  const concerned = oids.filter((_, at) => stored[at]);
  const writes: Write[] = [];
  for (const group of byPartition(concerned, writer)) {
    const serials = await undoSerials(parts, { writer, undone, oids: group }, signal);
    for (const oid of group) {
      const serial = serials.get(oid);
      if (serial === undefined) throw notUndoable(undone, `nothing is known of ${hexId(oid)}`);
      writes.push(await undoing(parts, { writer, undone, oid, serial }, signal));
    }
  }
  for (const write of writes) await writer.send(write, signal);
  await writer.settled(signal);
  return concerned;
}

/**
 * Whether a transaction stored an object, or only relied on its being current: NEO 1.11 does not
 * survive the question how to undo the latter.
 */
async function isStoredBy(
  parts: Parts,
  { oid, undone }: { readonly oid: Oid; readonly undone: Tid },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const found = await parts.loads.find({ oid, at: null, before: after(undone) }, { signal });
    return found.serial === undone;
  } catch (error) {
    if (error instanceof NotFoundError) throw notUndoable(undone, "it was packed", error);
    throw error;
  }
}

function notUndoable(undone: Tid, reason: string, cause?: unknown): UndoError {
  return new UndoError(`transaction ${hexId(undone)} can't be undone: ${reason}`, { cause });
}

function byPartition(oids: readonly Oid[], { session: { table } }: Writer): Oid[][] {
  const groups = new Map<number, Oid[]>();
  for (const oid of oids) {
    const partition = table.partition(oid);
    const group = groups.get(partition);
    if (group === undefined) groups.set(partition, [oid]);
    else group.push(oid);
  }
  return [...groups.values()];
}

async function undoSerials(
  parts: Parts,
  { writer, undone, oids }: {
    readonly writer: Writer;
    readonly undone: Tid;
    readonly oids: readonly Oid[];
  },
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<Oid, UndoSerial>> {
  const [first] = oids;
  if (first === undefined) return new Map();
  const ltid = after(parts.view.lastTid);
  try {
    return await parts.reads.ask({
      where: first,
      type: AskObjectUndoSerial,
      packet: { ttid: writer.ttid, ltid, undoneTid: undone, oids },
      accept: ({ undoSerials }) => undoSerials,
      avoid: (nid) => writer.participants.isLost(nid),
    }, { signal });
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    if (error.code === "OID_NOT_FOUND") throw notUndoable(undone, "it was packed", error);
    throw fromPeer(error, "undo");
  }
}

/** What to store so as to undo what a transaction did to one object. */
async function undoing(
  parts: Parts,
  { writer, undone, oid, serial: { currentSerial: base, undoSerial, isCurrent } }: {
    readonly writer: Writer;
    readonly undone: Tid;
    readonly oid: Oid;
    readonly serial: UndoSerial;
  },
  signal: AbortSignal | undefined,
): Promise<Write> {
  const write = { oid, kind: "store" as const, base };
  if (isCurrent) return newWrite({ ...write, data: null, dataSerial: undoSerial });
  const { resolveConflict } = parts.options;
  const changed = `object ${hexId(oid)} was changed by a later transaction`;
  if (resolveConflict === undefined || undoSerial === null) throw notUndoable(undone, changed);
  let data: Uint8Array;
  try {
    const old = await parts.loads.loadSerial(oid, undone, { signal });
    const wanted = await parts.loads.loadSerial(oid, undoSerial, { signal });
    const saved = base === writer.ttid
      ? writer.writes.get(oid)?.data?.slice()
      : (await parts.loads.loadSerial(oid, base, { signal })).data;
    if (saved === undefined) throw notUndoable(undone, changed);
    data = await resolveConflict({ oid, old: old.data, saved, new: wanted.data });
  } catch (cause) {
    assertNotAborted(signal);
    throw notUndoable(undone, changed, cause);
  }
  return newWrite({ ...write, data, dataSerial: null });
}
