/**
 * The databases of storages under test, as somebody else sees them: what is on disk, and what a
 * power cut would leave. They are SQLite files, unless `useMariadb` was called before the first.
 */

import { DatabaseSync } from "node:sqlite";
import type { Engine } from "../../nodes/storage/backend/mysql/dialect.ts";
import { Template } from "../../nodes/storage/backend/mysql/template.ts";
import type { DatabaseAddress } from "../../nodes/storage/backend/open.ts";
import type { Mariadb } from "../support/mariadb.ts";

export type Rows = Record<string, unknown>[];

export interface TestDatabase {
  readonly address: DatabaseAddress;
  /** Rows as they are committed; a storage may be running. */
  rows(sql: string): Promise<Rows>;
  /** The names of its tables. */
  tables(): Promise<string[]>;
  /** Changes the database behind a storage's back. */
  execute(...statements: readonly string[]): Promise<void>;
  /** A copy of the database as it would be found after a power cut. */
  crashImage(): Promise<TestDatabase>;
}

const DEFAULT: { mariadb: { readonly server: Mariadb; readonly engine: Engine } | null } = {
  mariadb: null,
};

/** From now on, storages under test have databases of a server. */
export function useMariadb(server: Mariadb, engine: Engine): void {
  DEFAULT.mariadb = { server, engine };
}

/** Whether storages under test have SQLite files, for tests that are about these. */
export function isSqlite(): boolean {
  return DEFAULT.mariadb === null;
}

/** Makes an empty database; files are put into `directory`. */
export async function createDatabase(directory: string): Promise<TestDatabase> {
  const { mariadb } = DEFAULT;
  if (mariadb === null) return new SqliteFile(`${directory}/storage.sqlite`);
  return await MariadbDatabase.create(mariadb.server, mariadb.engine);
}

export class SqliteFile implements TestDatabase {
  readonly address: DatabaseAddress;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.address = { adapter: "SQLite", path };
  }

  rows(sql: string): Promise<Rows> {
    return Promise.resolve(rowsOf(this.#path, sql));
  }

  async tables(): Promise<string[]> {
    const rows = await this.rows("SELECT name FROM sqlite_master WHERE type = 'table'");
    return rows.map(({ name }) => String(name));
  }

  execute(...statements: readonly string[]): Promise<void> {
    const database = new DatabaseSync(this.#path);
    for (const statement of statements) database.exec(statement);
    database.close();
    return Promise.resolve();
  }

  crashImage(): Promise<TestDatabase> {
    const directory = Deno.makeTempDirSync({ dir: this.#path.replace(/\/[^/]*$/, "") });
    const name = this.#path.replace(/^.*\//, "");
    // What belongs to the file depends on its journal mode.
    for (const suffix of ["", "-wal", "-journal"]) {
      try {
        Deno.copyFileSync(this.#path + suffix, `${directory}/${name}${suffix}`);
      } catch (error) {
        if (suffix === "" || !(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    return Promise.resolve(new SqliteFile(`${directory}/${name}`));
  }
}

/** Rows of an SQLite file. */
export function rowsOf(path: string, sql: string): Rows {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    return statement.all().map((row) => ({ ...row }));
  } finally {
    database.close();
  }
}

type MysqlAddress = Extract<DatabaseAddress, { adapter: "MySQL" }>;

export class MariadbDatabase implements TestDatabase {
  readonly #server: Mariadb;
  readonly address: MysqlAddress;

  private constructor(server: Mariadb, address: MysqlAddress) {
    this.#server = server;
    this.address = address;
  }

  static async create(server: Mariadb, engine: Engine): Promise<MariadbDatabase> {
    return new MariadbDatabase(server, await server.createDatabase(engine));
  }

  get #name(): string {
    return this.address.address.database;
  }

  async rows(sql: string): Promise<Rows> {
    const rows = await this.#server.query(new Template(sql).fill([]), this.#name);
    if (!/\bconfig\b/.test(sql)) return rows;
    // The server gives texts as bytes.
    const decoder = new TextDecoder();
    return rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          value instanceof Uint8Array ? decoder.decode(value) : value,
        ]),
      )
    );
  }

  async tables(): Promise<string[]> {
    const rows = await this.rows(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()",
    );
    const decoder = new TextDecoder();
    return rows.map(({ name }) => decoder.decode(name instanceof Uint8Array ? name : undefined));
  }

  async execute(...statements: readonly string[]): Promise<void> {
    for (const statement of statements) await this.#server.query(statement, this.#name);
  }

  async crashImage(): Promise<TestDatabase> {
    const image = await MariadbDatabase.create(this.#server, this.address.engine);
    for (const table of await this.tables()) {
      await image.execute(
        `CREATE TABLE ${table} LIKE ${this.#name}.${table}`,
        `INSERT INTO ${table} SELECT * FROM ${this.#name}.${table}`,
      );
    }
    return image;
  }
}
