/**
 * Asking a storage that has a readable cell, and another one when that fails. A storage and this
 * client may disagree on the partition table for a moment; the primary master is then the judge.
 */

import { type Codecs, Ping } from "../../gen/packets.ts";
import type { Nid, Oid, Tid } from "../codec/ids.ts";
import type { RequestType } from "../codec/packet.ts";
import { ConnectionClosedError, NetworkError } from "../errors.ts";
import type { ClientHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { PeerError } from "../wire/refusal.ts";
import { abortable } from "./abortable.ts";
import { closedError, UnavailableError } from "./errors.ts";
import type { Master, WaitOptions } from "./master.ts";
import type { Session } from "./session.ts";

/** What to ask, and where. */
export interface ReadRequest<T, A, R> {
  /** The partition that is asked about: an id in it, or its number. */
  readonly where: Oid | Tid | number;
  readonly type: RequestType<T, A, Codecs>;
  readonly packet: T;
  /** Takes an answer; null when it can't be right, so that another storage has to be asked. */
  accept(answer: A): R | null;
  /** A storage not to ask. */
  avoid?(nid: Nid): boolean;
}

type AnyRequest = ReadRequest<unknown, unknown, unknown>;

export class Reads {
  readonly #host: ClientHost;
  readonly #master: Master;

  constructor(host: ClientHost, master: Master) {
    this.#host = host;
    this.#master = master;
  }

  /**
   * Asks until an answer is accepted. Rejects with the PeerError of a storage that refuses, or an
   * UnavailableError when none can be asked.
   */
  async ask<T, A, R>(request: ReadRequest<T, A, R>, options: WaitOptions = {}): Promise<R> {
    const { signal } = options;
    let failed = 0;
    for (;;) {
      const session = this.#master.current ?? await this.#master.session(options);
      const nids = this.#choose(session, request);
      if (nids === "none left") {
        throw new UnavailableError(
          `expected a storage that answers ${request.type.name}, found none that is not lost`,
        );
      }
      for (const nid of nids) {
        const connection = session.storages.connected(nid) ?? await tryOpen(session, nid, signal);
        const answer = connection && await this.#askOne(nid, connection, request, signal);
        if (!answer) {
          failed++;
        } else if (answer !== "elsewhere") return answer.accepted;
      }
      if (this.#master.closed) throw closedError();
      if (session.ended) failed = 0;
      else if (failed > nids.length) {
        throw new UnavailableError(
          `expected a storage that answers ${request.type.name}, found none: ` +
            `${failed} attempts failed`,
        );
      } else await barrier(session, signal);
    }
  }

  /** The storages to ask, in this order. Waiting does not help when all are to be avoided. */
  #choose(
    { table, nodes }: Session,
    { where, avoid }: Pick<AnyRequest, "where" | "avoid">,
  ): Nid[] | "none left" {
    const nids: Nid[] = [];
    let isAvoided = false;
    const partition = typeof where === "number" ? where : table.partition(where);
    for (const { nid } of table.readableCells(partition)) {
      if (!nodes.isRunning(nid)) continue;
      if (avoid?.(nid)) isAvoided = true;
      else nids.push(nid);
    }
    if (isAvoided && nids.length === 0) return "none left";
    if (nids.length < 2) return nids;
    const { failures } = this.#master;
    const keys = new Map(nids.map((nid) => [nid, failures.sortKey(nid)]));
    return nids.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
  }

  async #askOne<T, A, R>(
    nid: Nid,
    connection: Connection,
    { type, packet, accept }: ReadRequest<T, A, R>,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly accepted: R } | "elsewhere" | null> {
    try {
      const accepted = accept(await abortable(connection.ask(type, packet), signal));
      if (accepted !== null) return { accepted };
      this.#host.log.log("ERROR", "client", `${connection.label} answers ${type.name} wrongly`);
    } catch (error) {
      if (error instanceof PeerError && error.code === "NON_READABLE_CELL") return "elsewhere";
      if (!(error instanceof ConnectionClosedError)) throw error;
    }
    this.#master.failures.add(nid);
    return null;
  }
}

async function tryOpen(
  session: Session,
  nid: Nid,
  signal: AbortSignal | undefined,
): Promise<Connection | null> {
  try {
    return await abortable(session.storages.open(nid), signal);
  } catch (error) {
    if (error instanceof NetworkError) return null;
    throw error;
  }
}

/** Waits until all that the primary master has sent is handled, or the session is over. */
export async function barrier(session: Session, signal: AbortSignal | undefined): Promise<void> {
  try {
    await abortable(session.ask(Ping, {}), signal);
  } catch (error) {
    if (!(error instanceof ConnectionClosedError)) throw error;
  }
}
