/**
 * Requests that cannot be served yet, because of a lock. They are tried again in their order each
 * time something was freed; whatever that frees in its turn starts the round again. A request is
 * never tried from inside another one's try, and those of closed connections vanish.
 */

import { LaterAnswer, type Reply } from "../../codec/packet.ts";
import type { ClientHost } from "../../host/host.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { Eventual } from "../backend/eventual.ts";

/** What a try returns for a request that has to wait (on). */
export const WAIT = Symbol("wait");

/** A try to serve a request. */
export type Attempt<A> = () => Eventual<A | typeof WAIT>;

/** Who asks, and for what. */
export interface Waiting {
  readonly connection: { readonly closed: boolean; readonly label: string };
  /** Says in the log what was asked for. */
  readonly what: string;
  /** Smaller ones are tried first; equal ones in the order of their arrival. */
  readonly priority: () => bigint;
  /** Called once, when the request has to wait: it may outlive the buffer that it came in. */
  readonly keep?: () => void;
}

interface Entry extends Waiting {
  readonly since: number;
  done: boolean;
  /** Serves it; returns whether it is done with, perhaps later. */
  run(): boolean;
}

/** Requests that wait on one node at most; one more ends the connection that it came from. */
const MAX_WAITING = 1 << 20;

/** Requests that waited for longer are told of in the log. */
const SLOW_MS = 2000;

export class WaitingQueue {
  readonly #host: ClientHost;
  #entries: Entry[] = [];
  #running = false;
  #again = false;

  constructor(host: ClientHost) {
    this.#host = host;
  }

  /** The requests that wait, in lines for people. */
  describe(): string[] {
    const now = this.#host.monotonic();
    return this.#entries.map(({ what, connection: { label }, since }) =>
      `${what} of ${label}, for ${Math.round(now - since)} ms`
    );
  }

  /** Serves a request at once, or as soon as it need not wait any more. */
  serve<A>(waiting: Waiting, attempt: Attempt<A>): Reply<A> {
    const result = attempt();
    if (result !== WAIT && !(result instanceof Promise)) return result;
    const answer = new LaterAnswer<A>();
    if (result instanceof Promise) this.#settle(waiting, attempt, { result, answer });
    else this.#add(waiting, attempt, answer);
    return answer;
  }

  #settle<A>(waiting: Waiting, attempt: Attempt<A>, { result, answer }: {
    readonly result: Promise<A | typeof WAIT>;
    readonly answer: LaterAnswer<A>;
  }): void {
    result.then(
      (settled) => {
        if (settled === WAIT) this.#add(waiting, attempt, answer);
        else answer.give(settled);
      },
      (error) => answer.refuse(error),
    );
  }

  #add<A>(waiting: Waiting, attempt: Attempt<A>, answer: LaterAnswer<A>): void {
    if (this.#entries.length >= MAX_WAITING) {
      answer.refuse(new Refusal("PROTOCOL_ERROR", `more than ${MAX_WAITING} requests wait here`));
      return;
    }
    waiting.keep?.();
    const entry: Entry = {
      ...waiting,
      since: this.#host.monotonic(),
      done: false,
      run: () => this.#try(waiting, attempt, answer),
    };
    const priority = entry.priority();
    let at = this.#entries.length;
    for (; at > 0; at--) {
      const before = this.#entries[at - 1];
      if (before === undefined || before.priority() <= priority) break;
    }
    this.#entries.splice(at, 0, entry);
  }

  #try<A>(waiting: Waiting, attempt: Attempt<A>, answer: LaterAnswer<A>): boolean {
    try {
      const result = attempt();
      if (result === WAIT) return false;
      if (result instanceof Promise) this.#settle(waiting, attempt, { result, answer });
      else answer.give(result);
    } catch (error) {
      answer.refuse(error);
    }
    return true;
  }

  /** Puts the requests in order again: some have got another priority. */
  sort(): void {
    if (this.#running) this.#again = true;
    this.#entries.sort((a, b) => {
      const [left, right] = [a.priority(), b.priority()];
      return left < right ? -1 : left > right ? 1 : 0;
    });
  }

  /** Tries all requests again. */
  run(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    if (this.#entries.length === 0) return;
    this.#running = true;
    try {
      do {
        this.#again = false;
        this.#round();
      } while (this.#again);
    } finally {
      this.#running = false;
      this.#entries = this.#entries.filter(({ done }) => !done);
    }
  }

  #round(): void {
    for (const entry of this.#entries) {
      if (entry.done) continue;
      entry.done = entry.connection.closed || entry.run();
      if (entry.done) this.#tellSlow(entry);
      if (this.#again) return;
    }
  }

  #tellSlow({ connection, what, since }: Entry): void {
    const waitedMs = this.#host.monotonic() - since;
    if (waitedMs < SLOW_MS) return;
    const seconds = (waitedMs / 1000).toFixed(2);
    this.#host.log.log("INFO", "storage", `${what} of ${connection.label} waited ${seconds} s`);
  }

  /** Forgets all requests. */
  clear(): void {
    for (const entry of this.#entries) entry.done = true;
    this.#entries = [];
  }
}
