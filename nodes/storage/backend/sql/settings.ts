/**
 * The table `config`: texts by name. It is read once; nothing else may write to the database of a
 * running node.
 */

import { MAX_ID, type Nid, nid, type Tid, tid } from "../../../codec/ids.ts";
import { DatabaseError } from "../../../errors.ts";
import type { Settings } from "../backend.ts";
import { textOf } from "./columns.ts";
import type { SqlConnection, WriteStatement } from "./connection.ts";
import type { Dialect } from "./dialect.ts";

type Key =
  | "version"
  | "name"
  | "nid"
  | "partitions"
  | "replicas"
  | "ptid"
  | "backup_tid"
  | "truncate_tid"
  | "_pack_tid"
  | "keep_rows"
  | "zodb";

const HEX = /^[0-9a-f]{16}$/i;
const DECIMAL = /^\d{1,19}$/;

export class SqlSettings implements Settings {
  readonly #connection: SqlConnection;
  readonly #dialect: Dialect;
  readonly #values: Map<string, string>;
  readonly #set: WriteStatement;
  readonly #delete: WriteStatement;
  #partitions: number | null;

  private constructor(
    connection: SqlConnection,
    dialect: Dialect,
    values: Map<string, string>,
  ) {
    this.#connection = connection;
    this.#dialect = dialect;
    this.#values = values;
    this.#set = connection.write("REPLACE INTO config VALUES (?, ?)");
    this.#delete = connection.write("DELETE FROM config WHERE name = ?");
    this.#partitions = this.#number("partitions", 1, dialect.limits.partitions);
  }

  /** Reads the table. Rejects with a DatabaseError when it makes no sense. */
  static async read(connection: SqlConnection, dialect: Dialect): Promise<SqlSettings> {
    const values = new Map<string, string>();
    for (const { name, value } of await connection.read("SELECT name, value FROM config").all()) {
      if (value !== null) values.set(textOf(name), textOf(value));
    }
    return new SqlSettings(connection, dialect, values);
  }

  /** The version of the schema; databases older than NEO 1.6 have none. */
  get version(): number {
    return this.#number("version", 0, Number.MAX_SAFE_INTEGER) ?? 0;
  }

  set version(value: number) {
    this.#store("version", String(value));
  }

  get name(): string | null {
    return this.#values.get("name") ?? null;
  }

  set name(value: string) {
    this.#store("name", value);
  }

  get nid(): Nid | null {
    const value = this.#number("nid", -(2 ** 31), 2 ** 31 - 1);
    return value === null ? null : nid(value);
  }

  set nid(value: Nid | null) {
    this.#store("nid", value === null ? null : String(value));
  }

  get partitions(): number | null {
    return this.#partitions;
  }

  set partitions(value: number | null) {
    const { partitions } = this.#dialect.limits;
    if (value !== null && value > partitions) {
      throw new DatabaseError(
        `a database of this kind has room for at most ${partitions} partitions, ` +
          `and the cluster has ${value}`,
      );
    }
    this.#partitions = value;
    this.#store("partitions", value === null ? null : String(value));
  }

  get replicas(): number | null {
    return this.#number("replicas", 0, Number.MAX_SAFE_INTEGER);
  }

  set replicas(value: number | null) {
    this.#store("replicas", value === null ? null : String(value));
  }

  get ptid(): number | null {
    const value = this.#number("ptid", 0, Number.MAX_SAFE_INTEGER);
    return value === 0 ? null : value;
  }

  /** For who is in the middle of an operation on the database. */
  writePtid(value: number): void {
    this.#write("ptid", String(value));
  }

  get backupTid(): Tid | null {
    return this.#tid("backup_tid", HEX, "0x");
  }

  set backupTid(value: Tid | null) {
    this.#store("backup_tid", value === null ? null : hexTid(value));
  }

  /** For who is in the middle of an operation on the database. */
  writeBackupTid(value: Tid): void {
    this.#write("backup_tid", hexTid(value));
  }

  get truncateTid(): Tid | null {
    return this.#tid("truncate_tid", HEX, "0x");
  }

  set truncateTid(value: Tid | null) {
    this.#store("truncate_tid", value === null ? null : hexTid(value));
  }

  /** Forgets that a truncation is due, in the middle of the operation that does it. */
  clearTruncateTid(): void {
    this.#write("truncate_tid", null);
  }

  get packTid(): Tid | null {
    return this.#tid("_pack_tid", DECIMAL, "");
  }

  set packTid(value: Tid | null) {
    this.#store("_pack_tid", value === null ? null : String(value));
  }

  /** No setting of NEO's: its storages don't look at it. */
  get keepsRows(): boolean {
    return this.#values.has("keep_rows");
  }

  set keepsRows(value: boolean) {
    this.#store("keep_rows", value ? "1" : null);
  }

  get zodb(): string | null {
    return this.#values.get("zodb") ?? null;
  }

  set zodb(value: string | null) {
    const bytes = value?.length ?? 0;
    if (bytes > this.#dialect.settingBytes) {
      this.#connection.execute(`ALTER TABLE config MODIFY value VARBINARY(${bytes}) NULL`);
    }
    this.#store("zodb", value);
  }

  /** How many partitions there are. No row is read or written before that is known. */
  get knownPartitions(): number {
    if (this.#partitions === null) throw new RangeError("the number of partitions is not known");
    return this.#partitions;
  }

  #store(key: Key, value: string | null): void {
    if (value === (this.#values.get(key) ?? null)) return;
    this.#remember(key, value);
    this.#connection.inOrder(() => this.#send(key, value));
  }

  #write(key: Key, value: string | null): void {
    if (value === (this.#values.get(key) ?? null)) return;
    this.#remember(key, value);
    this.#send(key, value);
  }

  #remember(key: Key, value: string | null): void {
    if (value === null) this.#values.delete(key);
    else this.#values.set(key, value);
  }

  #send(key: Key, value: string | null): void {
    this.#connection.trail?.setting(key, value);
    if (value === null) this.#delete.run(key);
    else this.#set.run(key, value);
  }

  #number(key: Key, least: number, greatest: number): number | null {
    const text = this.#values.get(key);
    if (text === undefined) return null;
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= least && value <= greatest) return value;
    return this.#damaged(key, text);
  }

  #tid(key: Key, form: RegExp, prefix: string): Tid | null {
    const text = this.#values.get(key);
    if (text === undefined) return null;
    const value = form.test(text) ? BigInt(prefix + text) : null;
    return value === null || value > MAX_ID ? this.#damaged(key, text) : tid(value);
  }

  #damaged(key: Key, text: string): never {
    throw new DatabaseError(`the database's setting ${key} makes no sense: ${text}`);
  }
}

function hexTid(value: Tid): string {
  return value.toString(16).padStart(16, "0");
}
