/** Packing: one at a time, on all storages at once; it is over when each of them has answered. */

import { type AnswerPack, AskPack } from "../../gen/packets.ts";
import type { Tid } from "../codec/ids.ts";
import { LaterAnswer, type Reply } from "../codec/packet.ts";
import { askNode } from "./ask.ts";
import type { KnownNode } from "./nodes.ts";
import type { Primary } from "./primary.ts";

interface Pack {
  readonly answer: LaterAnswer<AnswerPack>;
  readonly waiting: Set<KnownNode>;
}

export class Packs {
  readonly #primary: Primary;
  #running: Pack | null = null;

  constructor(primary: Primary) {
    this.#primary = primary;
  }

  /** A client wants everything older than `tid` to be packed; false while another pack runs. */
  start(tid: Tid): Reply<AnswerPack> {
    if (this.#running !== null) return { status: false };
    const { nodes, turn } = this.#primary;
    const storages = [...nodes.identified("STORAGE")].filter(({ state }) => state === "RUNNING");
    const answer = new LaterAnswer<AnswerPack>();
    const pack: Pack = { answer, waiting: new Set(storages) };
    this.#running = pack;
    for (const storage of storages) {
      const done = () => this.#done(pack, storage);
      // A storage whose database can't be packed says so, and goes on.
      askNode(turn, storage, AskPack, { tid }, done, done);
    }
    return answer;
  }

  storageLost(storage: KnownNode): void {
    if (this.#running !== null) this.#done(this.#running, storage);
  }

  #done(pack: Pack, storage: KnownNode): void {
    if (!pack.waiting.delete(storage) || pack.waiting.size > 0) return;
    if (this.#running === pack) this.#running = null;
    pack.answer.give({ status: true });
  }
}
