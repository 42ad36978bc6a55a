/**
 * Writes a FileStorage. It gets its name only when it is whole and on disk: whoever finds a file of
 * that name finds all that was asked for.
 */

import { fitted } from "../../nodes/filestorage/texts.ts";
import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import type { LogSink } from "../../nodes/host/host.ts";
import type { Target, Transferred } from "./transaction.ts";
import { PendingFile, refuseTaken } from "./pending_file.ts";

export class FileTarget implements Target, Disposable {
  readonly #path: string;
  readonly #file: PendingFile;
  readonly #writer: FileStorageWriter;
  readonly #log: LogSink;

  /**
   * Throws a FileError when there is a file of that name, or another process makes it.
   *
   * @param log gets what a FileStorage has no room for
   */
  constructor(path: string, log: LogSink) {
    this.#log = log;
    refuseTaken(path);
    this.#path = path;
    this.#file = new PendingFile(`${path}.part`);
    this.#writer = new FileStorageWriter({ file: this.#file.file });
  }

  /** How many bytes were written. */
  get size(): number {
    return this.#writer.size;
  }

  async write(transaction: Transferred): Promise<void> {
    this.#writer.begin(fitted(transaction, this.#log));
    for await (const record of transaction.records) this.#writer.store(record);
    this.#writer.end();
  }

  /** Gives the file its name. Throws a FileError. */
  finish(): void {
    this.#writer.flush();
    this.#file.finish(this.#path);
  }

  /** Removes the file, unless it was finished. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
