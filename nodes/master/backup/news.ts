/**
 * What clients of a backup know of it: the last transaction that they see, and each one after it.
 * NEO 1.11 tells them nothing, so that they see the database as it was when they came.
 *
 * A transaction is told when each storage would give what it wrote, whichever the client asks. A
 * storage gives no more than it knows to be complete, so the master asks all of them for a sign
 * that they have handled what made it so.
 *
 * Invariant: clients are told of each transaction after the last that they began with, in order.
 * What was committed while upstream was not followed is not known in detail. So when the cells
 * have caught up with it, clients are disconnected: they come back to a newer database.
 */

import { type AnswerLastTransaction, InvalidateObjects, Ping } from "../../../gen/packets.ts";
import type { Oid, Tid } from "../../codec/ids.ts";
import { LaterAnswer, type Reply } from "../../codec/packet.ts";
import type { Primary } from "../primary.ts";
import { MAX_UNTOLD_OBJECTS } from "./limits.ts";
import type { Progress } from "./progress.ts";

/** A transaction that not all storages can give yet. */
interface Untold {
  readonly tid: Tid;
  readonly oids: readonly Oid[];
}

export class News {
  readonly #primary: Primary;
  readonly #progress: Progress;
  /** The last transaction that clients see; null before the storages have said so. */
  #visibleTid: Tid | null = null;
  /** Up to here, what is committed is not known in detail; null for nothing. */
  #gapEnd: Tid | null = null;
  #untold: Untold[] = [];
  #untoldObjects = 0;
  #waiting: LaterAnswer<AnswerLastTransaction>[] = [];
  #isAsking = false;

  constructor(primary: Primary, progress: Progress) {
    this.#primary = primary;
    this.#progress = progress;
  }

  /** The last transaction that clients see; null before that is known. */
  get visibleTid(): Tid | null {
    return this.#visibleTid;
  }

  /** The last transaction for a client to begin with. */
  lastTransaction(): Reply<AnswerLastTransaction> {
    if (this.#visibleTid !== null) return { tid: this.#visibleTid };
    const answer = new LaterAnswer<AnswerLastTransaction>();
    this.#waiting.push(answer);
    return answer;
  }

  /** Upstream is followed again; `lastTid` is its last transaction. */
  connected(lastTid: Tid): void {
    this.#forgetUntold(lastTid);
    this.advance();
  }

  /** Upstream has committed a transaction. */
  committed(tid: Tid, oids: readonly Oid[]): void {
    this.#untold.push({ tid, oids });
    this.#untoldObjects += oids.length + 1;
    if (this.#untoldObjects > MAX_UNTOLD_OBJECTS) this.#forgetUntold(tid);
  }

  #forgetUntold(lastTid: Tid): void {
    this.#untold = [];
    this.#untoldObjects = 0;
    const isBehind = this.#visibleTid === null || this.#visibleTid < lastTid;
    this.#gapEnd = isBehind ? lastTid : null;
  }

  /** Cells may have got further: asks the storages, and tells the clients. */
  advance(): void {
    const { nodes, turn } = this.#primary;
    const goal = this.#progress.knownTid;
    if (this.#isAsking || (this.#visibleTid !== null && goal <= this.#visibleTid)) return;
    const storages = [...nodes.identified("STORAGE")].filter(({ state }) => state === "RUNNING");
    let missing = storages.length;
    if (missing === 0) return;
    this.#isAsking = true;
    const answered = () => {
      if (--missing > 0) return;
      this.#isAsking = false;
      // A cell that has become readable meanwhile may be less far.
      const known = this.#progress.knownTid;
      this.#reached(known < goal ? known : goal);
      this.advance();
    };
    for (const { connection } of storages) {
      // One that is lost has nothing readable any more.
      const asked = connection?.ask(Ping, {}, () => turn.run(answered));
      if (asked === undefined) answered();
      else asked.catch(() => turn.runOwn(answered));
    }
  }

  #reached(tid: Tid): void {
    const before = this.#visibleTid;
    if (before !== null && tid <= before) return;
    this.#visibleTid = tid;
    for (const answer of this.#waiting.splice(0)) answer.give({ tid });
    if (this.#gapEnd === null) return this.#tell(tid);
    if (tid < this.#gapEnd) return;
    this.#gapEnd = null;
    this.#take(tid);
    this.#disconnectClients();
  }

  #tell(tid: Tid): void {
    const clients = this.#primary.nodes.identified("CLIENT");
    for (const news of this.#take(tid)) {
      for (const { connection } of clients) connection?.notify(InvalidateObjects, news);
    }
  }

  #take(tid: Tid): Untold[] {
    const first = this.#untold.findIndex((news) => news.tid > tid);
    const taken = this.#untold.splice(0, first < 0 ? this.#untold.length : first);
    for (const { oids } of taken) this.#untoldObjects -= oids.length + 1;
    return taken;
  }

  #disconnectClients(): void {
    const clients = [...this.#primary.nodes.identified("CLIENT")];
    if (clients.length === 0) return;
    this.#primary.log(
      "INFO",
      "all cells have what was committed while it was not followed: clients have to come again",
    );
    for (const client of clients) this.#primary.disconnect(client);
  }
}
