/**
 * The comparison of one partition's replicas: all are asked for checksums of the same rows, first
 * of transactions, then of revisions, a range at a time. Those that differ are told to the master.
 * With a source to trust, only those that differ from it are wrong; without, nobody knows which.
 * Nothing is repaired.
 */

import {
  type AnswerCheckSerialRange,
  type AnswerCheckTIDRange,
  AskCheckSerialRange,
  AskCheckTIDRange,
  type CheckPartition,
  type Codecs,
  NotifyPartitionCorrupted,
} from "../../../gen/packets.ts";
import { sameAddress } from "../../cluster/addresses.ts";
import { nidText } from "../../cluster/node_ids.ts";
import { hexId, type Nid, tidAfter, ZERO_OID } from "../../codec/ids.ts";
import { LaterAnswer, type RequestType } from "../../codec/packet.ts";
import { DatabaseError, NeoError } from "../../errors.ts";
import { decodeText } from "../../wire/text.ts";
import type { RevisionKey } from "../backend/backend.ts";
import type { Background } from "../background.ts";
import type { Link } from "../links/link.ts";
import type { Links, Target } from "../links/links.ts";
import { revisionAfter } from "../positions.ts";
import type { Session } from "../session.ts";
import type { Transactions } from "../transactions/transactions.ts";
import { DamagedCellError, reportDamage } from "./damage.ts";
import { CHECK_COUNT } from "./limits.ts";
import { checkSerialRange, checkTidRange, type RangeContext } from "./ranges.ts";

/** What checks of replicas work with. */
export interface CheckerOptions {
  readonly session: Session;
  readonly transactions: Transactions;
  readonly background: Background;
  readonly links: Links;
}

export interface PartitionCheckOptions extends CheckerOptions {
  readonly order: CheckPartition;
  isOver(): boolean;
  /** Called when not enough replicas that agree are left. */
  allDiffer(): void;
}

/** A replica that takes part. */
interface Replica {
  /** Null for one of the upstream cluster. */
  readonly nid: Nid | null;
  /** Null for this node's own. */
  readonly link: Link | null;
}

/** Replicas that there must be to compare any. */
const LEAST_REPLICAS = 2;

/** One kind of question. */
interface Question<T, A> {
  readonly type: RequestType<T, A, Codecs>;
  readonly packet: T;
  own(context: RangeContext, packet: T): Promise<A>;
  isSame(a: A, b: A): boolean;
}

export class PartitionCheck {
  readonly #options: PartitionCheckOptions;
  #replicas: Replica[] = [];
  #source: Replica | null = null;

  constructor(options: PartitionCheckOptions) {
    this.#options = options;
  }

  /** Resolves when the check has ended, however it did. Rejects when this node failed. */
  async run(): Promise<void> {
    const { order: { partition, minTid, maxTid } } = this.#options;
    try {
      const problem = await this.#connect() ?? await this.#compare();
      if (this.#options.isOver()) return;
      if (problem !== null) {
        this.#log("WARNING", `the check of partition ${partition} was given up: ${problem}`);
      } else {
        const range = `${hexId(minTid)} to ${hexId(maxTid)}`;
        this.#log("INFO", `partition ${partition} was checked from ${range}`);
      }
    } finally {
      for (const { link } of this.#replicas) link?.release();
    }
  }

  #log(level: "INFO" | "WARNING", message: string): void {
    this.#options.session.log(level, message);
  }

  /** Gets all replicas together. Resolves with what prevents that, or null. */
  async #connect(): Promise<string | null> {
    const { session: { assignment, nodes, options: { cluster } }, order } = this.#options;
    const { partition, source } = order;
    if (this.#isOwnGone()) return "it is discarded or out of date here";
    const targets: Target[] = [];
    for (const { nid } of assignment.table.readableCells(partition)) {
      const address = nid === assignment.nid ? null : nodes.get(nid)?.address ?? null;
      if (address !== null) targets.push({ nid, address, cluster });
    }
    const upstream = decodeText(source.upstreamName);
    const { address } = source;
    if (address !== null && upstream !== "") {
      targets.push({ nid: null, address, cluster: upstream });
    }
    this.#replicas = [{ nid: assignment.nid, link: null }];
    await Promise.all(targets.map((target) => this.#join(target)));
    if (address !== null) {
      this.#source = this.#replicas.find(({ nid }) =>
        upstream === ""
          ? nid !== null && sameAddress(nodes.get(nid)?.address ?? null, address)
          : nid === null
      ) ?? null;
      if (this.#source === null) {
        return "its source is unavailable";
      }
    }
    return this.#replicas.length < LEAST_REPLICAS ? "there is no other replica" : null;
  }

  async #join(target: Target): Promise<void> {
    try {
      const link = await this.#options.links.connect(target);
      link.use();
      this.#replicas.push({ nid: target.nid, link });
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      this.#log("WARNING", `a replica is not checked: ${error.message}`);
    }
  }

  #isOwnGone(): boolean {
    const state = this.#options.session.assignment.state(this.#options.order.partition);
    return state === undefined || state === "OUT_OF_DATE";
  }

