/**
 * A private MariaDB server for tests: its files, its socket and its processes are its own, and it
 * listens on no port. It is killed at the end, since nobody needs its data any more.
 */

import type { SqlRow, SqlServerAddress } from "../../nodes/host/host.ts";
import { connectMysql } from "../../nodes/host/mysql.ts";
import type { Engine } from "../../nodes/storage/backend/mysql/dialect.ts";
import type { DatabaseAddress } from "../../nodes/storage/backend/open.ts";

/** Where Debian puts the server, which is not in everybody's path. */
const SERVERS = ["/usr/sbin/mariadbd", "/usr/bin/mariadbd", "/usr/local/bin/mariadbd"];

/** How long the server may take to start, in milliseconds. */
const START_TIMEOUT_MS = 60_000;

/** What tests that need a server say where there is none. */
export const NO_MARIADB = "skipped: there is no mariadbd here (Debian: mariadb-server)";

export class Mariadb implements AsyncDisposable {
  readonly directory: string;
  readonly #options: readonly string[];
  #process: Deno.ChildProcess | null = null;
  #databases = 0;

  private constructor(directory: string, options: readonly string[]) {
    this.directory = directory;
    this.#options = options;
  }

  /** The server's program; undefined where it is not installed. */
  static get program(): string | undefined {
    return SERVERS.find((path) => exists(path));
  }

  /** Makes a server's files, and starts it with more options. */
  static async start(options: readonly string[] = []): Promise<Mariadb> {
    const directory = Deno.makeTempDirSync({ prefix: "mariadb-" });
    const server = new Mariadb(directory, options);
    try {
      // A server that starts deletes all temporary tables that it finds, also those of others.
      Deno.mkdirSync(server.#temporary);
      await run("mariadb-install-db", [
        "--no-defaults",
        "--user=root",
        `--datadir=${directory}/data`,
        `--tmpdir=${server.#temporary}`,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
      ]);
      await server.restart();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #temporary(): string {
    return `${this.directory}/tmp`;
  }

  get socket(): string {
    return `${this.directory}/socket`;
  }

  /** Starts the server (again). */
  async restart(): Promise<void> {
    this.#process = new Deno.Command(Mariadb.program ?? "mariadbd", {
      args: [
        "--no-defaults",
        "--user=root",
        `--datadir=${this.directory}/data`,
        `--socket=${this.socket}`,
        `--tmpdir=${this.#temporary}`,
        `--pid-file=${this.directory}/pid`,
        `--log-error=${this.directory}/log`,
        "--skip-networking",
        "--max-allowed-packet=64M",
        "--innodb-buffer-pool-size=128M",
        "--plugin-load-add=ha_rocksdb",
        ...this.#options,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const deadline = performance.now() + START_TIMEOUT_MS;
    let over: Deno.CommandStatus | null = null;
    void this.#process.status.then((status) => {
      over = status;
    });
    for (;;) {
      try {
        await this.query("SELECT 1");
        return;
      } catch (cause) {
        if (over === null && performance.now() < deadline) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          continue;
        }
        const log = Deno.readTextFileSync(`${this.directory}/log`);
        throw new Error(`the server does not start:\n${log}`, { cause });
      }
    }
  }

  /** Ends the server with a signal, and waits until it is gone. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const process = this.#process;
    if (process === null) return;
    this.#process = null;
    process.kill(signal);
    await process.status;
  }

  /** Lets the server hang: it neither answers nor hangs up until it is ended or goes on. */
  hang(): void {
    this.#process?.kill("SIGSTOP");
  }

  /** How to get at a database of this server. */
  address(database: string): SqlServerAddress {
    return { user: "root", password: null, database, socket: this.socket };
  }

  /** Makes a database with another name than all before. */
  async createDatabase(engine: Engine): Promise<Extract<DatabaseAddress, { adapter: "MySQL" }>> {
    const name = `neo${++this.#databases}`;
    await this.query(`CREATE DATABASE ${name}`);
    return { adapter: "MySQL", address: this.address(name), engine, waitMs: 0 };
  }

  /** Executes a statement in a session of its own. */
  async query(sql: string, database = "mysql"): Promise<SqlRow[]> {
    const session = await connectMysql(this.address(database));
    try {
      const [rows = []] = await session.query([sql]);
      return rows;
    } finally {
      await session.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

async function run(program: string, args: string[]): Promise<void> {
  const { success, stderr, stdout } = await new Deno.Command(program, { args }).output();
  if (success) return;
  const decoder = new TextDecoder();
  throw new Error(`${program} fails:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}
