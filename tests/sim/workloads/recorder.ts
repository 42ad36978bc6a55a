/**
 * Writes the history of a run, and the data that were stored. Each write gets a tag of its own, so
 * that no two writes have the same data, and whoever reads data can tell who wrote them.
 */

import { createHash } from "node:crypto";
import type { Client } from "../../../nodes/client/client.ts";
import type { Conflict } from "../../../nodes/client/conflicts.ts";
import { type Oid, type Tid, ZERO_TID } from "../../../nodes/codec/ids.ts";
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
  /** What it said of itself. */
  readonly description: string;
}

export class Recorder {
  readonly acknowledged: Acknowledged[] = [];
  readonly #data = new Map<string, Map<Oid, Uint8Array | null>>();
  readonly #uncertain = new Set<Oid>();
  readonly #checks = new Map<string, Oid[]>();
  readonly counts = {
    committed: 0,
    aborted: 0,
    unknown: 0,
    readOnly: 0,
    reads: 0,
    resolutions: 0,
  };
  readonly #events: HistoryEvent[] = [];
  readonly #descriptions = new Map<string, string>();
  /** The snapshots of transactions that have not ended, and whose they are. */
  readonly #open = new Map<string, { readonly client: string; readonly snapshot: Tid }>();
  #waiting: { readonly kind: HistoryEvent["kind"]; readonly resolve: () => void }[] = [];
  #packTid = ZERO_TID;
  /**
   * Whether somebody has ordered to compare replicas. Nobody may pack from then on, since such an
   * order may be late, and a replica that is away during a pack differs from the others.
   */
  comparesReplicas = false;
  #writes = 0;
  #syncs = 0;
  #transactions = 0;
  #steps = 0;

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  #record(event: HistoryEvent): void {
    this.#events.push(event);
    const told = this.#waiting.filter(({ kind }) => kind === event.kind);
    if (told.length === 0) return;
    this.#waiting = this.#waiting.filter(({ kind }) => kind !== event.kind);
    for (const { resolve } of told) resolve();
  }

  /** Resolves when something of a kind happens next. */
  next(kind: HistoryEvent["kind"]): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ kind, resolve }));
  }

  /** Objects that were perhaps stored by transactions of which nobody was told. */
  get uncertain(): ReadonlySet<Oid> {
    const open = [...this.#open.keys()].flatMap((tx) => [...this.#data.get(tx)?.keys() ?? []]);
    return new Set([...this.#uncertain, ...open]);
  }

  /** Up to where revisions may have been packed that were followed by others by then. */
  get packTid(): Tid {
    return this.#packTid;
  }

  /**
   * Somebody packs. Returns up to where he may: none of the clients, who are all that live, looks
   * further back any more.
   */
  packs(clients: ReadonlyMap<string, Client>): Tid {
    const snapshots = [...this.#open.values()].filter(({ client }) => clients.has(client))
      .map(({ snapshot }) => snapshot);
    const known = [...clients.values()].map(({ lastTid }) => lastTid);
    const tid = [...snapshots, ...known].reduce((a, b) => a < b ? a : b);
    if (tid > this.#packTid) this.#packTid = tid;
    this.#record({ kind: "pack", tid });
    return tid;
  }

  /** A client was opened: it is listened to from now on. */
  opened(name: string, client: Client): void {
    this.#record({ kind: "open", client: name, lastTid: client.lastTid });
    client.onInvalidate(({ tid, oids }) => {
      this.#record({ kind: "invalidation", client: name, tid, oids });
    });
  }

  /** A text for a transaction, or for all attempts at one, that no other has. */
  describe(client: string): string {
    return `step ${++this.#steps} of ${client}`;
  }

  /** A transaction begins. Returns its name. */
  begin(
    client: string,
    { snapshot, description }: { readonly snapshot: Tid; readonly description: string },
  ): string {
    const tx = `${client}.${++this.#transactions}`;
    this.#descriptions.set(tx, description);
    this.#record({ kind: "begin", client, tx, snapshot });
    this.#open.set(tx, { client, snapshot });
    this.#data.set(tx, new Map());
    this.#checks.set(tx, []);
    return tx;
  }

  read(tx: string, oid: Oid, found: { readonly serial: Tid; readonly data: Uint8Array | null }) {
    this.counts.reads++;
    const { serial, data } = found;
    this.#record({ kind: "read", tx, oid, serial, digest: digestOf(data) });
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

  /** A transaction undoes others: an object has data again that it had before. */
  undo(tx: string, oid: Oid, { base, data }: {
    readonly base: Tid;
    readonly data: Uint8Array | null;
  }): void {
    this.#data.get(tx)?.set(oid, data);
    this.#record({ kind: "store", tx, oid, base, digest: digestOf(data), undoes: true });
  }

  #stored(tx: string, oid: Oid, { base, data }: {
    readonly base: Tid;
    readonly data: Uint8Array | null;
  }): void {
    this.#data.get(tx)?.set(oid, data);
    this.#record({ kind: "store", tx, oid, base, digest: digestOf(data) });
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
    this.#record({ kind: "check", tx, oid, serial });
  }

  /** A client's conflict resolver. */
  resolve({ oid, old, saved, new: mine }: Conflict, merge: Merge): Uint8Array {
    this.counts.resolutions++;
    const { tx } = decode(mine);
    const value = merge({ old: valueOf(old), saved: valueOf(saved), mine: valueOf(mine) });
    const data = this.#encode(tx, value);
    this.#data.get(tx)?.set(oid, data);
    this.#record({
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
    this.#record({ kind: "finish", tx });
  }

  end(tx: string, outcome: Tid | "aborted" | "unknown"): void {
    this.#open.delete(tx);
    this.#record({ kind: "end", tx, outcome });
    const stores = this.#data.get(tx) ?? new Map<Oid, Uint8Array | null>();
    if (typeof outcome !== "bigint") {
      this.counts[outcome]++;
      if (outcome === "unknown") { for (const oid of stores.keys()) this.#uncertain.add(oid); }
      return;
    }
    this.counts.committed++;
    const [checks, description] = [this.#checks.get(tx) ?? [], this.#descriptions.get(tx) ?? ""];
    this.acknowledged.push({ tid: outcome, stores, checks, description });
  }

  /** A transaction ended that has changed nothing, and relied on nothing. */
  readOnly(tx: string): void {
    this.#open.delete(tx);
    this.counts.readOnly++;
  }

  /** Follows a client that asks for everything that was committed. */
  async sync(name: string, client: Client): Promise<void> {
    const sync = ++this.#syncs;
    this.#record({ kind: "sync", client: name, sync });
    await client.sync();
    this.#record({ kind: "synced", client: name, sync });
  }

  /** The database has a revision. */
  found(oid: Oid, serial: Tid, data: Uint8Array | null): void {
    this.#record({ kind: "found", oid, serial, digest: digestOf(data) });
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
