/**
 * One log file: its messages and packets in the order of time, each time from where the last
 * reading ended. Nothing that stands in it is run.
 */

import { basename } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ConfigurationError, DatabaseError } from "../../nodes/errors.ts";
import type { SqlRow, SqlValue } from "../../nodes/host/host.ts";
import { prepareStatement } from "../../nodes/host/sqlite_statement.ts";
import { messageOf } from "../files.ts";
import { compressionOf, decompressFile } from "./decompress.ts";
import { type ArgumentsShown, packetLines, textLines } from "./packet_text.ts";
import { LogProtocols } from "./protocols.ts";
import { columnsOf, dateOf, LogTable } from "./table.ts";

/** One thing that a log tells. */
export interface LogEntry {
  /** Unix time in seconds. */
  readonly date: number;
  /** Who wrote it; null when the log does not say. */
  readonly node: LoggedNode | null;
  readonly level: string;
  readonly lines: readonly string[];
}

/** What a log knows of the node that wrote it. */
export interface LoggedNode {
  readonly name: string | null;
  readonly cluster: string | null;
  readonly nid: number | null;
}

const LEVELS: ReadonlyMap<number, string> = new Map([
  [10, "DEBUG"],
  [20, "INFO"],
  [30, "WARNING"],
  [40, "ERROR"],
  [50, "CRITICAL"],
]);

/** How long a look waits for a node that writes out its log right now. */
const BUSY_TIMEOUT_MS = 5000;

const LOG_COLUMNS = "level, msg";
const PACKET_COLUMNS = "msg_id, code, peer, body";

export interface LogFileOptions {
  readonly shown: ArgumentsShown;
  /** Entries before this Unix time, in seconds, are left out. */
  readonly from: number;
  /** How many bytes a compressed file may hold. */
  readonly maxPlainBytes: number;
}

export class LogFile {
  /** What nodes without a name are called: the file's name without its extensions. */
  readonly defaultName: string;
  readonly #database: DatabaseSync;
  readonly #shown: ArgumentsShown;
  readonly #logs: readonly LogTable[];
  readonly #packets: readonly LogTable[];
  readonly #protocols: LogProtocols;

  private constructor(defaultName: string, database: DatabaseSync, options: LogFileOptions) {
    const { shown, from } = options;
    this.defaultName = defaultName;
    this.#database = database;
    this.#shown = shown;
    // Tables that an older NEO began are kept beside the new ones under these names.
    const tables = (names: readonly string[], columns: string) =>
      names.filter((name) => columnsOf(database, name).length > 0)
        .map((name) => new LogTable(database, { name, columns, from }));
    this.#logs = tables(["log1", "log"], LOG_COLUMNS);
    this.#packets = tables(["packet1", "packet"], PACKET_COLUMNS);
    this.#protocols = new LogProtocols(database);
  }

  /** Opens a file, which may be compressed. Throws a ConfigurationError. */
  static async open(path: string, options: LogFileOptions): Promise<LogFile> {
    if (!isFile(path)) throw new ConfigurationError(`there is no file ${path}`);
    if (compressionOf(path) === null) return LogFile.#of(path, openDatabase(path, path), options);
    const { database, file } = openTemporary(path);
    using to = file;
    try {
      await decompressFile(path, { to, maxBytes: options.maxPlainBytes });
    } catch (error) {
      database.close();
      throw error;
    }
    return LogFile.#of(path, database, options);
  }

  static #of(path: string, database: DatabaseSync, options: LogFileOptions): LogFile {
    try {
      if (columnsOf(database, "log").length === 0) {
        throw new DatabaseError("it has no table 'log'");
      }
      const view = prepareStatement(database, "SELECT 1 FROM sqlite_master WHERE type = 'view'");
      if (view.get() !== undefined) throw new DatabaseError("it has views, which may be endless");
      return new LogFile(nodeNameOf(path), database, options);
    } catch (cause) {
      database.close();
      throw notALog(path, cause);
    }
  }

  close(): void {
    this.#database.close();
  }

  /** What was not read yet, in the order of time. */
  *read(): Generator<LogEntry> {
    this.#protocols.restart();
    const packets = guarded("PACKET", this.#packets, (row) => this.#packet(row));
    let packet = packets.next();
    for (const entry of guarded("LOG", this.#logs, message)) {
      while (!packet.done && packet.value.date < entry.date) {
        yield packet.value;
        packet = packets.next();
      }
      yield entry;
    }
    if (packet.done) return;
    yield packet.value;
    yield* packets;
  }

  #packet(row: SqlRow): LogEntry {
    const date = dateOf(row);
    const lines = packetLines(
      {
        id: Number(row.msg_id),
        code: Number(row.code),
        peer: text(row.peer),
        body: row.body instanceof Uint8Array ? row.body : null,
      },
      this.#protocols.at(date),
      this.#shown,
    );
    return { date, node: nodeOf(row), level: "PACKET", lines };
  }
}

/**
 * Opens a file without a name, to be written through `file` and then read as a database: whenever
 * this process ends, nothing is left of it. `path` is what the user knows of it.
 */
function openTemporary(path: string): { database: DatabaseSync; file: Deno.FsFile } {
  const directory = Deno.makeTempDirSync({ prefix: "neo-log-" });
  try {
    const plain = `${directory}/log`;
    const file = Deno.openSync(plain, { write: true, createNew: true });
    // It opens the file now, and reads nothing of it yet.
    return { database: openDatabase(path, plain), file };
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function openDatabase(path: string, plain: string): DatabaseSync {
  try {
    return new DatabaseSync(plain, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  } catch (cause) {
    throw notALog(path, cause);
  }
}

function notALog(path: string, cause: unknown): ConfigurationError {
  return new ConfigurationError(`${path} is not a log of NEO: ${messageOf(cause)}`, { cause });
}

/** The entries of tables, one after the other; of a damaged one, what can be read and the error. */
function* guarded(
  level: string,
  tables: readonly LogTable[],
  entry: (row: SqlRow) => LogEntry,
): Generator<LogEntry> {
  try {
    for (const table of tables) {
      for (const row of table.read()) yield entry(row);
    }
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const lines = textLines(`DatabaseError: ${error.message}`);
    yield { date: Date.now() / 1000, node: null, level, lines };
  }
}

function message(row: SqlRow): LogEntry {
  const level = Number(row.level);
  return {
    date: dateOf(row),
    node: nodeOf(row),
    level: LEVELS.get(level) ?? `Level ${level}`,
    lines: textLines(text(row.msg)),
  };
}

function nodeOf({ name, cluster, nid }: SqlRow): LoggedNode {
  return {
    name: name ? text(name) : null,
    cluster: cluster ? text(cluster) : null,
    nid: nid ? Number(nid) : null,
  };
}

function text(value: SqlValue | undefined): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value ?? "");
}

function isFile(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** `logs/m1.log.gz` → `m1`. */
function nodeNameOf(path: string): string {
  const name = basename(path);
  const plain = compressionOf(name) === null ? name : name.replace(/\.[^.]*$/, "");
  return plain.replace(/\.[^.]*$/, "");
}
