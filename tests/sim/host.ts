/**
 * One process of a simulated world, with its clock, timers, network, disk and log. When it is
 * killed, nothing that it waits for ever happens: its code stays where it is.
 */

import { DatabaseLostError, FileError, NetworkError } from "../../nodes/errors.ts";
import type {
  FileSystem,
  LogSink,
  Network,
  NodeHost,
  SignalName,
  SignalSubscription,
  SqlDatabase,
  SqlSession,
  Timer,
  TlsIdentity,
} from "../../nodes/host/host.ts";
import type { Clock } from "./clock.ts";
import type { Conditions } from "./conditions.ts";
import type { Disk } from "./disk.ts";
import type { Internet, NetworkUser } from "./network.ts";
import type { Random } from "./random.ts";
import type { SimulatedSocket } from "./socket.ts";

/** Unix time at which worlds begin, in milliseconds. */
const EPOCH_MS = Date.UTC(2024, 0, 1);
/** How much later than asked a timer may be. */
const MAX_TIMER_DELAY_MS = 1;
/** How long a flush of a disk takes; one in `SLOW_FLUSH_ONE_IN` is slower. */
const FLUSH_MS = { low: 0.5, high: 8 } as const;
const SLOW_FLUSH_ONE_IN = 30;
const SLOW_FLUSH_MS = { low: 10, high: 150 } as const;

/** What a host needs of its world. */
export interface HostWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly internet: Internet;
  readonly conditions: Conditions;
  /** Writes a line into the log of all events. */
  record(host: string, text: string): void;
}

interface Subscription {
  readonly names: readonly SignalName[];
  readonly callback: (name: SignalName) => void;
}

export class SimulatedHost implements NodeHost, NetworkUser {
  readonly sockets = new Set<SimulatedSocket>();
  readonly log: LogSink;
  /** By how much this machine's clock is ahead of the others. */
  clockErrorMs = 0;
  readonly #world: HostWorld;
  readonly #disk: Disk;
  readonly #startMs: number;
  readonly #subscriptions = new Set<Subscription>();
  readonly #died = Promise.withResolvers<void>();
  #alive = true;

  /**
   * @param hostname who the machine is
   * @param ip its address, to listen on and to connect from
   */
  constructor(readonly hostname: string, readonly ip: string, world: HostWorld, disk: Disk) {
    this.#world = world;
    this.#disk = disk;
    this.#startMs = world.clock.nowMs;
    this.log = {
      log: (level, module, message) => {
        if (this.#alive) world.record(hostname, `${level} ${module}: ${message}`);
      },
    };
  }

  /** Resolves when the process was killed. */
  get died(): Promise<void> {
    return this.#died.promise;
  }

  get alive(): boolean {
    return this.#alive;
  }

  now(): number {
    return EPOCH_MS + this.#world.clock.nowMs + this.clockErrorMs;
  }

  monotonic(): number {
    return this.#world.clock.nowMs - this.#startMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const lateMs = this.random() * MAX_TIMER_DELAY_MS;
    return this.#at(this.#world.clock.nowMs + Math.max(0, delayMs) + lateMs, callback);
  }

  defer(callback: () => void): void {
    this.#at(this.#world.clock.nowMs, callback);
  }

  #at(timeMs: number, callback: () => void): Timer {
    const { clock, conditions } = this.#world;
    let isCancelled = false;
    const fire = () => {
      if (this.#alive && !isCancelled) callback();
    };
    const timer = clock.at(timeMs, () => conditions.fire(this.ip, fire));
    return {
      cancel: () => {
        // A process that stands still may have it waiting.
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  random(): number {
    return this.#world.random.fraction();
  }

  network(tls: TlsIdentity | null): Network {
    return this.#world.internet.network(this, tls === null ? null : tls.ca);
  }

  resolve(name: string): Promise<string> {
    if (/^[\d.]+$|:/.test(name)) return Promise.resolve(name);
    return Promise.reject(new NetworkError(`unknown host name ${name}`));
  }

  readTextFile(path: string): string | null {
    return this.#disk.files.get(path) ?? null;
  }

  writeTextFile(path: string, text: string): void {
    this.#disk.files.set(path, text);
  }

  openDatabase(path: string): { readonly database: SqlDatabase; readonly device: string } {
    const { clock, random, conditions } = this.#world;
    const database = this.#disk.open(path, {
      flushed: () =>
        new Promise((resolve) => {
          const { low, high } = random.oneIn(SLOW_FLUSH_ONE_IN) ? SLOW_FLUSH_MS : FLUSH_MS;
          const slowness = conditions.slowness(this.ip);
          this.#at(clock.nowMs + random.between(low, high) * slowness, resolve);
        }),
      oneIn: (count) => this.#world.random.oneIn(count),
    });
    return { database, device: this.diskOf() };
  }

  connectDatabase(): Promise<SqlSession> {
    return Promise.reject(new DatabaseLostError("there is no database server here"));
  }

  diskOf(): string {
    return `disk-of-${this.hostname}`;
  }

  /** Simulated nodes have no stores but their databases. */
  readonly files: FileSystem = {
    open: () => null,
    rename: (from) => {
      throw new FileError(`there is no ${from} in this world`);
    },
    remove: () => {},
    lock: () => null,
  };

  startDeflater(): never {
    throw new FileError("there is nothing to compress in this world");
  }

  onSignal(names: readonly SignalName[], callback: (name: SignalName) => void): SignalSubscription {
    const subscription = { names, callback };
    this.#subscriptions.add(subscription);
    return { cancel: () => this.#subscriptions.delete(subscription) };
  }

  /** Sends the process a signal that it has subscribed to. */
  signal(name: SignalName): void {
    for (const { names, callback } of this.#subscriptions) {
      if (names.includes(name)) this.#at(this.#world.clock.nowMs, () => callback(name));
    }
  }

  /** Whether the disk has no room: nothing can be written to its databases. */
  set diskFull(isFull: boolean) {
    this.#disk.isFull = isFull;
  }

  /** Kills the process and the machine below it: commits that were not flushed may be lost. */
  kill(): void {
    this.#alive = false;
    this.#died.resolve();
    this.#subscriptions.clear();
    this.#world.internet.forget(this);
    this.#disk.crash({
      flushed: () => Promise.resolve(),
      oneIn: (count) => this.#world.random.oneIn(count),
    });
  }
}
