/**
 * The connection of one control command to an admin node: opened by the first request, closed at
 * the end.
 */

import { FlushLog, Ping } from "../../gen/packets.ts";
import type { Codecs, ErrorPacket } from "../../gen/packets.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import type { RequestType } from "../../nodes/codec/packet.ts";
import { ConnectionClosedError } from "../../nodes/errors.ts";
import type { Address, ClientHost, Network } from "../../nodes/host/host.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { decodeText } from "../../nodes/wire/text.ts";

export class AdminSession {
  readonly #host: ClientHost;
  readonly #endpoint: Endpoint;
  readonly #admin: Address;
  #connection: Connection | null = null;
  readonly #stray = Promise.withResolvers<never>();

  constructor(
    { host, network, admin }: { host: ClientHost; network: Network; admin: Address },
  ) {
    this.#host = host;
    this.#admin = admin;
    this.#endpoint = new Endpoint({ host, network, fatal: (error) => this.#stray.reject(error) });
    // Nobody waits for it until something is asked.
    this.#stray.promise.catch(() => {});
  }

  /**
   * Asks. Rejects with a NetworkError when the admin can't be reached, a ConnectionClosedError
   * when it hangs up, and a PeerError when it refuses.
   */
  async ask<T, A>(type: RequestType<T, A, Codecs>, packet: T): Promise<A> {
    const connection = await this.#connect();
    return await Promise.race([connection.ask(type, packet), this.#stray.promise]);
  }

  /** Gives an order. Resolves with the message of its acknowledgement. */
  async order<T>(type: RequestType<T, ErrorPacket, Codecs>, packet: T): Promise<string> {
    return decodeText((await this.ask(type, packet)).message);
  }

  /** Has logs flushed. Nothing is answered, even where it is refused. */
  async flushLogs(): Promise<void> {
    const connection = await this.#connect();
    connection.notify(FlushLog, {});
    try {
      await connection.ask(Ping, {});
    } catch (error) {
      if (!(error instanceof ConnectionClosedError)) throw error;
    }
  }

  /** The time here: Unix time in milliseconds. */
  nowMs(): number {
    return this.#host.now();
  }

  close(): void {
    this.#connection?.close();
  }

  async #connect(): Promise<Connection> {
    if (this.#connection !== null) return this.#connection;
    const connection = await this.#endpoint.dial(this.#admin, "admin");
    this.#connection = connection;
    // NEO's admin refuses some requests by an error that does not say which request it is about.
    connection.onStrayError((error) => this.#stray.reject(error));
    connection.start(() => false);
    return connection;
  }
}
