/**
 * Work on much of a database, in steps that are atomic each. When some have taken as long as others
 * may be kept waiting, what they did is committed, and others get their turn: so whatever such work
 * does has to make sense half done, also after a crash.
 */

import { SLICE_MS } from "../../background.ts";
import type { Pause } from "../backend.ts";
import { type Eventual, eventually, type Steps } from "../eventual.ts";
import type { Parts } from "./parts.ts";

/** After so many slices the disk is waited for: what it has not yet written may not grow for ever. */
const DURABLE_SLICES = 8;

/** Rows that one step looks at. */
export const STEP_ROWS = 64;

export class SlicedWork {
  readonly #parts: Pick<Parts, "connection" | "host">;
  readonly #pause: Pause;
  #start: number;
  #slices = 0;

  constructor(parts: Pick<Parts, "connection" | "host">, pause: Pause) {
    this.#parts = parts;
    this.#pause = pause;
    this.#start = parts.host.monotonic();
  }

  /** Does work in which nothing else happens to the database. */
  async step<T>(work: () => Steps<T>): Promise<T> {
    const done: Eventual<T> = this.#parts.connection.atomically(() => eventually(work()));
    return await done;
  }

  /** Lets others work when it is time. Resolves with whether to go on. */
  async pause(): Promise<boolean> {
    const { connection, host } = this.#parts;
    if (host.monotonic() - this.#start < SLICE_MS) return true;
    // One commit of everything would hold clients up at the end.
    if (++this.#slices % DURABLE_SLICES === 0) await connection.commit();
    else await connection.inOrder(() => connection.commitNow());
    const goesOn = await this.#pause();
    this.#start = host.monotonic();
    return goesOn;
  }

  /** Repeats a step until it says that it was the last one. Resolves with whether to go on. */
  async repeat(work: () => Steps<{ readonly isLast: boolean }>): Promise<boolean> {
    for (;;) {
      const { isLast } = await this.step(work);
      if (!await this.pause()) return false;
      if (isLast) return true;
    }
  }
}
