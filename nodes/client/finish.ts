/**
 * The end of a commit: the primary master gives the transaction its id and its place among the
 * others. Once it may have done so, this never gives up: when the master is lost, the next one or a
 * storage is asked what became of the transaction.
 */

import { AskFinalTID, AskFinishTransaction } from "../../gen/packets.ts";
import { MAX_TID, type Tid } from "../codec/ids.ts";
import { ConnectionClosedError, MalformedPacketError } from "../errors.ts";
import { PeerError } from "../wire/refusal.ts";
import { abortable } from "./abortable.ts";
import { fromPeer, MasterLostError, UnknownOutcomeError } from "./errors.ts";
import type { Master, WaitOptions } from "./master.ts";
import type { Reads } from "./reads.ts";
import type { View } from "./view.ts";
import type { Writer } from "./writer.ts";

export class Finisher {
  readonly #master: Master;
  readonly #reads: Reads;
  readonly #view: View;

  constructor(parts: { readonly master: Master; readonly reads: Reads; readonly view: View }) {
    this.#master = parts.master;
    this.#reads = parts.reads;
    this.#view = parts.view;
  }

  /**
   * Commits what was voted on. Rejects with a MasterLostError, a StorageLostError or a StorageError
   * when it is known not to be committed, with an UnknownOutcomeError when the signal ends the
   * wait.
   */
  async finish({ session, ttid, writes }: Writer, signal?: AbortSignal): Promise<Tid> {
    const { stored: oids, checked: checkedOids } = writes.oids();
    const packet = { ttid, oids, checkedOids };
    const answer = session.ask(AskFinishTransaction, packet, ({ tid }) => {
      session.committed(tid);
      this.#view.committed(tid, writes.objects());
    });
    try {
      return (await abortable(answer, signal)).tid;
    } catch (error) {
      if (error instanceof PeerError) throw fromPeer(error, "the commit");
      if (error instanceof ConnectionClosedError || error instanceof MalformedPacketError) {
        return await this.#recover(ttid, signal);
      }
      throw new UnknownOutcomeError(ttid, { cause: error });
    }
  }

  async #recover(ttid: Tid, signal?: AbortSignal): Promise<Tid> {
    let tid: Tid | null;
    try {
      tid = await this.outcome(ttid, { signal, timeoutMs: Infinity });
    } catch (cause) {
      throw new UnknownOutcomeError(ttid, { cause });
    }
    if (tid !== null) return tid;
    throw new MasterLostError(
      "the primary master was lost before the commit: run the transaction again",
    );
  }

  /** The tid as which a transaction was committed; null when it was not and never will be. */
  async outcome(ttid: Tid, options: WaitOptions): Promise<Tid | null> {
    for (;;) {
      try {
        const tid = await this.#askMaster(ttid, options);
        return tid === MAX_TID ? await this.#askStorage(ttid, options) : tid;
      } catch (error) {
        if (!(error instanceof ConnectionClosedError)) throw error;
      }
    }
  }

  async #askMaster(ttid: Tid, options: WaitOptions): Promise<Tid | null> {
    const session = this.#master.current ?? await this.#master.session(options);
    try {
      return (await abortable(session.askAlone(AskFinalTID, { ttid }), options.signal)).tid;
    } catch (error) {
      // The master of a backup has no transactions of its own.
      if (error instanceof PeerError && error.code === "READ_ONLY_ACCESS") return MAX_TID;
      throw error instanceof PeerError ? fromPeer(error, "the outcome") : error;
    }
  }

  async #askStorage(ttid: Tid, options: WaitOptions): Promise<Tid | null> {
    const request = {
      where: ttid,
      type: AskFinalTID,
      packet: { ttid },
      accept: (answer: { readonly tid: Tid | null }) => answer,
    };
    try {
      return (await this.#reads.ask(request, options)).tid;
    } catch (error) {
      throw error instanceof PeerError ? fromPeer(error, "the outcome") : error;
    }
  }
}
