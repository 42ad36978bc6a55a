/**
 * The table `data`, and who needs its rows. A row is kept while a revision in `obj` refers to it,
 * or while it is held: by a store that is not committed yet. What former lives of the node left in
 * `tobj` holds its data as well.
 *
 * `insert` and `prune` are for who is in the middle of an operation on the database.
 */

import { Buffer } from "node:buffer";
import { type Oid, partitionOf } from "../../../codec/ids.ts";
import { DatabaseError } from "../../../errors.ts";
import type { SqlRow, SqlValue } from "../../../host/host.ts";
import { checksumOf } from "../../checksum.ts";
import type { DataId, DataTable, StoredData } from "../backend.ts";
import { type Eventual, eventually, got, type Steps, then } from "../eventual.ts";
import type { BigValues } from "./big_values.ts";
import { bytesOf, integerOf } from "./columns.ts";
import type {
  InsertStatement,
  ReadStatement,
  SqlConnection,
  WriteStatement,
} from "./connection.ts";
import type { Dialect } from "./dialect.ts";
import type { SqlSettings } from "./settings.ts";

/** Ids of data of one partition's objects are consecutive, so that their rows are neighbours. */
const PARTITION_SHIFT = 48n;

/** Set in `compression` where the value stands in pieces elsewhere. */
const IN_PIECES = 0x80n;

export interface DataParts {
  readonly connection: SqlConnection;
  readonly settings: SqlSettings;
  readonly dialect: Dialect;
  /** Whether equal data are stored once. */
  readonly deduplicated: boolean;
  /** Where values are that don't fit in a row; null where all do. */
  readonly bigValues: BigValues | null;
}

/** Data of an object. */
export interface OwnData {
  readonly oid: Oid;
  readonly value: StoredData;
}

export class SqlData implements DataTable {
  readonly #parts: DataParts;
  readonly #held = new Map<DataId, number>();
  readonly #nextIds = new Map<number, DataId>();
  readonly #insert: InsertStatement;
  readonly #delete: WriteStatement;
  readonly #restore: WriteStatement;
  readonly #greatestId: ReadStatement;
  readonly #equal: ReadStatement;
  readonly #select: ReadStatement;

