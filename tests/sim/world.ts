/**
 * A world of simulated hosts: one virtual clock, one seed, one log of all that happens. Nothing
 * takes real time, and the same seed gives the same log, to the last packet.
 *
 * One thing happens at a time. Between two, the microtasks that the first has made ready run to
 * their end, so that a node reacts to it before the next one happens, as on a real event loop.
 */

import { setImmediate } from "node:timers";
import type { Address } from "../../nodes/host/host.ts";
import { addressText } from "../../nodes/wire/text.ts";
import { Clock } from "./clock.ts";
import { Conditions } from "./conditions.ts";
import { Disk } from "./disk.ts";
import { SimulatedHost } from "./host.ts";
import { Internet } from "./network.ts";
import { PacketLog } from "./packet_log.ts";
import { Random } from "./random.ts";

/** How long a packet is on its way; one in `SLOW_ONE_IN` is slower. */
const DELAY_MS = { low: 0.05, high: 2 } as const;
const SLOW_ONE_IN = 50;
const SLOW_DELAY_MS = { low: 5, high: 80 } as const;

/** Virtual time that a wait may take before it is taken for endless. */
const WAIT_LIMIT_MS = 3_600_000;
/** Lines of the log that are shown when a wait does not end. */
const SHOWN_LINES = 30;

export class SimulatedWorld {
  readonly clock = new Clock();
  readonly random: Random;
  readonly internet: Internet;
  readonly conditions: Conditions;
  readonly #log: string[] = [];
  readonly #disks = new Map<string, Disk>();
  readonly #hosts = new Map<string, SimulatedHost>();
  readonly #streams = new Map<string, PacketLog>();

  constructor(seed: number) {
    this.random = new Random(seed);
    this.conditions = new Conditions(this.clock, (a, b) => this.#timedOut(a, b));
    this.internet = new Internet({
      clock: this.clock,
      random: this.random,
      conditions: this.conditions,
      delayMs: (from, to) => this.#delayMs(from, to),
      sent: (from, to, bytes) => this.#sent(from, to, bytes),
    });
  }

  /** All that happened: log lines of hosts, packets that were sent, crashes. */
  get eventLog(): readonly string[] {
    return this.#log;
  }

  /** The host of a name; a new process on the same machine when the last one was killed. */
  host(name: string): SimulatedHost {
    const known = this.#hosts.get(name);
    if (known?.alive) return known;
    let disk = this.#disks.get(name);
    if (disk === undefined) this.#disks.set(name, disk = new Disk());
    const ip = known?.ip ?? `10.0.0.${this.#hosts.size + 1}`;
    const host = new SimulatedHost(name, ip, this, disk);
    this.#hosts.set(name, host);
    return host;
  }

  /** Kills a host's process and machine: what was not flushed to its disk may be lost. */
  crash(name: string): void {
    this.record(name, "crashes");
    this.#hosts.get(name)?.kill();
  }

  /** A machine is gone for good, with its disk: another one of its name begins with nothing. */
  destroy(name: string): void {
    this.crash(name);
    this.record(name, "has lost its disk");
    this.#disks.delete(name);
  }

  /** Resolves after some virtual time. */
  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.at(this.clock.nowMs + durationMs, resolve));
  }

  /** Lets things happen until a promise is settled, or a condition holds. Resolves with its value. */
  async run<T>(until: Promise<T> | (() => boolean)): Promise<T | undefined> {
    const endMs = this.clock.nowMs + WAIT_LIMIT_MS;
    if (typeof until === "function") {
      await this.#runUntil(until, endMs);
      return undefined;
    }
    let settled = false;
    const settle = () => settled = true;
    until.then(settle, settle);
    await this.#runUntil(() => settled, endMs);
    return until;
  }

  /** Lets things happen for some virtual time. */
  async runFor(durationMs: number): Promise<void> {
    const endMs = this.clock.nowMs + durationMs;
    let isOver = false;
    this.clock.at(endMs, () => isOver = true);
    await this.#runUntil(() => isOver, endMs);
  }

  async #runUntil(isDone: () => boolean, endMs: number): Promise<void> {
    for (;;) {
      await this.#microtasks();
      if (isDone()) return;
      const next = this.clock.next();
      if (next === null) throw this.stuck("nothing will ever happen");
      if (this.clock.nowMs > endMs) throw this.stuck(`waited for ${WAIT_LIMIT_MS} ms`);
      next();
    }
  }

  /** Writes a line into the log. */
  record(host: string, text: string): void {
    this.#log.push(`${this.clock.nowMs.toFixed(3)} ${host} ${text}`);
  }

  #microtasks(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  #delayMs(from: string, to: string): number {
    const { low, high } = this.random.oneIn(SLOW_ONE_IN) ? SLOW_DELAY_MS : DELAY_MS;
    const slowness = Math.max(this.conditions.slowness(from), this.conditions.slowness(to));
    return this.random.between(low, high) * slowness;
  }

  /** Two machines have not heard of each other for too long: their connections are over. */
  #timedOut(a: string, b: string): void {
    for (const { ip, sockets } of this.#hosts.values()) {
      if (ip !== a && ip !== b) continue;
      const peer = ip === a ? b : a;
      for (const socket of sockets) if (socket.remote.host === peer) socket.timeOut();
    }
  }

  #sent(from: Address, to: Address, bytes: Uint8Array): void {
    const link = `${addressText(from)} > ${addressText(to)}`;
    let stream = this.#streams.get(link);
    if (stream === undefined) this.#streams.set(link, stream = new PacketLog());
    for (const packet of stream.packets(bytes)) this.record(link, packet);
  }

  /** An error that shows the last events. */
  stuck(reason: string): Error {
    return new Error(
      `${reason}; the last events were:\n${this.#log.slice(-SHOWN_LINES).join("\n")}`,
    );
  }
}
