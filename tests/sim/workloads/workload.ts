/** What clients do in a run, and what has to hold whatever happens to them meanwhile. */

import type { Random } from "../random.ts";
import { type RecordedClient, type Step, type Style, STYLES } from "./recorded_client.ts";
import type { Merge } from "./recorder.ts";
import type { StepTransaction } from "./step_transaction.ts";

/** Where a step is run. */
export interface Place {
  readonly client: RecordedClient;
  /** Workers are numbered from 0 on; each makes its steps one after the other. */
  readonly worker: number;
  readonly random: Random;
  /** Waits a little, so that transactions overlap. */
  pause(): Promise<void>;
}

export interface Workload {
  /** Unites two changes of a value; where absent, conflicts end transactions. */
  readonly merge?: Merge;
  /** Creates what the workload needs. */
  prepare(client: RecordedClient, workers: number): Promise<void>;
  /** Makes one step of a worker. Throws when what it finds is impossible. */
  step(place: Place): Promise<void>;
  /** Throws when what a transaction finds after all steps is impossible. */
  verify(tx: StepTransaction): Promise<void>;
}

/**
 * How often something may have been done: those that were acknowledged for sure, and besides those
 * of which nobody was told.
 */
export class Tally {
  #sure = 0;
  #possible = 0;

  /** Runs a step that does something `amount` times if it is committed. */
  async run(
    { client, random }: Place,
    step: Step<void>,
    { amount = 1, style }: { readonly amount?: number; readonly style?: Style } = {},
  ): Promise<void> {
    this.#possible += amount;
    const outcome = await client.run(style ?? anyStyle(random), step);
    if (outcome.kind === "committed") this.#sure += amount;
    else if (outcome.kind === "aborted") this.#possible -= amount;
  }

  /** Throws when something was done too often, or not often enough. */
  verify(what: string, count: number): void {
    if (this.#sure <= count && count <= this.#possible) return;
    const expected = `${this.#sure} to ${this.#possible}`;
    throw new Error(`expected ${expected} ${what}, found ${count}`);
  }
}

/** One transaction in so many is run in one of the rarer ways. */
const RARE_ONE_IN = 6;

/** Any way to run a transaction. */
export function anyStyle(random: Random): Style {
  if (!random.oneIn(RARE_ONE_IN)) return random.oneIn(2) ? "transact" : "phases";
  return STYLES[random.below(STYLES.length)] ?? "phases";
}

/** Some of `items`, in an order that is different each time. */
export function someOf<T>(items: readonly T[], count: number, random: Random): T[] {
  const left = [...items];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0) {
    taken.push(...left.splice(random.below(left.length), 1));
  }
  return taken;
}

/** A value that has to be a number. */
export function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  throw new Error(`expected a number, found ${JSON.stringify(value)}`);
}
