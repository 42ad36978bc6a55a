/**
 * Where the storages under measurement keep their objects: in SQLite files, or on a MariaDB server,
 * the same for all of them.
 */

import { join } from "node:path";
import { BenchError } from "./processes.ts";

/** What the storage of a new cluster is told of its database. */
export interface Databases {
  /** Makes an empty database for the cluster whose files are in `directory`. */
  create(directory: string): readonly string[];
  /** Removes what is not in directories. */
  close(): void;
}

/** The SQLite file of a cluster. */
export function sqliteFile(directory: string): string {
  return join(directory, "storage.sqlite");
}

export const SQLITE: Databases = {
  create: (directory) => ["-a", "SQLite", "-d", sqliteFile(directory)],
  close: () => {},
};

/** Databases of a server on this machine, on which root needs no password. */
export class MysqlDatabases implements Databases {
  readonly #socket: string;
  readonly #engine: string;
  readonly #names: string[] = [];

  constructor({ socket, engine }: { readonly socket: string; readonly engine: string }) {
    this.#socket = socket;
    this.#engine = engine;
  }

  create(): readonly string[] {
    const name = `neobench${Deno.pid}x${this.#names.length}`;
    this.#execute(`CREATE DATABASE ${name}`);
    this.#names.push(name);
    return ["-a", "MySQL", "-e", this.#engine, "-d", `root@${name}${this.#socket}`];
  }

  close(): void {
    for (const name of this.#names.splice(0)) this.#execute(`DROP DATABASE ${name}`);
  }

  #execute(sql: string): void {
    const args = [`--socket=${this.#socket}`, "--user=root", `--execute=${sql}`];
    const { success, stderr } = new Deno.Command("mariadb", { args }).outputSync();
    if (!success) throw new BenchError(`mariadb: ${new TextDecoder().decode(stderr).trim()}`);
  }
}
