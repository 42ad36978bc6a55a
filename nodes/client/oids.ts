/**
 * Oids for new objects, fetched from the primary master in batches. What is left of a batch is
 * forgotten with the session: the next master may give the same oids again.
 */

import { AskNewOIDs } from "../../gen/packets.ts";
import type { Oid } from "../codec/ids.ts";
import { ConnectionClosedError } from "../errors.ts";
import { abortable, assertNotAborted } from "./abortable.ts";
import { fromMaster, StorageError } from "./errors.ts";
import { MAX_OIDS, MIN_OIDS } from "./limits.ts";
import type { Master, WaitOptions } from "./master.ts";
import type { Session } from "./session.ts";

export class OidPool {
  readonly #master: Master;
  #oids: Oid[] = [];
  #fetching: Promise<void> | null = null;
  #waiting = 0;

  constructor(master: Master) {
    this.#master = master;
  }

  /** A new oid. Oids are handed out in ascending order. */
  async next(options: WaitOptions = {}): Promise<Oid> {
    assertNotAborted(options.signal);
    this.#waiting++;
    try {
      for (;;) {
        const session = this.#master.current ?? await this.#master.session(options);
        const oid = this.#oids.pop();
        if (oid !== undefined) return oid;
        this.#fetching ??= this.#fetch(session).finally(() => {
          this.#fetching = null;
        });
        await abortable(this.#fetching, options.signal);
      }
    } finally {
      this.#waiting--;
    }
  }

  async #fetch(session: Session): Promise<void> {
    const count = Math.min(Math.max(this.#waiting, MIN_OIDS), MAX_OIDS);
    try {
      await session.ask(AskNewOIDs, { count }, ({ oids }) => {
        if (oids.length === 0) throw new StorageError("expected new oids, found none");
        this.#oids = [...oids].sort((a, b) => a < b ? 1 : -1);
      });
    } catch (error) {
      // The next session is asked instead.
      if (!(error instanceof ConnectionClosedError)) throw fromMaster(error, "a new oid");
    }
  }

  /** The session is over. */
  clear(): void {
    this.#oids = [];
  }
}
