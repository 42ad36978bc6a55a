/**
 * The way to the primary master: one session at a time. It is looked for at the start and again
 * as soon as it is lost, at most once a second for each master; whoever needs it waits.
 */

import { type AcceptIdentification, type Codecs, Ping } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import type { RequestType } from "../codec/packet.ts";
import { addressText } from "../cluster/addresses.ts";
import type { Endpoint } from "../cluster/endpoint.ts";
import type { MasterList } from "../cluster/master_list.ts";
import { findPrimary } from "../cluster/primary_search.ts";
import { ConnectionClosedError } from "../errors.ts";
import type { ClientHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { PeerError } from "../wire/refusal.ts";
import { encodeText } from "../wire/text.ts";
import { abortable, assertNotAborted, inTime } from "./abortable.ts";
import { closedError, DeadlineError, fromMaster, MasterLostError, StorageError } from "./errors.ts";
import { Session, type SessionEvents } from "./session.ts";
import { Failures } from "./storages.ts";

export interface MasterOptions {
  readonly host: ClientHost;
  readonly endpoint: Endpoint;
  readonly masters: MasterList;
  readonly cluster: string;
  /** How long an operation waits for a session. */
  readonly connectTimeoutMs: number;
  readonly events: SessionEvents & {
    /** The session is over. */
    lost(): void;
  };
}

/** How long to wait for the primary master. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Instead of the client's own; infinite for ever. */
  readonly timeoutMs?: number;
}

export class Master {
  readonly failures: Failures;
  readonly #options: MasterOptions;
  readonly #closing = new AbortController();
  readonly #cluster: Uint8Array;
  #session: Session | null = null;
  #search: Promise<Session> | null = null;
  #nid: Nid | null = null;

  constructor(options: MasterOptions) {
    this.#options = options;
    this.#cluster = encodeText(options.cluster);
    this.failures = new Failures(options.host);
  }

  /** The session, when there is one now. */
  get current(): Session | null {
    return this.#session;
  }

  get closed(): boolean {
    return this.closing.aborted;
  }

  /** Aborted when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Waits for a session. Rejects with a DeadlineError, with the signal's reason, with a
   * ClosedError, or with a StorageError when the master refuses this client.
   */
  async session({ signal, timeoutMs }: WaitOptions = {}): Promise<Session> {
    assertNotAborted(signal);
    if (this.#session !== null) return this.#session;
    const { host, connectTimeoutMs, masters } = this.#options;
    const waitMs = timeoutMs ?? connectTimeoutMs;
    return await inTime(host, abortable(this.#find(), signal), {
      timeoutMs: waitMs,
      late: () => {
        const known = masters.addresses.map(addressText).join(", ");
        return new DeadlineError(
          `expected a primary master within ${waitMs} ms, found none among: ${known}`,
        );
      },
    });
  }

  /** Asks the primary master. Rejects with a MasterLostError when it is lost before it answers. */
  async ask<T, A>(
    type: RequestType<T, A, Codecs>,
    packet: T,
    { signal, timeoutMs }: WaitOptions = {},
  ): Promise<A> {
    const options = timeoutMs === undefined ? { signal } : { signal, timeoutMs };
    const session = this.#session ?? await this.session(options);
    try {
      return await abortable(session.ask(type, packet), signal);
    } catch (error) {
      throw this.closed ? closedError() : fromMaster(error, type.name);
    }
  }

  /**
   * Waits until everything is known that was committed before the call. A session that begins
   * meanwhile knows it from its beginning.
   */
  async barrier(options: WaitOptions = {}): Promise<void> {
    try {
      await this.ask(Ping, {}, options);
    } catch (error) {
      if (!(error instanceof MasterLostError)) throw error;
      await this.session(options);
    }
  }

  #find(): Promise<Session> {
    if (this.closed) return Promise.reject(closedError());
    if (this.#search !== null) return this.#search;
    const search = this.#open();
    this.#search = search;
    const done = () => {
      this.#search = null;
    };
    search.then(done, done);
    return search;
  }

  async #open(): Promise<Session> {
    const { signal } = this.#closing;
    for (;;) {
      const session = await this.#identify();
      const abandoned = () => session.close();
      signal.addEventListener("abort", abandoned, { once: true });
      session.onEnd(() => signal.removeEventListener("abort", abandoned));
      try {
        if (await session.begin() && !session.ended) return this.#begun(session);
        this.#log("the cluster is not operational");
        session.close();
      } catch (error) {
        if (!(error instanceof ConnectionClosedError)) throw error;
        this.#log(error.message);
      }
    }
  }

  async #identify(): Promise<Session> {
    const { host, endpoint, masters, events } = this.#options;
    const found: Session[] = [];
    const accepted = (connection: Connection, accept: AcceptIdentification, nid: Nid) => {
      found.push(
        new Session({
          host,
          endpoint,
          failures: this.failures,
          events,
          connection,
          accept,
          nid,
          cluster: this.#cluster,
          closing: this.#closing.signal,
        }),
      );
    };
    const request = () => ({
      nodeType: "CLIENT" as const,
      nid: this.#nid,
      address: null,
      cluster: this.#cluster,
      devpath: [],
      idTimestamp: null,
    });
    const search = { host, endpoint, masters, request, accepted, endsOnRefusal: true };
    try {
      await findPrimary(search, this.#closing.signal);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      throw new StorageError(`the master refuses this client: ${error.message}`, { cause: error });
    }
    const session = found.at(-1);
    if (session === undefined) throw new StorageError("expected a session, found none");
    return session;
  }

  #begun(session: Session): Session {
    this.#nid = session.nid;
    this.#session = session;
    session.onEnd(() => {
      this.#session = null;
      this.#options.events.lost();
      if (this.closed) return;
      this.#log("the connection to the primary master was lost");
      // Whoever needs a session is told of what becomes of this.
      this.#find().catch((error) => {
        if (!this.closed) this.#log(error instanceof Error ? error.message : String(error));
      });
    });
    return session;
  }

  #log(message: string): void {
    this.#options.host.log.log("INFO", "client", message);
  }

  /** Ends the session, and all waiting for one. */
  close(): void {
    this.#closing.abort(closedError());
  }
}
