/**
 * The connection to a database of a server: one session for everything that is written, with all
 * that has to see it, in order; and one that only reads committed rows, so that clients' reads need
 * not wait for writes and their way to the disk.
 *
 * The first write opens a transaction that all logical transactions share. After a failure nothing
 * is committed any more.
 */

import type { Oid } from "../../../codec/ids.ts";
import { DatabaseError } from "../../../errors.ts";
import type { ClientHost, SqlRow, SqlValue } from "../../../host/host.ts";
import { type Eventual, then } from "../eventual.ts";
import type {
  InsertStatement,
  ReadStatement,
  SqlConnection,
  WriteStatement,
} from "../sql/connection.ts";
import { GroupCommit } from "../sql/group_commit.ts";
import { LastTids } from "../sql/last_tids.ts";
import { Changes } from "./changes.ts";
import { Gate } from "./gate.ts";
import { Pipeline } from "./pipeline.ts";
import type { Server } from "./server.ts";
import { Template } from "./template.ts";
import { WriteTrail } from "./write_trail.ts";

/**
 * How long the server may take, in milliseconds, to commit and to give up the lock when a node is
 * stopped. One that hangs does neither and does not hang up; service managers give up a little
 * later than this.
 */
const CLOSE_TIMEOUT_MS = 30_000;

/** An insertion of several rows that is longer than this is not made longer, in bytes. */
const LONG_INSERT_BYTES = 256 << 10;

export interface ConnectionOptions {
  readonly host: ClientHost;
  readonly server: Server;
  failed(error: unknown): void;
}

export class Connection implements SqlConnection {
  readonly #host: ClientHost;
  readonly #failed: (error: unknown) => void;
  readonly #server: Server;
  readonly #commits: GroupCommit;
  readonly #gate: Gate;
  readonly #changes = new Changes();
  readonly lastTids = new LastTids();
  readonly trail: WriteTrail;
  readonly hold = null;
  readonly #writer: Pipeline;
  readonly #reader: Pipeline;
  #inTransaction = false;
  #committed: Promise<unknown> = Promise.resolve();
  #failure: unknown = null;
  #closed = false;

