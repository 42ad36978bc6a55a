/**
 * The side that feeds: sends committed rows of a readable cell to a storage that is completing its
 * own. It goes on in the background, and no faster than they are taken, so clients come first.
 */

import {
  AddObject,
  AddTransaction,
  type AnswerFetchObjects,
  type AnswerFetchTransactions,
  type AskFetchObjects,
  type AskFetchTransactions,
  type Codecs,
} from "../../../gen/packets.ts";
import type { Oid, Tid } from "../../codec/ids.ts";
import type { PacketType, Reply } from "../../codec/packet.ts";
import { ConnectionClosedError } from "../../errors.ts";
import type { Connection } from "../../wire/connection.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { ReplicaObject, RevisionKey } from "../backend/backend.ts";
import type { Background, Task } from "../background.ts";
import { NO_CHECKSUM, NO_DATA } from "../checksum.ts";
import type { TransactionContext } from "../transactions/transactions.ts";
import { MAX_FETCH_COUNT, READ_COUNT } from "./limits.ts";

/** What those who serve storages need. */
export interface FeedingContext extends TransactionContext {
  readonly background: Background;
}

/** A request of a storage. What is sent for it has its id. */
export interface FeedingRequest {
  readonly connection: Connection;
  readonly id: number;
}

/** Sends transactions that the peer lacks, as soon as all up to its `maxTid` are unlocked. */
export function serveTransactions(
  context: FeedingContext,
  packet: AskFetchTransactions,
  request: FeedingRequest,
): Reply<AnswerFetchTransactions> {
  const { transactions } = context;
  const feeder = new Feeder(context, packet, request);
  const waiting = { connection: request.connection, what: "replication" };
  return transactions.readLocks.serve(
    waiting,
    () => transactions.lockedUpTo(packet.maxTid).length > 0,
    () => feeder.sendTransactions(packet),
  );
}

/** Sends revisions that the peer lacks. It must have fetched transactions before. */
export function serveObjects(
  context: FeedingContext,
  packet: AskFetchObjects,
  request: FeedingRequest,
): Reply<AnswerFetchObjects> {
  const feeder = new Feeder(context, packet, request);
  if (context.transactions.lockedUpTo(packet.maxTid).length > 0) {
    throw new Refusal("PROTOCOL_ERROR", "transactions must be fetched before objects");
  }
  return feeder.sendObjects(packet);
}

class Feeder {
  readonly #context: FeedingContext;
  readonly #offset: number;
  readonly #count: number;
  readonly #request: FeedingRequest;
  readonly #task: Task;

  constructor(
    context: FeedingContext,
    { partition, length }: { readonly partition: number; readonly length: number },
    request: FeedingRequest,
  ) {
    this.#context = context;
    this.#offset = partition;
    this.#count = Math.min(length, MAX_FETCH_COUNT);
    this.#request = request;
    this.#task = context.background.task({ usesNetwork: true });
    if (length === 0) throw new Refusal("PROTOCOL_ERROR", "nothing is asked for");
    this.#requireReadable("not readable");
  }

  #requireReadable(otherwise: string): void {
    if (!this.#context.assignment.isReadable(this.#offset)) throw this.#lost(otherwise);
  }

  #lost(reason: string): Refusal {
    return new Refusal("REPLICATION_ERROR", `partition ${this.#offset} ${reason}`);
  }

  async sendTransactions(
    { minTid, maxTid, tids }: AskFetchTransactions,
  ): Promise<AnswerFetchTransactions> {
    await this.#pause();
    const { transactions, replica } = this.#context.backend;
    const range = { offset: this.#offset, min: minTid, max: maxTid, count: this.#count + 1 };
    const found = await transactions.range(range);
    const nextTid = found.splice(this.#count)[0] ?? null;
    const known = new Set(tids);
    for (const tid of found) {
      if (known.delete(tid)) continue;
      const row = replica.transaction(tid);
      // Rows that are there at once leave together: each wait would be a write to the network.
      const transaction = row instanceof Promise ? await row : row;
      if (transaction === null) throw this.#lost("dropped");
      this.#send(AddTransaction, transaction);
      if (this.#mustRest) await this.#rest();
    }
    return { packTid: null, nextTid, tids: [...known] };
  }

  async sendObjects(
    { minTid, minOid, maxTid, objects }: AskFetchObjects,
  ): Promise<AnswerFetchObjects> {
    await this.#pause();
    const { replica } = this.#context.backend;
    const range = { offset: this.#offset, minTid, minOid, maxTid, count: this.#count + 1 };
    const found = await replica.revisions(range);
    const next = found.splice(this.#count)[0];
    const known = new Map([...objects].map(([tid, oids]) => [tid, new Set(oids)]));
    const wanted = found.filter((key) => !isKnown(known, key));
    for (let at = 0; at < wanted.length; at += READ_COUNT) {
      await this.#sendTogether(wanted.slice(at, at + READ_COUNT));
    }
    const surplus = [...known].map(([tid, oids]): [Tid, Oid[]] => [tid, [...oids]]);
    return {
      packTid: null,
      nextTid: next?.tid ?? null,
      nextOid: next?.oid ?? null,
      objects: new Map(surplus),
    };
  }

  async #sendTogether(keys: readonly RevisionKey[]): Promise<void> {
    const { replica } = this.#context.backend;
    const rows = replica.objects(keys);
    const objects = rows instanceof Promise ? await rows : rows;
    for (const [at, key] of keys.entries()) {
      const row = objects[at] ?? replica.object(key);
      const object = row instanceof Promise ? await row : row;
      if (object === null) throw this.#lost("dropped or truncated");
      this.#send(AddObject, addObject(object));
      if (this.#mustRest) await this.#rest();
    }
  }

  #send<T>(type: PacketType<T, Codecs>, packet: T): void {
    const { connection, id } = this.#request;
    connection.notifyAs(id, type, packet);
  }

  get #mustRest(): boolean {
    return this.#task.isDue || this.#request.connection.congested;
  }

  /** Waits until the peer has taken what was sent, and for this task's turn. */
  async #rest(): Promise<void> {
    await this.#request.connection.drained();
    await this.#pause();
  }

  async #pause(): Promise<void> {
    await this.#task.pause();
    const { connection } = this.#request;
    if (connection.closed) {
      throw new ConnectionClosedError(`${connection.label} left while it was being fed`);
    }
    this.#requireReadable("dropped");
  }
}

/** Whether a peer has listed a revision, which is then taken off its list. */
function isKnown(known: Map<Tid, Set<Oid>>, { tid, oid }: RevisionKey): boolean {
  const oids = known.get(tid);
  if (oids === undefined || !oids.delete(oid)) return false;
  if (oids.size === 0) known.delete(tid);
  return true;
}

function addObject({ oid, tid, value, valueTid }: ReplicaObject): AddObject {
  return {
    oid,
    serial: tid,
    compression: value?.compression ?? false,
    checksum: value?.checksum ?? NO_CHECKSUM,
    data: value?.data ?? NO_DATA,
    dataSerial: valueTid,
  };
}
