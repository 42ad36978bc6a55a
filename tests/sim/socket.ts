/**
 * Connections of the simulated network: two sockets and a pipe each way. A pipe delivers in order
 * after seeded delays, in pieces that have nothing to do with the writes, and holds a window of
 * bytes that the receiver has not taken; the rest waits at the sender, as with real TCP.
 */

import type { Address, Socket, SocketEvents, Timer } from "../../nodes/host/host.ts";
import type { Clock } from "./clock.ts";
import type { Conditions } from "./conditions.ts";
import type { Random } from "./random.ts";

/** Bytes that can be on their way, or wait for a receiver that does not read. */
const WINDOW_BYTES = 1 << 18;
/** From how many buffered bytes on `write` asks its caller to wait. */
const WRITE_LIMIT_BYTES = 1 << 20;
/** How long a connection that is being ended may make no progress before it is cut. */
const LINGER_MS = 10_000;
/** One write in so many arrives in two pieces. */
const SPLIT_ONE_IN = 4;

/** What sockets need of their world. */
export interface SocketWorld {
  readonly clock: Clock;
  readonly random: Random;
  /** How long something takes on its way from one machine to another, for this once. */
  delayMs(from: string, to: string): number;
  readonly conditions: Conditions;
  /** Told of all bytes that a socket sends. */
  sent(from: Address, to: Address, bytes: Uint8Array): void;
}

/** Makes a connection: the two sockets of it. */
export function connectedPair(
  world: SocketWorld,
  a: Address,
  b: Address,
): [SimulatedSocket, SimulatedSocket] {
  const first = new SimulatedSocket(world, a, b);
  const second = new SimulatedSocket(world, b, a);
  first.connect(second);
  second.connect(first);
  return [first, second];
}

export class SimulatedSocket implements Socket {
  readonly local: Address;
  readonly remote: Address;
  readonly #world: SocketWorld;
  #peer: SimulatedSocket | null = null;
  #events: SocketEvents | null = null;

  // Outwards.
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #windowBytes = WINDOW_BYTES;
  #lastArrivalMs = 0;
  #ending = false;
  #awaitsDrain = false;
  #linger: Timer | null = null;

  // Inwards.
  readonly #arrived: Uint8Array[] = [];
  #peerEnded = false;
  #paused = false;
  #deliveryScheduled = false;
  #over = false;

  constructor(world: SocketWorld, local: Address, remote: Address) {
    this.#world = world;
    this.local = local;
    this.remote = remote;
  }

  connect(peer: SimulatedSocket): void {
    this.#peer = peer;
  }

  get bufferedBytes(): number {
    return this.#unsentBytes;
  }

