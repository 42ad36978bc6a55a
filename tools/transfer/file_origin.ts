/** Reads the transactions of a FileStorage. */

import { type Tid, ZERO_TID } from "../../mod.ts";
import { STATUS } from "../../nodes/filestorage/format.ts";
import { FileStorageReader, type Pause } from "../../nodes/filestorage/reader.ts";
import type { Transactions } from "../../nodes/filestorage/transactions.ts";
import type { LogSink } from "../../nodes/host/host.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import type { NewRecord, Origin, Transferred } from "./transaction.ts";

/** After so many transactions the scan of a file lets signals through. */
const PAUSE_TRANSACTIONS = 1000;

export interface FileOriginOptions {
  readonly log: LogSink;
  readonly signal: AbortSignal;
  /** Where to begin: at the first transaction that is not older. */
  readonly from?: Tid;
}

export class FileOrigin implements Origin, Disposable {
  readonly #reader: FileStorageReader;
  readonly #from: Tid;
  readonly #pause: Pause;
  #transactions: Transactions | null = null;

  private constructor(reader: FileStorageReader, from: Tid, pause: Pause) {
    this.#reader = reader;
    this.#from = from;
    this.#pause = pause;
  }

  /**
   * Opens a FileStorage, to be read from a tid on. Rejects with a FileError, or with the signal's
   * reason: a big file without an index is read whole at first.
   */
  static async open(
    path: string,
    { log, signal, from = ZERO_TID }: FileOriginOptions,
  ): Promise<FileOrigin> {
    const pause = interruptiblePause(signal);
    const reader = await FileStorageReader.open({ files: fileSystem, path, log, pause });
    return new FileOrigin(reader, from, pause);
  }

  get size(): number {
    return this.#reader.end;
  }

  get position(): number {
    if (this.#transactions === null) return 0;
    return this.#transactions.current?.position ?? this.#reader.end;
  }

  async *transactions(): AsyncGenerator<Transferred, void, void> {
    const transactions = await this.#reader.transactions(this.#from, this.#pause);
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
      const data = transactions.data(record);
      yield { oid: record.oid, data, dataTid: this.#reader.dataTid(record) };
    }
  }

  [Symbol.dispose](): void {
    this.#reader.close();
  }
}

/** Rejects once the signal is aborted, for which the event loop has to come round now and then. */
function interruptiblePause(signal: AbortSignal): Pause {
  let passed = 0;
  return async () => {
    if (++passed % PAUSE_TRANSACTIONS > 0) return;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    signal.throwIfAborted();
  };
}
