/**
 * The log file of a node. Every message and every packet is recorded in memory, where the newest
 * 16 MiB are kept, and is written to the file when something happens that somebody will want to
 * look into: a warning or worse, or somebody asks. A node that is well writes nothing at all.
 *
 * A file that cannot be written never stops a node: records stay in memory, and it is tried again.
 */

import type { LogLevel, LogSink, PacketFrame } from "./host.ts";
import { type Direction, LogBacklog } from "./log_backlog.ts";
import { LogDatabase, type LogDatabaseOptions, type NodeIdentity } from "./log_database.ts";

/** How long to wait before a file that could not be written is tried again. */
const RETRY_MS = 500;

/** How long the last writing waits for others who read the file. */
const LAST_WAIT_MS = 2000;

/** Times may run ahead of the clock by so much, where more happens than it can tell apart. */
const CLOCK_GRAIN_S = 0.01;

/** What makes the next number of a number, or the one after that. */
const NEXT = 1 + Number.EPSILON;

/** More identities than a node can have in the life of a process are not told apart. */
const MAX_IDENTITIES = 0xffff;

const FLUSHING: readonly LogLevel[] = ["WARNING", "ERROR", "CRITICAL"];

export interface LogRecorderOptions extends LogDatabaseOptions {
  /** Writes each record at once, for commands that end soon. */
  readonly immediate?: boolean;
  /** Calls back later. */
  setTimer(delayMs: number, callback: () => void): { cancel(): void };
  /** Told why the file can't be written, and that it can be again. */
  complain(reason: string): void;
}

export class LogRecorder implements LogSink {
  readonly #options: LogRecorderOptions;
  readonly #backlog = new LogBacklog();
  readonly #identities: NodeIdentity[] = [];
  readonly #database: LogDatabase;
  #retry: { cancel(): void } | null = null;
  #hasComplained = false;
  #lastDate = 0;
  #isClosed = false;
  readonly #immediate: boolean;

  /** Opens (creates) the file. Throws a ConfigurationError. */
  constructor(options: LogRecorderOptions) {
    this.#options = options;
    this.#immediate = options.immediate ?? false;
    this.#database = new LogDatabase(options);
  }

  log(level: LogLevel, module: string, message: string): void {
    this.#backlog.message(this.#date(), this.#identities.length, level, module, message);
    if (this.#immediate || FLUSHING.includes(level)) this.flush();
  }

  packet(direction: Direction, peer: string, frame: PacketFrame): void {
    this.#backlog.packet(this.#date(), this.#identities.length, direction, peer, frame);
    if (this.#immediate) this.flush();
  }

  identified(cluster: string, nid: number): void {
    const last = this.#identities.at(-1);
    if (last?.cluster === cluster && last.nid === nid) return;
    if (this.#identities.length < MAX_IDENTITIES) this.#identities.push({ cluster, nid });
  }

  /** Writes out what is in memory; when the file can't be written now, a little later. */
  flush(): void {
    if (this.#retry !== null || this.#isClosed) return;
    if (!this.#write()) {
      this.#retry = this.#options.setTimer(RETRY_MS, () => {
        this.#retry = null;
        this.flush();
      });
    }
  }

  /**
   * Goes on with a new file of the same name; what is in memory goes there, too. To be called when
   * the file was renamed. Where that is not possible it goes on with this one, and says so.
   */
  reopen(): void {
    try {
      this.#database.reopen();
    } catch (error) {
      this.#options.complain(`the log goes on in the old file: ${reasonOf(error)}`);
    }
  }

  /** Closes the file. What was to be written and could not is tried once more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#retry !== null) {
      this.#retry.cancel();
      this.#database.waitForReaders(LAST_WAIT_MS);
      this.#write();
    }
    this.#database.close();
  }

  #write(): boolean {
    if (this.#backlog.empty) return true;
    try {
      if (!this.#database.write(this.#backlog, this.#identities)) return false;
      this.#backlog.clear();
      if (this.#hasComplained) this.#options.complain("the log file can be written again");
      this.#hasComplained = false;
      return true;
    } catch (error) {
      this.#complain(error);
      return false;
    }
  }

  /** Says it once: the next records would say it again. */
  #complain(error: unknown): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    this.#options.complain(
      `the log file can't be written, and is tried again: ${reasonOf(error)}`,
    );
  }

  /**
   * Unix time in seconds, at which nothing was recorded yet: it is what tells records apart. Of a
   * clock that was set back only the file knows which times are taken.
   */
  #date(): number {
    const date = this.#options.now() / 1000;
    const isTaken = date <= this.#lastDate && this.#lastDate - date < CLOCK_GRAIN_S;
    this.#lastDate = isTaken ? this.#lastDate * NEXT : date;
    return this.#lastDate;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
