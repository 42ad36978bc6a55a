/**
 * The simulated network: who listens where, and how a connection comes about. Both ends of a
 * connection must have the same authority, as under mutual TLS, or be in the clear.
 */

import { NetworkError } from "../../nodes/errors.ts";
import type { Address, Listener, Network, Socket } from "../../nodes/host/host.ts";
import { addressText } from "../../nodes/wire/text.ts";
import { connectedPair, type SimulatedSocket, type SocketWorld } from "./socket.ts";

/** The first port that is given to who asks for any. */
const FIRST_FREE_PORT = 40_000;
/** How long somebody waits for an answer to his wish to connect. */
const CONNECT_LIMIT_MS = 60_000;

type ListenEvents = Parameters<Network["listen"]>[1];

interface Listening {
  readonly authority: string | null;
  readonly owner: NetworkUser;
  readonly events: ListenEvents;
}

/** A process on a host, as the network knows it. */
export interface NetworkUser {
  /** The address that connections come from. */
  readonly ip: string;
  /** False once the process was killed. */
  readonly alive: boolean;
  readonly sockets: Set<SimulatedSocket>;
}

export class Internet {
  readonly #world: SocketWorld;
  readonly #listening = new Map<string, Listening>();
  #nextPort = FIRST_FREE_PORT;

  constructor(world: SocketWorld) {
    this.#world = world;
  }

  /** The network as one process has it. */
  network(user: NetworkUser, authority: string | null): Network {
    return {
      connect: (address) => this.#connect(user, authority, address),
      listen: (address, events) => this.#listen({ authority, owner: user, events }, address),
    };
  }

  /** Nobody listens any more for a process that was killed. */
  forget(user: NetworkUser): void {
    for (const [key, { owner }] of this.#listening) {
      if (owner === user) this.#listening.delete(key);
    }
    for (const socket of user.sockets) socket.vanish();
    user.sockets.clear();
  }

  #listen(listening: Listening, { host, port }: Address): Promise<Listener> {
    const address = { host, port: port === 0 ? this.#nextPort++ : port };
    const key = addressText(address);
    if (this.#listening.has(key)) {
      const reason = "the address is already in use";
      return Promise.reject(new NetworkError(`cannot listen on ${key}: ${reason}`));
    }
    this.#listening.set(key, listening);
    return Promise.resolve({
      address,
      close: () => {
        if (this.#listening.get(key) === listening) this.#listening.delete(key);
      },
    });
  }

  /** The connecting end is told on the way back, unless its process was killed meanwhile. */
  #connect(user: NetworkUser, authority: string | null, address: Address): Promise<Socket> {
    const { clock } = this.#world;
    const local = { host: user.ip, port: this.#nextPort++ };
    return new Promise((resolve, reject) => {
      let isOver = false;
      const refuse = (reason: string) => {
        if (isOver || !user.alive) return;
        isOver = true;
        reject(new NetworkError(`cannot connect to ${addressText(address)}: ${reason}`));
      };
      const timer = clock.at(clock.nowMs + CONNECT_LIMIT_MS, () => refuse("timed out"));
      this.#pass(local, address, () => {
        const found = this.#listening.get(addressText(address));
        if (found === undefined || found.authority !== authority) {
          const reason = found === undefined ? "connection refused" : "the TLS handshake failed";
          found?.events.refused(local, reason);
          return this.#pass(address, local, () => {
            timer.cancel();
            refuse(reason);
          });
        }
        const ours = this.#accept(found, user, local, address);
        this.#pass(address, local, () => {
          timer.cancel();
          if (isOver) return ours.vanish();
          isOver = true;
          if (user.alive) resolve(ours);
        });
      });
    });
  }

  #accept(
    { owner, events }: Listening,
    user: NetworkUser,
    local: Address,
    address: Address,
  ): SimulatedSocket {
    const [ours, theirs] = connectedPair(this.#world, local, address);
    owner.sockets.add(theirs);
    user.sockets.add(ours);
    // The connecting process was killed meanwhile.
    if (!user.alive) ours.vanish();
    events.accepted(theirs);
    return ours;
  }

  #pass(from: Address, to: Address, arrive: () => void): void {
    const { clock, conditions } = this.#world;
    const atMs = clock.nowMs + this.#world.delayMs(from.host, to.host);
    conditions.pass(from.host, to.host, { atMs, arrive });
  }
}
