/**
 * Writes the history of a run, and the data that were stored. Each write gets a tag of its own, so
 * that no two writes have the same data, and whoever reads data can tell who wrote them.
 */

import { createHash } from "node:crypto";
import type { Client } from "../../../nodes/client/client.ts";
import type { Conflict } from "../../../nodes/client/conflicts.ts";
import type { Oid, Tid } from "../../../nodes/codec/ids.ts";
import type { Digest, HistoryEvent } from "../isolation/history.ts";

/** What the objects of workloads hold: anything that JSON can. */
export type Value = number | string | readonly Value[] | { readonly [name: string]: Value };

/** Unites two changes of a value. */
export type Merge = (values: {
  readonly old: Value;
  readonly saved: Value;
  readonly mine: Value;
}) => Value;

interface Tagged {
  /** The transaction that wrote it, and a number that makes it unique. */
  readonly tx: string;
  readonly write: number;
  readonly value: Value;
  /** Makes some objects big. */
  readonly padding?: string;
}

/** Every so many writes, the object is big, so that it is compressed and weighs in caches. */
const BIG_EVERY = 7;
const BIG_BYTES = 3000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A revision that a transaction was told to have stored. */
export interface Acknowledged {
  readonly tid: Tid;
  readonly stores: ReadonlyMap<Oid, Uint8Array | null>;
  readonly checks: readonly Oid[];
}

export class Recorder {
  readonly events: HistoryEvent[] = [];
  readonly acknowledged: Acknowledged[] = [];
  readonly #data = new Map<string, Map<Oid, Uint8Array | null>>();
  readonly #checks = new Map<string, Oid[]>();
  readonly counts = {
    committed: 0,
    aborted: 0,
    unknown: 0,
    readOnly: 0,
    reads: 0,
    resolutions: 0,
  };
  #writes = 0;
  #syncs = 0;
  #transactions = 0;

  /** A client was opened: it is listened to from now on. */
  opened(name: string, client: Client): void {
    this.events.push({ kind: "open", client: name, lastTid: client.lastTid });
    client.onInvalidate(({ tid, oids }) => {
      this.events.push({ kind: "invalidation", client: name, tid, oids });
    });
  }

  /** A transaction begins. Returns its name. */
  begin(client: string, snapshot: Tid): string {
    const tx = `${client}.${++this.#transactions}`;
    this.events.push({ kind: "begin", client, tx, snapshot });
    this.#data.set(tx, new Map());
    this.#checks.set(tx, []);
    return tx;
  }

  read(tx: string, oid: Oid, found: { readonly serial: Tid; readonly data: Uint8Array | null }) {
    this.counts.reads++;
    const { serial, data } = found;
    this.events.push({ kind: "read", tx, oid, serial, digest: digestOf(data) });
  }

  /** A transaction stores a value, or deletes an object. Returns the data. */
  store(tx: string, oid: Oid, { base, value }: { readonly base: Tid; readonly value: Value }) {
    const data = this.#encode(tx, value);
    this.#stored(tx, oid, { base, data });
    return data;
  }

  delete(tx: string, oid: Oid, base: Tid): void {
    this.#stored(tx, oid, { base, data: null });
  }

  #stored(tx: string, oid: Oid, { base, data }: {
    readonly base: Tid;
    readonly data: Uint8Array | null;
  }): void {
    this.#data.get(tx)?.set(oid, data);
    this.events.push({ kind: "store", tx, oid, base, digest: digestOf(data) });
  }

  #encode(tx: string, value: Value): Uint8Array {
    const write = ++this.#writes;
    const tagged: Tagged = { tx, write, value };
    const isBig = write % BIG_EVERY === 0;
    const padding = isBig ? { padding: `${write} `.repeat(BIG_BYTES / 5) } : {};
    return encoder.encode(JSON.stringify({ ...tagged, ...padding }));
  }

  check(tx: string, oid: Oid, serial: Tid): void {
    this.#checks.get(tx)?.push(oid);
    this.events.push({ kind: "check", tx, oid, serial });
  }

  /** A client's conflict resolver. */
  resolve({ oid, old, saved, new: mine }: Conflict, merge: Merge): Uint8Array {
    this.counts.resolutions++;
    const { tx } = decode(mine);
    const value = merge({ old: valueOf(old), saved: valueOf(saved), mine: valueOf(mine) });
    const data = this.#encode(tx, value);
    this.#data.get(tx)?.set(oid, data);
    this.events.push({
      kind: "resolve",
      tx,
      oid,
      old: digestOf(old),
      saved: digestOf(saved),
      digest: digestOf(data),
    });
    return data;
  }

  finish(tx: string): void {
    this.events.push({ kind: "finish", tx });
  }

  end(tx: string, outcome: Tid | "aborted" | "unknown"): void {
    this.events.push({ kind: "end", tx, outcome });
    if (typeof outcome !== "bigint") {
      this.counts[outcome]++;
      return;
    }
    this.counts.committed++;
    const stores = this.#data.get(tx) ?? new Map<Oid, Uint8Array>();
    this.acknowledged.push({ tid: outcome, stores, checks: this.#checks.get(tx) ?? [] });
  }

  /** A transaction ended that has changed nothing, and relied on nothing. */
  readOnly(): void {
    this.counts.readOnly++;
  }

  /** Follows a client that asks for everything that was committed. */
  async sync(name: string, client: Client): Promise<void> {
    const sync = ++this.#syncs;
    this.events.push({ kind: "sync", client: name, sync });
    await client.sync();
    this.events.push({ kind: "synced", client: name, sync });
  }

  /** The database has a revision. */
  found(oid: Oid, serial: Tid, data: Uint8Array | null): void {
    this.events.push({ kind: "found", oid, serial, digest: digestOf(data) });
  }
}

function digestOf(data: Uint8Array | null): Digest {
  return data === null ? null : createHash("sha1").update(data).digest("hex");
}

function decode(data: Uint8Array): Tagged {
  return JSON.parse(decoder.decode(data));
}

/** The value in an object's data. */
export function valueOf(data: Uint8Array): Value {
  return decode(data).value;
}
