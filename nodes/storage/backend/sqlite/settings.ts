/**
 * The table `config`: texts by name. It is read once; nothing else may write to the database of a
 * running node.
 */

import { MAX_ID, type Nid, nid, type Tid, tid } from "../../../codec/ids.ts";
import { DatabaseError } from "../../../errors.ts";
import type { Settings } from "../backend.ts";
import type { Connection, WriteStatement } from "./connection.ts";

type Key =
  | "version"
  | "name"
  | "nid"
  | "partitions"
  | "replicas"
  | "ptid"
  | "backup_tid"
  | "truncate_tid"
  | "_pack_tid";

/** More partitions than this have no data ids left: 2^48 ids each, below 2^63. */
const MAX_PARTITIONS = 32768;

const HEX = /^[0-9a-f]{16}$/i;
const DECIMAL = /^\d{1,19}$/;

export class SqliteSettings implements Settings {
  readonly #values = new Map<string, string>();
  readonly #set: WriteStatement;
  readonly #delete: WriteStatement;
  #partitions: number | null;

  constructor(connection: Connection) {
    for (const { name, value } of connection.read("SELECT name, value FROM config").all()) {
      if (typeof name === "string" && typeof value === "string") this.#values.set(name, value);
    }
    this.#set = connection.write("REPLACE INTO config VALUES (?, ?)");
    this.#delete = connection.write("DELETE FROM config WHERE name = ?");
    this.#partitions = this.#number("partitions", 1, MAX_PARTITIONS);
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
    if (value !== null && value > MAX_PARTITIONS) {
      throw new DatabaseError(
        `SQLite has room for at most ${MAX_PARTITIONS} partitions, and the cluster has ${value}`,
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

  set ptid(value: number | null) {
    this.#store("ptid", value === null ? null : String(value));
  }

  get backupTid(): Tid | null {
    return this.#tid("backup_tid", HEX, "0x");
  }

  set backupTid(value: Tid | null) {
    this.#store("backup_tid", value === null ? null : hexTid(value));
  }

  get truncateTid(): Tid | null {
    return this.#tid("truncate_tid", HEX, "0x");
  }

  set truncateTid(value: Tid | null) {
    this.#store("truncate_tid", value === null ? null : hexTid(value));
  }

  get packTid(): Tid | null {
    return this.#tid("_pack_tid", DECIMAL, "");
  }

  set packTid(value: Tid | null) {
    this.#store("_pack_tid", value === null ? null : String(value));
  }

  /** How many partitions there are. No row is read or written before that is known. */
  get knownPartitions(): number {
    if (this.#partitions === null) throw new RangeError("the number of partitions is not known");
    return this.#partitions;
  }

  #store(key: Key, value: string | null): void {
    if (value === (this.#values.get(key) ?? null)) return;
    if (value === null) {
      this.#values.delete(key);
      this.#delete.run(key);
    } else {
      this.#values.set(key, value);
      this.#set.run(key, value);
    }
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