  start(events: SocketEvents): void {
    if (this.#events !== null) throw new Error("a socket can be started only once");
    this.#events = events;
    if (this.#over) this.#soon(() => events.closed(null));
    else this.#scheduleDelivery();
  }

  write(chunk: Uint8Array): boolean {
    if (this.#over || this.#ending) return true;
    this.#world.sent(this.local, this.remote, chunk);
    this.#unsent.push(chunk);
    this.#unsentBytes += chunk.length;
    this.#send();
    if (this.#unsentBytes <= WRITE_LIMIT_BYTES) return true;
    this.#awaitsDrain = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#scheduleDelivery();
  }

  end(): void {
    if (this.#over || this.#ending) return;
    this.#ending = true;
    // Only a socket that is read notices that its peer closes too.
    this.resume();
    this.#watchProgress();
    this.#send();
  }

  destroy(): void {
    if (this.#over) return;
    const hasUnread = this.#arrived.length > 0;
    this.#finish();
    this.#soon(() => this.#events?.closed(null));
    this.#pass(() => {
      if (hasUnread) this.#peer?.reset();
      else this.#peer?.ended();
    });
  }

  /** Nothing was heard of the peer for too long: this end gives up, and nobody is told there. */
  timeOut(): void {
    if (this.#over) return;
    this.#finish();
    this.#soon(() => this.#events?.closed(null));
  }

  /** The connection is lost on its way: both ends give it up, and what was under way is gone. */
  sever(): void {
    this.timeOut();
    this.#peer?.timeOut();
  }

  /** The process is gone: its kernel closes the connection, and nobody here is told. */
  vanish(): void {
    this.#events = null;
    this.destroy();
  }

  #soon(callback: () => void): void {
    this.#world.clock.at(this.#world.clock.nowMs, callback);
  }

  #finish(): void {
    this.#over = true;
    this.#linger?.cancel();
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#arrived.length = 0;
  }

  #watchProgress(): void {
    const before = this.#unsentBytes;
    this.#linger = this.#world.clock.at(this.#world.clock.nowMs + LINGER_MS, () => {
      if (this.#unsentBytes < before) this.#watchProgress();
      else this.destroy();
    });
  }

  /** When what is sent now arrives: never before what was sent earlier. */
  #arrivalMs(): number {
    const { clock } = this.#world;
    const delayMs = this.#world.delayMs(this.local.host, this.remote.host);
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, clock.nowMs + delayMs);
    return this.#lastArrivalMs;
  }

  /** Lets something happen at the peer, after all that was sent before. */
  #pass(arrive: () => void): void {
    const { conditions } = this.#world;
    conditions.pass(this.local.host, this.remote.host, { atMs: this.#arrivalMs(), arrive });
  }

  /** Hands to the network what its window has room for. */
  #send(): void {
    const { random } = this.#world;
    while (this.#windowBytes > 0) {
      const chunk = this.#unsent.shift();
      if (chunk === undefined) break;
      let length = Math.min(chunk.length, this.#windowBytes);
      if (length > 1 && random.oneIn(SPLIT_ONE_IN)) length = 1 + random.below(length - 1);
      if (length < chunk.length) this.#unsent.unshift(chunk.subarray(length));
      this.#unsentBytes -= length;
      this.#windowBytes -= length;
      const piece = chunk.slice(0, length);
      this.#pass(() => this.#peer?.arrive(piece));
    }
    if (this.#unsentBytes > 0) return;
    if (this.#awaitsDrain) {
      this.#awaitsDrain = false;
      this.#soon(() => {
        if (!this.#over) this.#events?.drained();
      });
    }
    if (!this.#ending) return;
    this.#pass(() => this.#peer?.ended());
    // Once is enough.
    this.#windowBytes = 0;
  }

  /** The receiver has taken bytes: there is room for more. */
  taken(bytes: number): void {
    if (this.#over || (this.#ending && this.#unsentBytes === 0)) return;
    this.#windowBytes += bytes;
    this.#send();
  }

  /** Bytes of the peer came over the network. */
  arrive(piece: Uint8Array): void {
    if (this.#over) {
      // Nobody is there any more: the sender is told.
      this.#pass(() => this.#peer?.reset());
      return;
    }
    this.#arrived.push(piece);
    this.#deliver();
  }

  /** The peer's side is over, after what it sent. */
  ended(): void {
    if (this.#over) return;
    this.#peerEnded = true;
    this.#deliver();
  }

  /** The peer is gone: what is on its way in either direction is lost. */
  reset(): void {
    if (this.#over) return;
    this.#arrived.length = 0;
    this.#peerEnded = true;
    // A paused socket notices it by what it can't send.
    if (this.#paused && this.#unsentBytes > 0) {
      this.#finish();
      this.#soon(() => this.#events?.closed(null));
    } else this.#deliver();
  }

  #scheduleDelivery(): void {
    if (this.#deliveryScheduled) return;
    this.#deliveryScheduled = true;
    this.#soon(() => {
      this.#deliveryScheduled = false;
      this.#deliver();
    });
  }

  /** Gives the owner one piece, and the others one by one afterwards. */
  #deliver(): void {
    if (this.#events === null || this.#paused || this.#over || this.#deliveryScheduled) return;
    const piece = this.#arrived.shift();
    if (piece !== undefined) {
      const peer = this.#peer;
      // That there is room again overtakes what this side has sent.
      const { clock, conditions, delayMs } = this.#world;
      const [here, there] = [this.local.host, this.remote.host];
      conditions.pass(here, there, {
        atMs: clock.nowMs + delayMs(here, there),
        arrive: () => peer?.taken(piece.length),
      });
      this.#events.data(piece);
      if (this.#arrived.length > 0 || this.#peerEnded) this.#scheduleDelivery();
    } else if (this.#peerEnded) {
      this.#finish();
      this.#events.closed(null);
      // An end is an end: what this side had not sent is lost, and the peer's side ends too.
      this.#pass(() => this.#peer?.ended());
    }
  }
}
