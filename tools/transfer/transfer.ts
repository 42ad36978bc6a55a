/** Takes transactions from one store to another, and shows how far that is. */

import { hexId, type Tid } from "../../mod.ts";
import { durationText } from "../../nodes/cluster/duration_text.ts";
import { tidTimeText } from "../../nodes/cluster/tid_time.ts";
import type { Origin, Target, Transferred } from "./transaction.ts";

/** How often progress is shown: on a terminal, and in a log. */
const TERMINAL_INTERVAL_MS = 200;
const LOG_INTERVAL_MS = 10_000;

/** What was transferred. */
export interface Summary {
  readonly transactions: number;
  readonly objects: number;
  readonly lastTid: Tid | null;
  readonly seconds: number;
}

export interface TransferOptions {
  readonly signal: AbortSignal;
  /** Whether nothing is shown. */
  readonly quiet?: boolean;
}

/** Transfers everything. Rejects with the signal's reason, or with what the stores reject with. */
export async function transfer(
  origin: Origin,
  target: Target,
  { signal, quiet = false }: TransferOptions,
): Promise<Summary> {
  const progress = new Progress(origin, quiet);
  try {
    for await (const transaction of origin.transactions()) {
      await target.write(progress.count(transaction));
      progress.show();
      signal.throwIfAborted();
    }
  } finally {
    progress.end();
  }
  return progress.summary;
}

class Progress {
  readonly #origin: Origin;
  readonly #quiet: boolean;
  readonly #isTerminal = Deno.stderr.isTerminal();
  readonly #startMs = performance.now();
  #shownMs = performance.now();
  #transactions = 0;
  #objects = 0;
  #lastTid: Tid | null = null;

  constructor(origin: Origin, quiet: boolean) {
    this.#origin = origin;
    this.#quiet = quiet;
  }

  get summary(): Summary {
    return {
      transactions: this.#transactions,
      objects: this.#objects,
      lastTid: this.#lastTid,
      seconds: (performance.now() - this.#startMs) / 1000,
    };
  }

  /** The same transaction, counted while it is read. */
  count(transaction: Transferred): Transferred {
    this.#transactions++;
    this.#lastTid = transaction.tid;
    return { ...transaction, records: this.#counted(transaction.records) };
  }

  async *#counted<R>(records: AsyncIterable<R>): AsyncGenerator<R, void, void> {
    for await (const record of records) {
      this.#objects++;
      yield record;
    }
  }

  show(): void {
    if (this.#quiet) return;
    const now = performance.now();
    const interval = this.#isTerminal ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS;
    if (now - this.#shownMs < interval) return;
    this.#shownMs = now;
    const { size, position } = this.#origin;
    const seconds = (now - this.#startMs) / 1000;
    const part = size === 0 ? 1 : position / size;
    const left = part === 0 ? "" : `, ${durationText(1000 * (seconds / part - seconds))} left`;
    const time = this.#lastTid === null ? "" : ` at ${tidTimeText(this.#lastTid).slice(0, 19)}`;
    const line = `${(part * 100).toFixed(1)}%${time}, ${this.#objects} objects, ` +
      `${Math.round(this.#objects / seconds)}/s${left}`;
    this.#print(this.#isTerminal ? `\r${line}\x1b[K` : `${line}\n`);
  }

  end(): void {
    if (!this.#quiet && this.#isTerminal) this.#print("\r\x1b[K");
  }

  #print(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}

/** A summary as one line. */
export function summaryText({ transactions, objects, lastTid, seconds }: Summary): string {
  const upTo = lastTid === null ? "" : ` up to ${hexId(lastTid)}`;
  const rate = Math.round(objects / Math.max(seconds, 0.001));
  return `${transactions} transactions${upTo}, ${objects} objects, ` +
    `in ${seconds.toFixed(1)} s (${rate} objects/s)`;
}
