/**
 * A client's real host, whose connections a test can hold up or cut at a chosen packet: what gets
 * lost or late on a real network at the worst of times.
 */

import { neo_1_11 } from "../../gen/neo_1_11.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import type { Address, ClientHost, Network, Socket, SocketEvents } from "../../nodes/host/host.ts";
import { Framer } from "../../nodes/wire/framing.ts";

/** What to do at a packet that is about to leave. */
interface Cut {
  readonly packet: string;
  readonly when: "before" | "after";
  done(): void;
}

export class FaultyHost {
  readonly host: ClientHost;
  readonly #links = new Set<Link>();
  readonly #held = new Set<string>();
  readonly #cuts: Cut[] = [];

  constructor() {
    const host = createClientHost();
    this.host = { ...host, network: (tls) => this.#watch(host.network(tls)) };
  }

  #watch(network: Network): Network {
    return {
      connect: async (address) => {
        const link = new Link(await network.connect(address), {
          held: () => this.#held.has(key(address)),
          sends: (packet) => this.#cutFor(packet),
        });
        this.#links.add(link);
        return link;
      },
      listen: (address, events) => network.listen(address, events),
    };
  }

  #cutFor(packet: string): Cut | undefined {
    const at = this.#cuts.findIndex((cut) => cut.packet === packet);
    return at < 0 ? undefined : this.#cuts.splice(at, 1)[0];
  }

  /**
   * Cuts the connection on which the next packet of a type is sent, before or after it has left.
   * Resolves when that has happened.
   */
  cut(when: "before" | "after", packet: string): Promise<void> {
    return new Promise((done) => this.#cuts.push({ packet, when, done }));
  }

  /** From now on, nothing arrives from an address. */
  hold(address: Address): void {
    this.#held.add(key(address));
  }

  /** Lets what was held arrive, and what comes. */
  release(address: Address): void {
    this.#held.delete(key(address));
    for (const link of this.#links) link.deliver();
  }
}

function key({ host, port }: Address): string {
  return `${host} ${port}`;
}

/** One connection; forwards to the real one. */
class Link implements Socket {
  readonly #socket: Socket;
  readonly #rules: { held(): boolean; sends(packet: string): Cut | undefined };
  readonly #framer = new Framer(() => null);
  #opened = false;
  #events: SocketEvents | null = null;
  #waiting: (() => void)[] = [];

  constructor(
    socket: Socket,
    rules: { held(): boolean; sends(packet: string): Cut | undefined },
  ) {
    this.#socket = socket;
    this.#rules = rules;
  }

  get local(): Address {
    return this.#socket.local;
  }

  get remote(): Address {
    return this.#socket.remote;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes;
  }

  start(events: SocketEvents): void {
    this.#events = events;
    this.#socket.start({
      data: (chunk) => this.#arrived(() => this.#events?.data(chunk)),
      drained: () => events.drained(),
      closed: (cause) => this.#arrived(() => this.#events?.closed(cause)),
    });
  }

  #arrived(event: () => void): void {
    this.#waiting.push(event);
    this.deliver();
  }

  deliver(): void {
    while (!this.#rules.held()) {
      const event = this.#waiting.shift();
      if (event === undefined) return;
      event();
    }
  }

  write(chunk: Uint8Array): boolean {
    const cut = this.#firstCut(chunk);
    if (cut?.when === "before") {
      // What is held is lost as well.
      this.#waiting = [];
      this.#socket.destroy();
      cut.done();
      return true;
    }
    const taken = this.#socket.write(chunk);
    if (cut !== undefined) {
      // The packet leaves, but nothing that answers it will arrive.
      const events = this.#events;
      this.#events = null;
      this.#socket.end();
      queueMicrotask(() => {
        events?.closed(null);
        cut.done();
      });
    }
    return taken;
  }

  #firstCut(chunk: Uint8Array): Cut | undefined {
    this.#framer.push(chunk);
    if (!this.#opened) {
      if (this.#framer.takeRaw(neo_1_11.handshake.length) === null) return undefined;
      this.#opened = true;
    }
    let cut: Cut | undefined;
    for (let frame = this.#framer.next(); frame !== null; frame = this.#framer.next()) {
      cut ??= this.#rules.sends(neo_1_11.typeOf(frame.code)?.name ?? "");
    }
    return cut;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
