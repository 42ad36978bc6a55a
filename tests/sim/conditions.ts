/**
 * What the network between machines is like at the moment: which ways are cut, which machines are
 * slow or stand still. A way can be cut in one direction only. What is sent over a way that is cut
 * waits, as TCP sends it again and again; when nothing has passed for long enough, both ends give
 * their connections up, each by itself.
 */

import type { Clock } from "./clock.ts";

/** How long a way may be cut before the ends of its connections give up, as keepalive has it. */
export const KEEP_ALIVE_MS = 90_000;

/** What waits for a way to be open again. */
interface Waiting {
  readonly from: string;
  readonly to: string;
  readonly arrive: () => void;
}

export class Conditions {
  readonly #clock: Clock;
  /** Told when two machines have not heard of each other for too long. */
  readonly #timedOut: (a: string, b: string) => void;
  /** The ways that are cut, and how many cuts there are on each. */
  readonly #cuts = new Map<string, number>();
  readonly #standing = new Set<string>();
  readonly #slowness = new Map<string, number>();
  #waiting: Waiting[] = [];

  constructor(clock: Clock, timedOut: (a: string, b: string) => void) {
    this.#clock = clock;
    this.#timedOut = timedOut;
  }

  /** By how much everything of a machine takes longer than usual. */
  slowness(ip: string): number {
    return this.#slowness.get(ip) ?? 1;
  }

  /** Makes a machine slower. Returns what makes it as fast as it was. */
  slow(ip: string, factor: number): () => void {
    this.#slowness.set(ip, factor);
    return () => this.#slowness.delete(ip);
  }

  /** Cuts the way between two machines, in this direction. Returns what mends it. */
  cut(from: string, to: string): () => void {
    const way = wayOf(from, to);
    this.#cuts.set(way, (this.#cuts.get(way) ?? 0) + 1);
    const giveUp = this.#clock.at(this.#clock.nowMs + KEEP_ALIVE_MS, () => {
      this.#timedOut(from, to);
    });
    let isMended = false;
    return () => {
      if (isMended) return;
      isMended = true;
      giveUp.cancel();
      const left = (this.#cuts.get(way) ?? 1) - 1;
      if (left > 0) this.#cuts.set(way, left);
      else this.#cuts.delete(way);
      this.#resume();
    };
  }

  /** Lets a machine's process stand still, as SIGSTOP does. Returns what lets it go on. */
  stand(ip: string): () => void {
    this.#standing.add(ip);
    return () => {
      this.#standing.delete(ip);
      this.#resume();
    };
  }

  /** Whether a machine's process stands still. */
  stands(ip: string): boolean {
    return this.#standing.has(ip);
  }

  /** Lets something happen at a machine that comes from another one, once the way is open. */
  pass(from: string, to: string, { atMs, arrive }: {
    readonly atMs: number;
    readonly arrive: () => void;
  }): void {
    this.#clock.at(atMs, () => {
      if (this.#isClosed(from, to)) this.#waiting.push({ from, to, arrive });
      else arrive();
    });
  }

  /** Lets a timer or the like fire in a machine's process, once that does not stand still. */
  fire(ip: string, callback: () => void): void {
    if (this.#standing.has(ip)) this.#waiting.push({ from: ip, to: ip, arrive: callback });
    else callback();
  }

  #isClosed(from: string, to: string): boolean {
    return this.#standing.has(to) || this.#cuts.has(wayOf(from, to));
  }

  /** What waits goes on where it can, in the order in which it came. */
  #resume(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const entry of waiting) {
      if (this.#isClosed(entry.from, entry.to)) this.#waiting.push(entry);
      else this.#clock.at(this.#clock.nowMs, entry.arrive);
    }
  }
}

function wayOf(from: string, to: string): string {
  return `${from} > ${to}`;
}
