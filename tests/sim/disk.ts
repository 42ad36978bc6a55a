/**
 * A simulated disk: text files, which are always whole, and databases, which after a crash are as
 * they were when they were last made durable, or at any commit since then.
 */

import { DatabaseSync } from "node:sqlite";
import { DatabaseError } from "../../nodes/errors.ts";
import { GroupFlush } from "../../nodes/host/group_flush.ts";
import type { SqlDatabase, SqlStatement } from "../../nodes/host/host.ts";
import { prepareStatement, sqliteError } from "../../nodes/host/sqlite_statement.ts";

/** What a disk needs of its world. */
export interface DiskWorld {
  /** Resolves when a flush that begins now is over; never for a process that was killed. */
  flushed(): Promise<void>;
  /** Chance: true in one of `count` cases. */
  oneIn(count: number): boolean;
}

export class Disk {
  /** Whether there is no room: what is written from now on fails, be it now or at its flush. */
  isFull = false;
  readonly files = new Map<string, string>();
  readonly #images = new Map<string, Uint8Array>();
  readonly #open = new Map<string, SimulatedDatabase>();

  /** Opens (creates) a database. Throws a DatabaseError when it is open. */
  open(path: string, world: DiskWorld): SqlDatabase {
    if (this.#open.has(path)) throw new DatabaseError("database is locked");
    const database = new SimulatedDatabase({
      image: this.#images.get(path) ?? null,
      world,
      isFull: () => this.isFull,
      durable: (image) => this.#images.set(path, image),
      closed: () => this.#open.delete(path),
    });
    this.#open.set(path, database);
    return database;
  }

  /** The machine is gone: open databases fall back to what is on the disk. */
  crash(world: DiskWorld): void {
    for (const [path, database] of this.#open) {
      const image = database.crash(world.oneIn(2) ? "last" : "any");
      // What was committed and not flushed may have reached the disk all the same.
      if (image !== null && world.oneIn(2)) this.#images.set(path, image);
    }
    this.#open.clear();
  }
}

interface DatabaseOptions {
  readonly image: Uint8Array | null;
  readonly world: DiskWorld;
  isFull(): boolean;
  durable(image: Uint8Array): void;
  closed(): void;
}

class SimulatedDatabase implements SqlDatabase {
  readonly #options: DatabaseOptions;
  readonly #database = new DatabaseSync(":memory:", { enableForeignKeyConstraints: false });
  readonly #flushes: GroupFlush;
  // The last committed state, unless `#isChanged` says that it is out of date.
  #committed: Uint8Array;
  // Any of the committed states since the last flush began, and how many there were.
  #earlier: Uint8Array;
  #commits = 0;
  #isChanged = false;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    if (options.image !== null) this.#database.deserialize(options.image);
    this.#earlier = this.#committed = this.#database.serialize();
    this.#flushes = new GroupFlush(() => this.#flush());
  }

  exec(sql: string): void {
    this.#look();
    try {
      this.#database.exec(sql);
    } catch (error) {
      throw sqliteError(error);
    } finally {
      this.#isChanged = true;
    }
  }

  prepare(sql: string): SqlStatement {
    const statement = prepareStatement(this.#database, sql);
    return {
      run: (...parameters) => {
        this.#look();
        // Small changes still fit into pages that are there.
        if (this.#options.isFull() && this.#options.world.oneIn(4)) throw full();
        this.#isChanged = true;
        return statement.run(...parameters);
      },
      get: (...parameters) => statement.get(...parameters),
      all: (...parameters) => statement.all(...parameters),
    };
  }

  /** Remembers the committed state while no transaction hides it. */
  #look(): void {
    if (!this.#isChanged || this.#database.isTransaction) return;
    this.#committed = this.#database.serialize();
    this.#isChanged = false;
    if (this.#options.world.oneIn(++this.#commits)) this.#earlier = this.#committed;
  }

  durable(): Promise<void> {
    if (this.#closed) return Promise.reject(new DatabaseError("the database is closed"));
    return this.#flushes.durable();
  }

  async #flush(): Promise<void> {
    this.#look();
    const image = this.#committed;
    this.#earlier = image;
    this.#commits = 0;
    await this.#options.world.flushed();
    if (this.#options.isFull()) throw full();
    if (!this.#closed) this.#options.durable(image);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#database.isTransaction) this.exec("ROLLBACK");
    this.#look();
    if (!this.#options.isFull()) this.#options.durable(this.#committed);
    this.#database.close();
    this.#options.closed();
  }

  /** Ends without closing. Returns the last committed state, or any that may be on the disk. */
  crash(which: "last" | "any"): Uint8Array | null {
    if (this.#closed) return null;
    this.#look();
    this.#closed = true;
    this.#database.close();
    return which === "last" ? this.#committed : this.#earlier;
  }
}

function full(): DatabaseError {
  return new DatabaseError("database or disk is full");
}
