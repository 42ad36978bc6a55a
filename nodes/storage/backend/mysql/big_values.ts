/**
 * Object data of 16 MiB and more, which have no room in a row of `data`: they stand in pieces, with
 * consecutive ids, in the table `bigdata`. The row of `data` tells the first id and the length.
 */

import { type Eventual, then } from "../eventual.ts";
import type { BigValues, StoredPieces } from "../sql/big_values.ts";
import { bytesOf } from "../sql/columns.ts";
import type { ReadStatement, SqlConnection, WriteStatement } from "../sql/connection.ts";
import { PIECE_BYTES } from "./dialect.ts";

/** From this length on values stand in pieces: a MEDIUMBLOB has room for one byte less. */
const BIG_BYTES = 0x100_0000;

/** What the row of `data` has instead of the value. */
const POINTER_BYTES = 8;

export class MysqlBigValues implements BigValues {
  readonly #first: WriteStatement;
  readonly #keepId: WriteStatement;
  readonly #next: WriteStatement;
  readonly #insertRow: WriteStatement;
  readonly #updateRow: WriteStatement;
  readonly #pieces: ReadStatement;

  constructor(connection: SqlConnection) {
    this.#first = connection.write("INSERT INTO bigdata (value) VALUES (?)");
    this.#keepId = connection.write("SET @bigdata = LAST_INSERT_ID()");
    this.#next = connection.write("INSERT INTO bigdata VALUES (@bigdata + ?, ?)");
    const pointer = "UNHEX(CONCAT(LPAD(HEX(@bigdata), 8, '0'), ?))";
    this.#insertRow = connection.write(`INSERT INTO data VALUES (?, ?, ?, ${pointer})`);
    this.#updateRow = connection.write(`UPDATE data SET value = ${pointer} WHERE id = ?`);
    this.#pieces = connection.read(
      "SELECT value FROM bigdata WHERE id >= ? AND id < ? ORDER BY id",
    );
  }

  store(value: Uint8Array): StoredPieces | null {
    if (value.length < BIG_BYTES) return null;
    this.#first.run(value.subarray(0, PIECE_BYTES));
    this.#keepId.run();
    for (let at = PIECE_BYTES, piece = 1; at < value.length; at += PIECE_BYTES, piece++) {
      this.#next.run(piece, value.subarray(at, at + PIECE_BYTES));
    }
    const length = value.length.toString(16).padStart(8, "0");
    return {
      insertRow: (id, hash, compression) => this.#insertRow.run(id, hash, compression, length),
      // Pieces that are left of the old value stay: a damaged row may tell of those of others.
      updateRow: (id) => this.#updateRow.run(length, id),
    };
  }

  load(pointer: Uint8Array): Eventual<Uint8Array | null> {
    if (pointer.length !== POINTER_BYTES) return null;
    const view = new DataView(pointer.buffer, pointer.byteOffset, pointer.byteLength);
    const [first, length] = [view.getUint32(0), view.getUint32(4)];
    const end = first + Math.ceil(length / PIECE_BYTES);
    return then(this.#pieces.all(first, end), (rows) => {
      const pieces = rows.map(({ value }) => bytesOf(value));
      const found = pieces.reduce((sum, piece) => sum + piece.length, 0);
      return found === length ? joined(pieces, length) : null;
    });
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const value = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    value.set(piece, at);
    at += piece.length;
  }
  return value;
}
