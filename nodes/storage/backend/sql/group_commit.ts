/**
 * Commits in groups. Whoever asks for a commit in a turn gets the one at its end, or the one that
 * follows when the disk is still busy with the last one: the busier it is, the more share a commit.
 */

import type { ClientHost, Timer } from "../../../host/host.ts";
import type { Eventual } from "../eventual.ts";
import type { Commits } from "./connection.ts";

/** How long what was unlocked may stay uncommitted when nothing else asks for a commit. */
export const DEFERRED_COMMIT_MS = 1000;

export class GroupCommit implements Commits {
  readonly #host: ClientHost;
  readonly #flush: () => Promise<void>;
  #requested: PromiseWithResolvers<void> | null = null;
  #running: Promise<void> | null = null;
  #timer: Timer | null = null;

  /** @param flush commits, and resolves when it is on disk; who calls it has told of failures */
  constructor(host: ClientHost, flush: () => Promise<void>) {
    this.#host = host;
    this.#flush = flush;
  }

  commit(): Promise<void> {
    if (this.#requested !== null) return this.#requested.promise;
    this.#requested = Promise.withResolvers();
    // Whoever does not wait is told of a failure by the backend.
    this.#requested.promise.catch(() => {});
    if (this.#running === null) this.#defer();
    return this.#requested.promise;
  }

  commitLater(): void {
    this.cancelLater();
    this.#timer = this.#host.setTimer(DEFERRED_COMMIT_MS, () => {
      this.#timer = null;
      void this.commit();
    });
  }

  /** Somebody has committed, or the database is closed: there is nothing to do later. */
  cancelLater(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  committed(): Eventual<void> {
    return this.#requested?.promise ?? this.#running ?? undefined;
  }

  #defer(): void {
    this.#host.defer(() => this.#commitRequested());
  }

  async #commitRequested(): Promise<void> {
    const requested = this.#requested;
    if (requested === null) return;
    this.#requested = null;
    this.#running = requested.promise;
    try {
      await this.#flush();
      requested.resolve();
    } catch (error) {
      requested.reject(error);
    } finally {
      this.#running = null;
      if (this.#requested !== null) this.#defer();
    }
  }
}