  private constructor(
    { host, server, failed }: ConnectionOptions,
    { writer, reader, trail }: {
      readonly writer: Pipeline;
      readonly reader: Pipeline;
      readonly trail: WriteTrail;
    },
  ) {
    this.#host = host;
    this.#failed = failed;
    this.#server = server;
    this.#writer = writer;
    this.#reader = reader;
    this.trail = trail;
    this.#gate = new Gate((error) => this.#fail(error));
    this.#commits = new GroupCommit(host, async () => {
      await this.#gate.pass(() => this.#commit(), { holds: false });
    });
  }

  /** Opens the sessions. Rejects with a DatabaseError. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { server } = options;
    let failed = (_error: unknown) => {};
    const { maxPacket } = server;
    const trail = new WriteTrail(server.database);
    const writer = new Pipeline(server.session, {
      connect: () => server.reconnect((session) => trail.check((sqls) => session.query(sqls))),
      maxPacket,
      failed: (error) => failed(error),
    });
    // The session that has the lock comes first.
    const connect = async () => {
      await writer.ask("SELECT 1");
      return await server.connect();
    };
    try {
      const reader = new Pipeline(await server.connect(), {
        connect,
        maxPacket,
        failed: (error) => failed(error),
      });
      const connection: Connection = new Connection(options, { writer, reader, trail });
      failed = (error) => connection.#fail(error);
      return connection;
    } catch (error) {
      writer.destroy();
      throw error;
    }
  }

  /** From now on it is found out when somebody else has written. Rejects with a DatabaseError. */
  followTrail(): Promise<void> {
    return this.trail.follow((sqls) => Promise.all(sqls.map((sql) => this.#writer.ask(sql))));
  }

  read(sql: string): ReadStatement {
    return statement(new Template(sql), ([text]) => this.#writer.ask(text));
  }

  lookup(sql: string): ReadStatement {
    return statement(new Template(sql), ([text, oid]) => {
      if (typeof oid !== "bigint" || !this.#changes.has(oid)) return this.#reader.ask(text);
      return Promise.resolve(this.inOrder(() => this.#writer.ask(text)));
    });
  }

  write(sql: string): WriteStatement {
    const template = new Template(sql);
    return { run: (...parameters) => this.#write(template.fill(parameters)) };
  }

  insert(table: string, columns: readonly string[]): InsertStatement {
    const head = new Template(`INSERT INTO ${table} (${columns.join(", ")}) VALUES`).fill([]);
    const row = new Template(`(${columns.map(() => "?").join(", ")})`);
    return {
      run: (rows) => {
        let text = "";
        for (const values of rows) {
          const more = row.fill(values);
          if (text !== "" && text.length + more.length > LONG_INSERT_BYTES) {
            this.#write(text);
            text = "";
          }
          text += text === "" ? `${head} ${more}` : `, ${more}`;
        }
        if (text !== "") this.#write(text);
      },
    };
  }

  execute(sql: string): void {
    this.#write(new Template(sql).fill([]));
  }

  #write(text: string): void {
    this.#check();
    if (!this.#inTransaction) {
      this.#inTransaction = true;
      this.#writer.write("BEGIN");
    }
    this.#writer.write(text);
  }

  #check(): void {
    if (this.#failure === null && !this.#closed) return;
    throw new DatabaseError("the database was closed, or an earlier write to it failed", {
      cause: this.#failure,
    });
  }

  inOrder<T>(operation: () => Eventual<T>): Eventual<T> {
    return this.#gate.pass(operation, { holds: false });
  }

  atomically<T>(operation: () => Eventual<T>): Eventual<T> {
    return this.#gate.pass(operation, { holds: true });
  }

  changing(oids: readonly Oid[] | null): void {
    this.#changes.add(oids);
    this.lastTids.forget(oids);
  }

  room(): Eventual<void> {
    return this.#writer.room();
  }

  commitNow(): Promise<void> {
    return this.#commit();
  }

  /** Commits all that was written. Resolves when it is on disk. */
  async #commit(): Promise<void> {
    this.#check();
    this.#commits.cancelLater();
    if (this.#inTransaction) {
      this.#inTransaction = false;
      // While operations wait, some of the changes that were announced are yet to be written.
      const done = this.#gate.isOpen ? this.#changes.commit() : () => {};
      const settled = this.trail.commit();
      const committed = this.#writer.ask("COMMIT", "commit").then(() => {
        done();
        settled();
      });
      committed.catch(() => {});
      this.#committed = committed;
    }
    await this.#committed;
  }

  commit(): Promise<void> {
    return this.#commits.commit();
  }

  commitLater(): void {
    // The server may do in the meantime what the commit would wait for.
    this.#writer.send();
    this.#commits.commitLater();
  }

  committed(): Eventual<void> {
    return this.#commits.committed();
  }

  #fail(error: unknown): void {
    if (this.#failure !== null || this.#closed) return;
    this.#failure = error;
    this.#failed(error);
  }

  async close(): Promise<void> {
    // Where there was something to commit, the loss of the server would be a failure.
    if (this.#failure !== null || this.#writer.isLost) return this.abandon();
    const { promise: tooLate, reject } = Promise.withResolvers<never>();
    const giveUp = () => reject(doesNotAnswer(this.#server.database));
    const timer = this.#host.setTimer(CLOSE_TIMEOUT_MS, giveUp, { keepsProcess: true });
    try {
      await Promise.race([this.#end(), tooLate]);
    } finally {
      timer.cancel();
      this.abandon();
    }
  }

  /** Commits, and gives the database up. */
  async #end(): Promise<void> {
    await this.#gate.pass(() => this.#commit(), { holds: false });
    this.#closed = true;
    this.#commits.cancelLater();
    await this.#reader.close();
    // The server learns of the end of a session a little later than its next one begins.
    await this.#writer.ask(this.#server.unlock);
    await this.#writer.close();
  }

  abandon(): void {
    this.#closed = true;
    this.#commits.cancelLater();
    this.#server.close();
    this.#reader.destroy();
    this.#writer.destroy();
  }
}

function doesNotAnswer(database: string): DatabaseError {
  const seconds = CLOSE_TIMEOUT_MS / 1000;
  return new DatabaseError(
    `the server of the database ${database} has not answered for ${seconds} s when it was to be ` +
      "closed: look whether it hangs; this node ends without it, and nothing that it has " +
      "acknowledged is lost",
  );
}

/** A statement that is asked for with its text and its second parameter, which may be an oid. */
function statement(
  template: Template,
  ask: (asked: readonly [text: string, second: SqlValue | undefined]) => Promise<SqlRow[]>,
): ReadStatement {
  const all = (...parameters: SqlValue[]) => ask([template.fill(parameters), parameters[1]]);
  return { all, get: (...parameters) => then(all(...parameters), (rows) => rows[0]) };
}
