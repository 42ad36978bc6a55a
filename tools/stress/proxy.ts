/**
 * What stands between a node and all who connect to it: a TCP proxy at the address that the node
 * is known by, which passes everything on, and can be told not to.
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import type { Address } from "../../nodes/host/host.ts";

export interface ProxyAddresses {
  /** Where peers connect. */
  readonly outer: Address;
  /** Where the node really listens. */
  readonly inner: Address;
}

export class Proxy {
  /** How much later everything arrives, in milliseconds. */
  delayMs = 0;
  /** Whether new connections are reset at once. */
  isCut = false;
  readonly #server: Server;
  readonly #inner: Address;
  readonly #links = new Set<Link>();

  private constructor(inner: Address) {
    this.#inner = inner;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Starts to listen. Rejects with an Error when the outer address is in use. */
  static start({ outer, inner }: ProxyAddresses): Promise<Proxy> {
    const proxy = new Proxy(inner);
    return new Promise((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen({ host: outer.host, port: outer.port }, () => resolve(proxy));
    });
  }

  /** Resets the connections that are chosen. Returns how many they are. */
  reset(isChosen: () => boolean): number {
    const chosen = [...this.#links].filter(isChosen);
    for (const link of chosen) link.reset();
    return chosen.length;
  }

  close(): void {
    this.#server.close();
    this.reset(() => true);
  }

  #accept(outer: Socket): void {
    if (this.isCut) {
      outer.on("error", () => {});
      outer.resetAndDestroy();
      return;
    }
    const inner = connect({ host: this.#inner.host, port: this.#inner.port, noDelay: true });
    const link = new Link(outer, inner, () => this.delayMs);
    this.#links.add(link);
    link.onEnd(() => this.#links.delete(link));
  }
}

/** One connection through the proxy. Each end is told of what becomes of the other. */
class Link {
  readonly #sockets: readonly [Socket, Socket];
  readonly #delayMs: () => number;
  readonly #ended = Promise.withResolvers<void>();

  constructor(outer: Socket, inner: Socket, delayMs: () => number) {
    this.#sockets = [outer, inner];
    this.#delayMs = delayMs;
    this.#pass(outer, inner);
    this.#pass(inner, outer);
  }

  onEnd(callback: () => void): void {
    void this.#ended.promise.then(callback);
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #pass(from: Socket, to: Socket): void {
    from.on("data", (chunk: Uint8Array) => {
      const delayMs = this.#delayMs();
      if (delayMs === 0) return this.#write(chunk, from, to);
      from.pause();
      setTimeout(() => {
        from.resume();
        this.#write(chunk, from, to);
      }, delayMs);
    });
    from.on("end", () => to.end());
    // A peer that is not there, or has died, is told by a reset.
    from.on("error", () => this.reset());
    from.on("close", () => {
      to.destroy();
      this.#ended.resolve();
    });
  }

  /** Writes, and reads no more for as long as the other end does not keep up. */
  #write(chunk: Uint8Array, from: Socket, to: Socket): void {
    if (to.destroyed || to.write(chunk)) return;
    from.pause();
    to.once("drain", () => from.resume());
  }
}
