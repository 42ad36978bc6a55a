/**
 * A transaction that has begun and is neither committed nor aborted. Its client stores under its
 * ttid; once it asks to finish, the transaction is prepared: it has a final tid, and it will be
 * committed whatever happens to the client.
 */

import type { AnswerFinalTID, AnswerTransactionFinished } from "../../gen/packets.ts";
import { nidText } from "../cluster/node_ids.ts";
import { hexId, type Nid, type Oid, type Tid, ZERO_TID } from "../codec/ids.ts";
import { LaterAnswer } from "../codec/packet.ts";
import type { KnownNode } from "./nodes.ts";

/** A storage was asked for a sign that it has saved the table as it was then. */
export interface Saving {
  readonly storage: KnownNode;
}

/** What a transaction gets when its client asks to finish it. */
export interface Preparation {
  readonly tid: Tid;
  /** The objects that were stored, which other clients have to forget. */
  readonly oids: readonly Oid[];
  /** The storages that take part in the commit. */
  readonly involved: Set<KnownNode>;
  /** Storages with cells of it that are newer: they replicate it, and drop what they have of it. */
  readonly late: ReadonlySet<KnownNode>;
  /** Those that take part and have not locked it yet. */
  readonly waiting: Set<KnownNode>;
  /** Those that take part and may not have saved the table without one that was lost meanwhile. */
  readonly saving: Set<Saving>;
  readonly answer: LaterAnswer<AnswerTransactionFinished>;
}

const NONE: ReadonlySet<Nid> = new Set();

export class Transaction {
  /** Null when it is gone, which no prepared transaction minds. */
  client: KnownNode | null;
  /** Its place among those that want the same lock; grows at each deadlock. */
  lockingTid: Tid = ZERO_TID;
  /** Storages that the client could not vote on, and that may be disconnected for it. */
  failed: ReadonlySet<Nid> = NONE;
  prepared: Preparation | null = null;
  #replicating: Set<KnownNode> | null = null;
  #asked: LaterAnswer<AnswerFinalTID>[] | null = null;

  constructor(
    readonly ttid: Tid,
    client: KnownNode,
    /** Which storages are expected to have it in full: those that were ready then. */
    readonly moment: number,
    /** Whether the client chose the final tid, which is the ttid. */
    readonly imported: boolean,
  ) {
    this.client = client;
  }

  /** What it is and what it waits for, in a line for people. */
  describe(): string {
    const { ttid, client, prepared } = this;
    const stage = prepared === null ? "began" : `commits, ${waitText(prepared)}`;
    return `transaction ${hexId(ttid)} of ${nidText(client?.nid ?? null)} ${stage}`;
  }

  /** Storages that replicate and wait for the end of this transaction. */
  get replicating(): Iterable<KnownNode> {
    return this.#replicating ?? [];
  }

  isReplicatedBy(storage: KnownNode): boolean {
    return this.#replicating?.has(storage) ?? false;
  }

  /** A storage that replicates is told of the end. */
  tellReplicating(storage: KnownNode): void {
    this.#replicating ??= new Set();
    this.#replicating.add(storage);
  }

  /** A client that was cut off while it finished this transaction is told of the end. */
  finalTid(): LaterAnswer<AnswerFinalTID> {
    const answer = new LaterAnswer<AnswerFinalTID>();
    this.#asked ??= [];
    this.#asked.push(answer);
    return answer;
  }

  /** Tells all who asked for the final tid; null for a transaction that was aborted. */
  answerFinalTid(tid: Tid | null): void {
    for (const answer of this.#asked ?? []) answer.give({ tid });
  }

  /**
   * A storage that is gone neither locks nor is told anything. Returns whether it may lack the
   * transaction, since it has not locked it.
   */
  storageLost(storage: KnownNode): boolean {
    this.#replicating?.delete(storage);
    const { prepared } = this;
    if (prepared === null) return false;
    prepared.involved.delete(storage);
    for (const saving of prepared.saving) {
      if (saving.storage === storage) prepared.saving.delete(saving);
    }
    return prepared.waiting.delete(storage);
  }

  /** Whether it can be committed. */
  get locked(): boolean {
    const { prepared } = this;
    return prepared !== null && prepared.waiting.size === 0 && prepared.saving.size === 0;
  }
}

function waitText({ waiting, saving }: Preparation): string {
  if (waiting.size > 0) return `not locked yet by: ${nidsText(waiting)}`;
  if (saving.size === 0) return "after those before it";
  const storages = [...saving].map(({ storage }) => storage);
  return `the loss of a storage not saved yet by: ${nidsText(storages)}`;
}

function nidsText(storages: Iterable<KnownNode>): string {
  return [...new Set(storages)].map(({ nid }) => nidText(nid)).join(" ");
}
