/** Writes one backup file. It gets its name when it is whole and on disk. */

import { createHash } from "node:crypto";
import { hexId } from "../../mod.ts";
import { viewOf } from "../../nodes/filestorage/format.ts";
import { Output } from "../../nodes/filestorage/output.ts";
import { PendingFile } from "../transfer/pending_file.ts";
import type { NewRecord, Target, Transferred } from "../transfer/transaction.ts";
import {
  COUNTS_BYTES,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  type Header,
  MAGIC,
  RECORD_BYTES,
  TRANSACTION_BYTES,
} from "./format.ts";

export class BackupWriter implements Target {
  readonly #file: PendingFile;
  readonly #output: Output;
  readonly #hash = createHash("sha256");
  #transactions = 0;
  #records = 0;

  /** Writes to a file that whoever made it removes, if it is not to be finished. */
  constructor(file: PendingFile, { cluster, from, to, previous }: Header) {
    this.#file = file;
    this.#output = new Output(file.file, 0);
    const header = { cluster, from: hexId(from), to: hexId(to), previous };
    this.#append(MAGIC);
    this.#frame(FRAME.header, [new TextEncoder().encode(JSON.stringify(header))]);
  }

  async write(transaction: Transferred): Promise<void> {
    const { tid, packed, user, description, extension, records } = transaction;
    const head = new Uint8Array(TRANSACTION_BYTES);
    const view = viewOf(head);
    view.setBigUint64(0, tid);
    view.setUint8(8, packed ? 1 : 0);
    view.setUint32(9, user.length);
    view.setUint32(13, description.length);
    view.setUint32(17, extension.length);
    this.#frame(FRAME.transaction, [head, user, description, extension]);
    this.#transactions++;
    for await (const record of records) this.#record(record);
  }

  #record({ oid, data, dataTid }: NewRecord): void {
    const head = new Uint8Array(RECORD_BYTES);
    const view = viewOf(head);
    view.setBigUint64(0, oid);
    view.setUint8(8, (data === null ? 0 : FLAG.data) | (dataTid === null ? 0 : FLAG.dataTid));
    view.setBigUint64(9, dataTid ?? 0n);
    this.#frame(FRAME.record, data === null ? [head] : [head, data]);
    this.#records++;
  }

  #frame(type: number, parts: readonly Uint8Array[]): void {
    const head = new Uint8Array(FRAME_HEADER_BYTES);
    head[0] = type;
    viewOf(head).setUint32(1, parts.reduce((sum, { length }) => sum + length, 0));
    this.#append(head);
    for (const part of parts) this.#append(part);
  }

  #append(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#output.append(bytes);
  }

  /** Writes the end, and gives the file its name. Throws a FileError. */
  finish(path: string): void {
    const counts = new Uint8Array(COUNTS_BYTES);
    viewOf(counts).setBigUint64(0, BigInt(this.#transactions));
    viewOf(counts).setBigUint64(8, BigInt(this.#records));
    const digest = this.#hash.update(counts).digest();
    const head = new Uint8Array(FRAME_HEADER_BYTES);
    head[0] = FRAME.end;
    viewOf(head).setUint32(1, counts.length + digest.length);
    for (const part of [head, digest, counts]) this.#output.append(part);
    this.#output.write();
    this.#file.finish(path);
  }
}
