/** Reads the transactions of a FileStorage. */

import { type Tid, ZERO_TID } from "../../mod.ts";
import { STATUS } from "../../nodes/filestorage/format.ts";
import { FileStorageReader, type Transactions } from "../../nodes/filestorage/reader.ts";
import type { LogSink } from "../../nodes/host/host.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import type { NewRecord, Origin, Transferred } from "./transaction.ts";

const pause = () => Promise.resolve();

export class FileOrigin implements Origin, Disposable {
  readonly #reader: FileStorageReader;
  readonly #from: Tid;
  #transactions: Transactions | null = null;

  private constructor(reader: FileStorageReader, from: Tid) {
    this.#reader = reader;
    this.#from = from;
  }

  /** Opens a FileStorage, to be read from a tid on. Rejects with a FileError. */
  static async open(path: string, log: LogSink, from: Tid = ZERO_TID): Promise<FileOrigin> {
    const reader = await FileStorageReader.open({ files: fileSystem, path, log, pause });
    return new FileOrigin(reader, from);
  }

  get size(): number {
    return this.#reader.end;
  }

  get position(): number {
    if (this.#transactions === null) return 0;
    return this.#transactions.current?.position ?? this.#reader.end;
  }

  async *transactions(): AsyncGenerator<Transferred, void, void> {
    const transactions = await this.#reader.transactions(this.#from, pause);
    this.#transactions = transactions;
    for (; transactions.current !== null; transactions.advance()) {
      const { tid, status } = transactions.current;
      const texts = this.#reader.texts(transactions.current);
      const records = this.#records(transactions);
      yield { tid, packed: status === STATUS.packed, ...texts, records };
    }
  }

  async *#records(transactions: Transactions): AsyncGenerator<NewRecord, void, void> {
    for (const record of transactions.records()) {
      const data = this.#reader.data(record);
      yield { oid: record.oid, data, dataTid: this.#reader.dataTid(record) };
    }
  }

  [Symbol.dispose](): void {
    this.#reader.close();
  }
}
