/**
 * Writes a FileStorage. It gets its name only when it is whole and on disk: whoever finds a file of
 * that name finds all that was asked for.
 */

import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import type { Target, Transferred } from "./transaction.ts";
import { PendingFile, refuseTaken } from "./pending_file.ts";

export class FileTarget implements Target, Disposable {
  readonly #path: string;
  readonly #file: PendingFile;
  readonly #writer: FileStorageWriter;

  /** Throws a FileError when there is a file of that name, or another process makes it. */
  constructor(path: string) {
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
    this.#writer.begin(transaction);
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
