/**
 * Statements on their way to the server, on one session. Writes gather until somebody reads or
 * commits, or until they are worth a message; and while some are executed, others gather: the
 * busier the server, the fewer messages. A commit ends a message, so that who waits for it does not
 * wait for more.
 *
 * A session that is lost is replaced, and statements are repeated, as long as nothing is written
 * that is not committed. Otherwise the loss is a failure, since what was written is lost, and it is
 * not known whether a commit was done.
 */

import { DatabaseError, DatabaseLostError } from "../../../errors.ts";
import type { SqlRow, SqlSession } from "../../../host/host.ts";
import type { Eventual } from "../eventual.ts";

/** How often statements are tried in all. */
const TRIES = 3;

/** Statements in one message, and those of them whose rows may be big. */
const MAX_STATEMENTS = 256;
const MAX_READS = 32;

/** Texts that wait or are under way, in bytes: beyond, who stores data has to wait. */
const MAX_QUEUED_BYTES = 64 << 20;

/** What a message has beside the texts of its statements, at most, in bytes. */
const MESSAGE_OVERHEAD_BYTES = 1024;

/** A message that is longer than this is not made longer. */
const LONG_MESSAGE_BYTES = 1 << 20;

/** Writes that are worth a message of their own, so that the server has something to do. */
const WORTHY_STATEMENTS = 32;
const WORTHY_BYTES = 64 * 1024;

export type Kind = "read" | "write" | "commit";

interface Job {
  readonly kind: Kind;
  readonly sql: string;
  done(rows: SqlRow[]): void;
  failed(error: unknown): void;
}

export interface PipelineOptions {
  /** Opens a session; waits for the server as long as it may. */
  connect(): Promise<SqlSession>;
  /** What the server takes in one message, in bytes. */
  readonly maxPacket: number;
  /** Called once with what makes the pipeline unusable. */
  failed(error: unknown): void;
}

const NOTHING = () => {};

export class Pipeline {
  readonly #options: PipelineOptions;
  #session: SqlSession;
  #jobs: Job[] = [];
  /** The bytes of the writes that gather. */
  #gathered = 0;
  /** The bytes of all that wait or are under way. */
  #queued = 0;
  #isRunning = false;
  /** Whether the server has writes that are not committed. */
  #isActive = false;
  #failure: unknown = null;
  #whenIdle: (() => void)[] = [];
  #whenRoom: (() => void)[] = [];

  constructor(session: SqlSession, options: PipelineOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** Sends a statement that writes; who wants to know that it was done commits. */
  write(sql: string): void {
    this.#add({ kind: "write", sql, done: NOTHING, failed: NOTHING });
  }

  /** Sends a statement, and resolves with its rows. */
  ask(sql: string, kind: "read" | "commit" = "read"): Promise<SqlRow[]> {
    return new Promise((done, failed) => this.#add({ kind, sql, done, failed }));
  }

  #add(job: Job): void {
    if (this.#failure !== null) return job.failed(this.#failure);
    this.#jobs.push(job);
    this.#queued += job.sql.length;
    if (this.#isRunning) return;
    this.#gathered += job.sql.length;
    const isWorthy = this.#jobs.length >= WORTHY_STATEMENTS || this.#gathered >= WORTHY_BYTES;
    if (job.kind !== "write" || isWorthy) this.send();
  }

  /** Sends what has gathered, together with what else is asked for in this turn. */
  send(): void {
    if (this.#isRunning || this.#jobs.length === 0) return;
    this.#isRunning = true;
    this.#gathered = 0;
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#jobs.length > 0) {
      const jobs = this.#take();
      try {
        const results = await this.#execute(jobs);
        let at = 0;
        for (const job of jobs) {
          this.#queued -= job.sql.length;
          job.done(results[at++] ?? []);
        }
        if (this.#queued < MAX_QUEUED_BYTES) callAll(this.#whenRoom);
      } catch (error) {
        this.#jobs.unshift(...jobs);
        this.#fail(error);
      }
    }
    this.#isRunning = false;
    callAll(this.#whenIdle);
  }

  /** The statements of the next message. */
  #take(): Job[] {
    const most = this.#options.maxPacket - MESSAGE_OVERHEAD_BYTES;
    let [bytes, count, reads] = [0, 0, 0];
    for (const { kind, sql } of this.#jobs) {
      bytes += sql.length + 1;
      if (count > 0 && bytes > most) break;
      count++;
      if (kind === "read" && ++reads === MAX_READS) break;
      if (kind === "commit" || count === MAX_STATEMENTS || bytes > LONG_MESSAGE_BYTES) break;
    }
    return this.#jobs.splice(0, count);
  }

  async #execute(jobs: readonly Job[]): Promise<SqlRow[][]> {
    const texts = jobs.map(({ sql }) => sql);
    const writes = jobs.some(({ kind }) => kind !== "read");
    for (let tries = 1;; tries++) {
      if (this.#session.isLost && !this.#isActive) await this.#reconnect();
      try {
        const results = await this.#session.query(texts);
        if (writes) this.#isActive = jobs.at(-1)?.kind !== "commit";
        return results;
      } catch (error) {
        if (!(error instanceof DatabaseLostError)) throw error;
        if (writes || this.#isActive) throw uncommittedLost(error);
        if (tries === TRIES) throw error;
      }
    }
  }

  async #reconnect(): Promise<void> {
    const session = await this.#options.connect();
    if (this.#failure === null) {
      this.#session = session;
      return;
    }
    session.destroy();
    throw this.#failure;
  }

  #fail(error: unknown): void {
    if (this.#failure === null) {
      this.#failure = error;
      this.#options.failed(error);
    }
    for (const job of this.#jobs.splice(0)) job.failed(this.#failure);
    callAll(this.#whenRoom);
  }

  /** Resolves when not too much waits: at once if so. */
  room(): Eventual<void> {
    if (this.#queued < MAX_QUEUED_BYTES || this.#failure !== null) return;
    return new Promise((resolve) => this.#whenRoom.push(resolve));
  }

  /** Whether the server has hung up, and nothing was lost by that. */
  get isLost(): boolean {
    return this.#session.isLost;
  }

  /** Resolves when all statements have been executed. */
  async idle(): Promise<void> {
    if (this.#isRunning) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Ends the session after what is under way. */
  async close(): Promise<void> {
    await this.idle();
    this.#failure ??= new DatabaseError("the database is closed");
    await this.#session.close();
  }

  /** Ends the session at once. */
  destroy(): void {
    this.#failure ??= new DatabaseError("the database is closed");
    this.#session.destroy();
  }
}

function callAll(callbacks: (() => void)[]): void {
  for (const callback of callbacks.splice(0)) callback();
}

function uncommittedLost(cause: DatabaseLostError): DatabaseError {
  return new DatabaseError(
    `${cause.message}, with writes that were not committed: start this node again, and it will ` +
      "get from the others what it has missed",
    { cause },
  );
}
