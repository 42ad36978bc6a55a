/** What the tests of the host share: sockets whose events can be awaited. */
import type { Address, Listener, Network, Socket } from "../../nodes/host/host.ts";

/** A socket with what it has told. */
export class Witness {
  readonly socket: Socket;
  readonly causes: (Error | null)[] = [];
  drains = 0;
  received = 0;
  readonly #chunks: Uint8Array[] = [];
  readonly #waiting = new Map<() => boolean, () => void>();

  constructor(socket: Socket) {
    this.socket = socket;
  }

  start(): this {
    this.socket.start({
      data: (chunk) => {
        if (this.causes.length > 0) throw new Error("data after the end");
        this.#chunks.push(chunk);
        this.received += chunk.length;
        this.#changed();
      },
      drained: () => {
        if (this.causes.length > 0) throw new Error("drained after the end");
        this.drains++;
        this.#changed();
      },
      closed: (cause) => {
        this.causes.push(cause);
        this.#changed();
      },
    });
    return this;
  }

  /** All bytes so far. */
  bytes(): Uint8Array {
    const whole = new Uint8Array(this.received);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  /** Resolves when an event has made the condition true. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.set(condition, resolve));
  }

  /** Resolves with the cause of the end. */
  async closed(): Promise<Error | null> {
    await this.until(() => this.causes.length > 0);
    return this.causes[0] ?? null;
  }

  #changed(): void {
    for (const [condition, resolve] of this.#waiting) {
      if (!condition()) continue;
      this.#waiting.delete(condition);
      resolve();
    }
  }
}

/** What a listener had to say of a peer. */
export type Arrival =
  | { readonly socket: Socket }
  | { readonly remote: Address; readonly reason: string };

/** A listener whose arrivals can be awaited one by one. */
export class Reception {
  readonly #arrivals: Arrival[] = [];
  readonly #waiting: ((arrival: Arrival) => void)[] = [];
  #listener: Listener | null = null;

  static async open(network: Network, host = "127.0.0.1"): Promise<Reception> {
    const reception = new Reception();
    reception.#listener = await network.listen({ host, port: 0 }, {
      accepted: (socket) => reception.#arrived({ socket }),
      refused: (remote, reason) => reception.#arrived({ remote, reason }),
    });
    return reception;
  }

  get address(): Address {
    if (this.#listener === null) throw new Error("not open");
    return this.#listener.address;
  }

  /** The next peer that was accepted; throws if it was refused. */
  async accepted(): Promise<Socket> {
    const arrival = await this.#next();
    if ("socket" in arrival) return arrival.socket;
    throw new Error(`refused: ${arrival.reason}`);
  }

  /** Why the next peer was refused; throws if it was accepted. */
  async refused(): Promise<string> {
    const arrival = await this.#next();
    if ("reason" in arrival) return arrival.reason;
    throw new Error("accepted");
  }

  /** Peers that nobody has asked for yet. */
  get unasked(): number {
    return this.#arrivals.length;
  }

  close(): void {
    this.#listener?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #next(): Promise<Arrival> {
    const arrival = this.#arrivals.shift();
    if (arrival !== undefined) return Promise.resolve(arrival);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #arrived(arrival: Arrival): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#arrivals.push(arrival);
    else waiting(arrival);
  }
}

/** Two ends of one connection, both started. */
export async function connectPair(
  network: Network,
  reception: Reception,
): Promise<{ near: Witness; far: Witness }> {
  const [near, far] = await Promise.all([
    network.connect(reception.address),
    reception.accepted(),
  ]);
  return { near: new Witness(near).start(), far: new Witness(far).start() };
}

/** Bytes of which each differs from its neighbours. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8)) & 0xff);
}