  private constructor(parts: DataParts) {
    const { connection } = parts;
    this.#parts = parts;
    this.#insert = connection.insert("data", ["id", "hash", "compression", "value"]);
    this.#delete = connection.write(parts.dialect.pruneData);
    this.#restore = connection.write("UPDATE data SET value = ? WHERE id = ?");
    this.#greatestId = connection.read(
      "SELECT id FROM data WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1",
    );
    this.#equal = connection.read(
      "SELECT id, hash, compression, value FROM data WHERE hash = ? AND compression IN (?, ?)",
    );
    this.#select = connection.read("SELECT hash, compression, value FROM data WHERE id = ?");
  }

  /** Makes the table, and holds what former lives of the node left. */
  static async open(parts: DataParts): Promise<SqlData> {
    const data = new SqlData(parts);
    const left = parts.connection.read("SELECT data_id FROM tobj WHERE data_id IS NOT NULL");
    for (const row of await left.all()) data.hold(integerOf(row.data_id));
    return data;
  }

  store(oid: Oid, data: StoredData): Eventual<DataId> {
    const { connection } = this.#parts;
    return then(
      connection.atomically(() => this.insert(oid, data)),
      // Who stores much gets no answer, and goes no further, before there is room for more.
      (id) => then(connection.room(), () => id),
    );
  }

  /** Stores data for an object, and holds them. */
  insert(oid: Oid, value: StoredData): Eventual<DataId> {
    return then(eventually(this.insertAll([{ oid, value }])), ([id]) => {
      if (id === undefined) throw new RangeError("data were stored and got no id");
      this.hold(id);
      return id;
    });
  }

  /**
   * Stores data for revisions that are inserted in the same operation, and so need not be held.
   */
  *insertAll(items: readonly OwnData[]): Steps<DataId[]> {
    const { deduplicated, bigValues, settings } = this.#parts;
    const ids: DataId[] = [];
    const rows: SqlValue[][] = [];
    for (const { oid, value } of items) {
      const known = deduplicated ? yield* got(this.#find(value)) : null;
      const id = known ?? (yield* got(this.#nextId(partitionOf(oid, settings.knownPartitions))));
      ids.push(id);
      if (known !== null) continue;
      const { checksum, data } = value;
      const flag = value.compression ? 1 : 0;
      const pieces = bigValues?.store(data) ?? null;
      if (pieces !== null) pieces.insertRow(id, checksum, flag | Number(IN_PIECES));
      else if (deduplicated) this.#insert.run([[id, checksum, flag, data]]);
      else rows.push([id, checksum, flag, data]);
    }
    if (rows.length > 0) this.#insert.run(rows);
    return ids;
  }

  /** The row that has the same data. Where the disk has altered or lost them, it gets them again. */
  #find({ compression, checksum, data }: StoredData): Eventual<DataId | null> {
    const flag = compression ? 1n : 0n;
    return then(this.#equal.get(checksum, flag, flag | IN_PIECES), (row) => {
      if (row === undefined) return null;
      return then(this.read(row), (found) => {
        const id = integerOf(row.id);
        if (found !== null && sameBytes(found.data, data)) return id;
        const isDamaged = found === null || !sameBytes(checksumOf(found.data), checksum);
        const isRight = sameBytes(checksumOf(data), checksum);
        if (isDamaged && isRight && this.#restored(row, data)) return id;
        throw new DatabaseError(
          "two different data have the same SHA-1, and --dedup has no room for both",
        );
      });
    });
  }

  /** Gives a row its data again. Returns false where there is no room for them in it. */
  #restored(row: SqlRow, data: Uint8Array): boolean {
    const id = integerOf(row.id);
    if (!isInPieces(row)) {
      this.#restore.run(data, id);
      return true;
    }
    const pieces = this.#parts.bigValues?.store(data) ?? null;
    pieces?.updateRow(id);
    return pieces !== null;
  }

  #nextId(partition: number): Eventual<DataId> {
    const next = this.#nextIds.get(partition) ?? this.#firstFreeId(BigInt(partition));
    return then(next, (id) => {
      this.#nextIds.set(partition, id + 1n);
      return id;
    });
  }

  #firstFreeId(partition: bigint): Eventual<DataId> {
    const least = partition << PARTITION_SHIFT;
    return then(
      this.#greatestId.get(least, (partition + 1n) << PARTITION_SHIFT),
      (row) => row === undefined ? least : integerOf(row.id) + 1n,
    );
  }

  hold(id: DataId): void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
  }

  isHeld(id: DataId): boolean {
    return this.#held.has(id);
  }

  load(id: DataId): Eventual<StoredData> {
    const read = () => then(this.#select.get(id), (row) => this.read(row ?? {}));
    return then(this.#parts.connection.atomically(read), (data) => {
      if (data !== null) return data;
      throw new DatabaseError(`the database is damaged: the data ${id} of a store are missing`);
    });
  }

  /**
   * The data in a row with the columns `hash`, `compression` and `value`, wherever their bytes are;
   * null where there are none, or not all.
   */
  read(row: SqlRow): Eventual<StoredData | null> {
    const stored = storedData(row);
    const { bigValues } = this.#parts;
    if (stored === null || bigValues === null || !isInPieces(row)) return stored;
    return then(bigValues.load(stored.data), (data) => data === null ? null : { ...stored, data });
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
    this.#parts.connection.inOrder(() => this.prune(ids));
  }

  /** Deletes the rows that nobody needs. */
  prune(ids: Iterable<DataId>): void {
    for (const id of ids) {
      if (this.#held.has(id)) continue;
      this.#delete.run(id);
    }
  }
}

/** The data that stand in a row itself; for a value in pieces, the row tells where they are. */
export function storedData({ hash, compression, value }: SqlRow): StoredData | null {
  if (hash === null || hash === undefined) return null;
  return {
    compression: compression !== null && (integerOf(compression) & ~IN_PIECES) !== 0n,
    checksum: bytesOf(hash),
    data: value === null ? EMPTY : bytesOf(value),
  };
}

/** Whether the value of a row of `data` stands in pieces elsewhere. */
export function isInPieces({ compression }: SqlRow): boolean {
  return typeof compression === "bigint" && (compression & IN_PIECES) !== 0n;
}

const EMPTY = new Uint8Array(0);

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
