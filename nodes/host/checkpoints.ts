/**
 * Copying the WAL to the main file, off the event loop: a checkpoint of some megabytes waits for the
 * disk twice, and everybody would wait with it. A thread does nearly all of it, while this side
 * goes on to write. What was written meanwhile is then little, and is copied here, so that SQLite
 * can start the WAL again; without that the WAL would grow for as long as there are writers.
 *
 * How much is left is told by SQLite's WAL index, whose head is part of its documented file format.
 *
 * Invariant: `index` stays open for as long as this process has the database open. Closing any
 * descriptor of that file drops the locks that SQLite has on it.
 */

import { readSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { CheckpointAnswer, CheckpointOrder, CheckpointWork } from "./checkpoint_worker.ts";

/** Pages that are left to be copied from which on it is worth it. */
export const CHECKPOINT_PAGES = 4000;

/** Pages in the WAL from which on it should start again. */
export const RESTART_PAGES = 8000;

/** Pages that are few enough to be copied on the event loop. */
const FEW_PAGES = 400;

/** How long the end of the database waits for the thread, in milliseconds. */
const CLOSE_MS = 10_000;

/** The head of the WAL index: where it says how many pages the WAL has, and were copied. */
const INDEX_BYTES = 100;
const PAGES_AT = 16;
const COPIED_AT = 96;

export interface CheckpointsOptions {
  /** The main file. */
  readonly path: string;
  /** The open WAL index's descriptor. */
  readonly index: number;
  /** Makes a checkpoint here. Does nothing while a transaction is open. */
  checkpoint(): void;
  /** The thread can't: SQLite has to do it by itself, and tells why. */
  failed(): void;
}

export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #head = new Uint8Array(INDEX_BYTES);
  readonly #closed = new Int32Array(new SharedArrayBuffer(4));
  #worker: Worker | null = null;
  #isRunning = false;
  #isOver = false;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  /** Does what is due. To be called after commits. */
  look(): void {
    if (this.#isOver || this.#isRunning) return;
    const { pages, left } = this.#state();
    const isLong = pages >= RESTART_PAGES;
    if (isLong && left > 0 && left <= FEW_PAGES) this.#options.checkpoint();
    else if (left > (isLong ? FEW_PAGES : CHECKPOINT_PAGES)) this.#order("checkpoint");
  }

  #state(): { readonly pages: number; readonly left: number } {
    const bytes = readSync(this.#options.index, this.#head, 0, INDEX_BYTES, 0);
    if (bytes !== INDEX_BYTES) return { pages: 0, left: 0 };
    // The index is in the machine's own order of bytes.
    const numbers = new Uint32Array(this.#head.buffer);
    const pages = numbers[PAGES_AT / 4] ?? 0;
    return { pages, left: pages - (numbers[COPIED_AT / 4] ?? 0) };
  }

  #order(order: CheckpointOrder): void {
    this.#isRunning = true;
    this.#worker ??= this.#start();
    this.#worker.postMessage(order);
  }

  #start(): Worker {
    const workerData: CheckpointWork = { path: this.#options.path, closed: this.#closed };
    const worker = new Worker(new URL("./checkpoint_worker.ts", import.meta.url), { workerData });
    worker.on("message", (answer: CheckpointAnswer) => {
      if (answer !== null) return this.#fail();
      this.#isRunning = false;
      this.look();
    });
    worker.on("error", () => {
      // It is gone, and nobody has to wait for it.
      this.#worker = null;
      this.#fail();
    });
    worker.unref();
    return worker;
  }

  #fail(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.failed();
  }

  /** Lets nothing more be copied by the thread, without waiting for what it does. */
  abandon(): void {
    this.#isOver = true;
    void this.#worker?.terminate();
  }

  /** Ends the thread, and waits until it has left the database. */
  close(): void {
    this.#isOver = true;
    if (this.#worker === null) return;
    this.#worker.postMessage("close" satisfies CheckpointOrder);
    Atomics.wait(this.#closed, 0, 0, CLOSE_MS);
    void this.#worker.terminate();
  }
}
