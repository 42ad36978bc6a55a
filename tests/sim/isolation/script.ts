/** Hand-made histories, in short. */

import { oid as asOid, type Tid, tid as asTid } from "../../../nodes/codec/ids.ts";
import { checkIsolation } from "./checker.ts";
import type { Digest, HistoryEvent, Rule } from "./history.ts";

export const A = asOid(1n);
export const B = asOid(2n);

function t(number: number): Tid {
  return asTid(BigInt(number));
}

export const begin = (tx: string, snapshot: number, client = "c"): HistoryEvent => ({
  kind: "begin",
  client,
  tx,
  snapshot: t(snapshot),
});
export const read = (tx: string, oid: typeof A, serial: number, digest: Digest): HistoryEvent => ({
  kind: "read",
  tx,
  oid,
  serial: t(serial),
  digest,
});
export const store = (tx: string, oid: typeof A, base: number, digest: Digest): HistoryEvent => ({
  kind: "store",
  tx,
  oid,
  base: t(base),
  digest,
});
export const check = (tx: string, oid: typeof A, serial: number): HistoryEvent => ({
  kind: "check",
  tx,
  oid,
  serial: t(serial),
});
export const finish = (tx: string): HistoryEvent => ({ kind: "finish", tx });
export const end = (tx: string, outcome: number | "aborted" | "unknown"): HistoryEvent => ({
  kind: "end",
  tx,
  outcome: typeof outcome === "number" ? t(outcome) : outcome,
});
export const commit = (tx: string, tid: number): HistoryEvent[] => [finish(tx), end(tx, tid)];
export const told = (client: string, tid: number, oids: (typeof A)[] | null): HistoryEvent => ({
  kind: "invalidation",
  client,
  tid: t(tid),
  oids,
});
export const open = (client: string, lastTid = 0): HistoryEvent => ({
  kind: "open",
  client,
  lastTid: t(lastTid),
});
export const resolve = (
  tx: string,
  oid: typeof A,
  [old, saved, digest]: [Digest, Digest, Digest],
) => ({
  kind: "resolve" as const,
  tx,
  oid,
  old,
  saved,
  digest,
});
export const found = (oid: typeof A, serial: number, digest: Digest): HistoryEvent => ({
  kind: "found",
  oid,
  serial: t(serial),
  digest,
});
export const sync = (client: string, kind: "sync" | "synced"): HistoryEvent => ({
  kind,
  client,
  sync: 1,
});

/** A has a1 from transaction 10 on, B has b1. Clients c and d know of that. */
export const CREATED: readonly HistoryEvent[] = [
  open("maker"),
  begin("make", 0, "maker"),
  store("make", A, 0, "a1"),
  store("make", B, 0, "b1"),
  ...commit("make", 10),
  open("c", 10),
  open("d", 10),
];

/** Which rules a history breaks that begins as above. */
export function rulesBroken(events: readonly HistoryEvent[]): Rule[] {
  return checkIsolation([...CREATED, ...events]).map(({ rule }) => rule);
}
