/** Reads the transactions of a series of backup files, up to a tid. */

import { MAX_TID, type Tid } from "../../mod.ts";
import type { Origin, Transferred } from "../transfer/transaction.ts";
import { BackupReader } from "./reader.ts";
import type { SeriesFile } from "./series.ts";

export class SeriesOrigin implements Origin {
  readonly size: number;
  readonly #files: readonly SeriesFile[];
  readonly #to: Tid;
  #done = 0;
  #reader: BackupReader | null = null;

  /** @param to the last tid that is read; files that begin after it are left out */
  constructor(files: readonly SeriesFile[], to: Tid = MAX_TID) {
    this.#files = files.filter(({ header }) => header.from <= to);
    this.#to = to;
    this.size = this.#files.reduce((sum, { size }) => sum + size, 0);
  }

  get position(): number {
    return this.#done + (this.#reader?.position ?? 0);
  }

  async *transactions(): AsyncGenerator<Transferred, void, void> {
    for (const { path, size } of this.#files) {
      using reader = new BackupReader(path);
      this.#reader = reader;
      for await (const transaction of reader.transactions()) {
        if (transaction.tid <= this.#to) yield transaction;
        // The rest is read all the same: only then is it known that the file is sound.
        else await skip(transaction);
      }
      this.#reader = null;
      this.#done += size;
    }
  }
}

async function skip({ records }: Transferred): Promise<void> {
  for await (const _ of records) {
    // Nothing of it is wanted.
  }
}