  /** Compares everything. Resolves with why that had to be given up, or null. */
  async #compare(): Promise<string | null> {
    const { order: { partition, minTid, maxTid } } = this.#options;
    await this.#whenUnlocked();
    const length = CHECK_COUNT;
    for (let from = minTid;;) {
      const packet = { partition, length, minTid: from, maxTid };
      const answer = await this.#ask({ ...TRANSACTIONS, packet });
      if (typeof answer === "string") return answer;
      if (answer.count < length || answer.maxTid >= maxTid) break;
      from = tidAfter(answer.maxTid);
    }
    for (let from: RevisionKey = { tid: minTid, oid: ZERO_OID };;) {
      const packet = { partition, length, minTid: from.tid, maxTid, minOid: from.oid };
      const answer = await this.#ask({ ...REVISIONS, packet });
      if (typeof answer === "string") return answer;
      if (answer.count < length) return null;
      from = revisionAfter({ tid: answer.maxTid, oid: answer.maxOid });
    }
  }

  /** What is about to be visible must be so on all replicas. */
  #whenUnlocked(): Promise<void> {
    const { transactions, order } = this.#options;
    const waiting = { connection: { closed: false, label: "this node" }, what: "a check" };
    const mustWait = () => transactions.lockedUpTo(order.maxTid).length > 0;
    const reply = transactions.readLocks.serve(waiting, mustWait, () => {});
    if (!(reply instanceof LaterAnswer)) return Promise.resolve(reply);
    return new Promise((answered, failed) => reply.takenBy({ answered, failed }));
  }

  /** Asks all. Resolves with what those that are left agree on, or why there is nothing. */
  async #ask<T, A>(question: Question<T, A>): Promise<A | string> {
    const answers = new Map<Replica, A>();
    await Promise.all([...this.#replicas].map(async (replica) => {
      try {
        answers.set(replica, await this.#askOne(question, replica));
      } catch (error) {
        if (!(error instanceof NeoError) || error instanceof DatabaseError) throw error;
        if (error instanceof DamagedCellError) reportDamage(this.#options.session, error);
        this.#leave(replica);
        this.#log("WARNING", `a replica is checked no more: ${error.message}`);
      }
    }));
    if (this.#isOwnGone()) return "it is not complete here any more";
    const source = this.#source === null ? null : answers.get(this.#source);
    if (source === undefined) return "its source was lost";
    if (this.#replicas.length < LEAST_REPLICAS) return "there is no other replica any more";
    const [first] = answers.values();
    if (first === undefined) return "nobody answered";
    if ([...answers.values()].every((answer) => question.isSame(answer, first))) return first;
    // Without a source, all that differ are under suspicion.
    const isWrong = (answer: A) => source === null || !question.isSame(answer, source);
    this.#report([...answers].filter(([, answer]) => isWrong(answer)).map(([replica]) => replica));
    if (this.#replicas.length >= LEAST_REPLICAS && source !== null) return source;
    this.#options.allDiffer();
    return "no replicas are left that agree";
  }

  #askOne<T, A>({ type, packet, own }: Question<T, A>, { link }: Replica): Promise<A> {
    if (link !== null) return link.connection.ask(type, packet);
    const { background, session: { options: { backend } } } = this.#options;
    return own({ background, backend }, packet);
  }

  #report(wrong: readonly Replica[]): void {
    const { session: { options: { master } }, order: { partition } } = this.#options;
    const nids = wrong.flatMap(({ nid }) => nid === null ? [] : [nid]);
    for (const replica of wrong) this.#leave(replica);
    const names = nids.map(nidText).join(", ");
    this.#log("WARNING", `the replicas of partition ${partition} differ: ${names}`);
    master.notify(NotifyPartitionCorrupted, { partition, nids });
  }

  #leave(replica: Replica): void {
    this.#replicas = this.#replicas.filter((other) => other !== replica);
    replica.link?.release();
  }
}

const TRANSACTIONS = {
  type: AskCheckTIDRange,
  own: checkTidRange,
  isSame: (a: AnswerCheckTIDRange, b: AnswerCheckTIDRange) =>
    a.count === b.count && a.maxTid === b.maxTid && sameBytes(a.checksum, b.checksum),
};

const REVISIONS = {
  type: AskCheckSerialRange,
  own: checkSerialRange,
  isSame: (a: AnswerCheckSerialRange, b: AnswerCheckSerialRange) =>
    a.count === b.count && a.maxTid === b.maxTid && a.maxOid === b.maxOid &&
    sameBytes(a.tidChecksum, b.tidChecksum) && sameBytes(a.oidChecksum, b.oidChecksum),
};

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
