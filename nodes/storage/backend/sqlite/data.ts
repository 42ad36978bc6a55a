/**
 * The table `data`, and who needs its rows. A row is kept while a revision in `obj` refers to it,
 * or while it is held: by a store that is not committed yet. What former lives of the node left in
 * `tobj` holds its data as well.
 */

import { type Oid, partitionOf } from "../../../codec/ids.ts";
import { DatabaseError } from "../../../errors.ts";
import type { SqlRow, SqlStatement } from "../../../host/host.ts";
import type { DataId, DataTable, StoredData } from "../backend.ts";
import { bytesOf, integerOf } from "./columns.ts";
import type { Connection, WriteStatement } from "./connection.ts";
import { isDeduplicated } from "./schema.ts";
import type { SqliteSettings } from "./settings.ts";

/** Ids of data of one partition's objects are consecutive, so that their rows are neighbours. */
const PARTITION_SHIFT = 48n;

export class SqliteData implements DataTable {
  readonly #settings: SqliteSettings;
  readonly #held = new Map<DataId, number>();
  readonly #nextIds = new Map<number, DataId>();
  readonly #deduplicated: boolean;
  readonly #insert: WriteStatement;
  readonly #delete: WriteStatement;
  readonly #greatestId: SqlStatement;
  readonly #equal: SqlStatement;
  readonly #select: SqlStatement;

  constructor(connection: Connection, settings: SqliteSettings) {
    this.#settings = settings;
    this.#deduplicated = isDeduplicated(connection);
    this.#insert = connection.write("INSERT INTO data VALUES (?, ?, ?, ?)");
    this.#delete = connection.write(
      "DELETE FROM data WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM obj WHERE data_id = ?1)",
    );
    this.#greatestId = connection.read(
      "SELECT id FROM data WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1",
    );
    this.#equal = connection.read(
      "SELECT id, value FROM data WHERE hash = ? AND compression = ?",
    );
    this.#select = connection.read("SELECT hash, compression, value FROM data WHERE id = ?");
    const left = connection.read(
      "SELECT data_id FROM tobj WHERE data_id IS NOT NULL",
    );
    for (const row of left.all()) this.hold(integerOf(row.data_id));
  }

  store(oid: Oid, { compression, checksum, data }: StoredData): DataId {
    const flag = compression ? 1 : 0;
    const known = this.#deduplicated ? this.#find(checksum, flag, data) : null;
    const id = known ?? this.#nextId(partitionOf(oid, this.#settings.knownPartitions));
    if (known === null) this.#insert.run(id, checksum, flag, data);
    this.hold(id);
    return id;
  }

  #find(checksum: Uint8Array, flag: number, data: Uint8Array): DataId | null {
    const row = this.#equal.get(checksum, flag);
    if (row === undefined) return null;
    if (sameBytes(bytesOf(row.value), data)) return integerOf(row.id);
    throw new DatabaseError(
      "two different data have the same SHA-1, and --dedup has no room for both",
    );
  }

  #nextId(partition: number): DataId {
    const id = this.#nextIds.get(partition) ?? this.#firstFreeId(BigInt(partition));
    this.#nextIds.set(partition, id + 1n);
    return id;
  }

  #firstFreeId(partition: bigint): DataId {
    const least = partition << PARTITION_SHIFT;
    const row = this.#greatestId.get(least, (partition + 1n) << PARTITION_SHIFT);
    return row === undefined ? least : integerOf(row.id) + 1n;
  }

  hold(id: DataId): void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
  }

  isHeld(id: DataId): boolean {
    return this.#held.has(id);
  }

  load(id: DataId): StoredData {
    const data = storedData(this.#select.get(id) ?? {});
    if (data !== null) return data;
    throw new DatabaseError(`the database is damaged: the data ${id} of a store are missing`);
  }

  release(ids: Iterable<DataId>): void {
    for (const id of ids) {
      const count = this.#held.get(id) ?? 0;
      if (count > 1) this.#held.set(id, count - 1);
      else this.#held.delete(id);
    }
  }

  discard(ids: readonly DataId[]): void {
    this.release(ids);
    this.prune(ids);
  }

  /** Deletes the rows that nobody needs. Returns how many. */
  prune(ids: Iterable<DataId>): number {
    let count = 0;
    for (const id of ids) {
      if (!this.#held.has(id)) count += this.#delete.run(id);
    }
    return count;
  }
}

/** The data in a row with the columns `hash`, `compression` and `value`; null where there are none. */
export function storedData({ hash, compression, value }: SqlRow): StoredData | null {
  if (hash === null || hash === undefined) return null;
  return {
    compression: compression !== null && integerOf(compression) !== 0n,
    checksum: bytesOf(hash),
    data: value === null ? EMPTY : bytesOf(value),
  };
}

const EMPTY = new Uint8Array(0);

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
