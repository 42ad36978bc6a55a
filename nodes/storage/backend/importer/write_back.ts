/**
 * Copies what is committed from now on to the FileStorage that is imported, so that an operator
 * can go back to it. It follows the commits by a second or two; what a stop leaves behind is copied
 * after the next start.
 */

import { MAX_TID, type Tid } from "../../../codec/ids.ts";
import { FileError } from "../../../errors.ts";
import { FileStorageReader } from "../../../filestorage/reader.ts";
import { fitted } from "../../../filestorage/texts.ts";
import { FileStorageWriter } from "../../../filestorage/writer.ts";
import type { NodeHost, RandomFile } from "../../../host/host.ts";
import type { Backend, BackgroundWork, Slices } from "../backend.ts";
import { after } from "./merged.ts";
import { plainFrom } from "./stored.ts";

/** How often new transactions are looked for. */
const INTERVAL_MS = 1000;
/** How long to wait after a failure of the file. */
const RETRY_MS = 5000;
/** Transactions of all partitions that are listed at once, and of one partition at least. */
const CHUNK = 1000;
const MIN_CHUNK = 2;
/** How much of a file is copied at once. */
const TAIL_BYTES = 1 << 20;

interface Opened {
  readonly file: RandomFile;
  readonly writer: FileStorageWriter;
}

export class WriteBack implements BackgroundWork {
  readonly #host: NodeHost;
  readonly #database: Backend;
  readonly #path: string;
  #opened: Opened | null = null;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Whether only this has written to the file since it was looked at. */
  #isOwnTail = false;

  constructor(host: NodeHost, database: Backend, path: string) {
    this.#host = host;
    this.#database = database;
    this.#path = path;
  }

  run(slices: Slices): Promise<void> {
    this.#running = this.#running.then(() => this.#run(slices));
    return this.#running;
  }

  /** The database is about to be closed: frees the file. */
  close(): void {
    this.#isClosed = true;
    this.#free();
  }

  #free(): void {
    this.#opened?.file.close();
    this.#opened = null;
  }

  async #run(slices: Slices): Promise<void> {
    do {
      try {
        await this.#copy(slices);
        await this.#wait(INTERVAL_MS);
      } catch (error) {
        if (this.#isClosed) return;
        if (!(error instanceof FileError)) throw error;
        // Whatever is half written is cut off when the file is opened again.
        this.#free();
        this.#host.log.log("ERROR", "importer", `write-back waits: ${error.message}`);
        await this.#wait(RETRY_MS);
      }
    } while (await slices.pause());
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#host.setTimer(delayMs, resolve));
  }

  async #open(slices: Slices): Promise<Opened> {
    const { files, log } = this.#host;
    const pause = async () => {
      if (slices.isDue) await slices.pause();
    };
    const reader = await FileStorageReader.open({ files, path: this.#path, log, pause });
    reader.close();
    const file = files.open(this.#path, "change");
    if (file === null) throw new FileError(`there is no file ${this.#path}`);
    try {
      if (!this.#isOwnTail) this.#keepTail(file, reader.end);
      this.#isOwnTail = true;
      file.truncate(reader.end);
    } catch (error) {
      file.close();
      throw error;
    }
    return { file, writer: new FileStorageWriter({ file, existing: reader }) };
  }

  /** Keeps what is cut off in a file of its own, as ZODB does: it may be more than half a write. */
  #keepTail(file: RandomFile, end: number): void {
    const { files, log } = this.#host;
    const { size } = file;
    if (size <= end) return;
    let number = 0;
    while (this.#isThere(`${this.#path}.tr${number}`)) number++;
    const copy = files.open(`${this.#path}.tr${number}`, "create");
    if (copy === null) return;
    try {
      for (let at = end; at < size; at += TAIL_BYTES) {
        const bytes = new Uint8Array(Math.min(TAIL_BYTES, size - at));
        copy.write(bytes.subarray(0, file.read(bytes, at)), at - end);
      }
      copy.flush();
    } catch (error) {
      files.remove(copy.path);
      throw error;
    } finally {
      copy.close();
    }
    const what = `the last ${size - end} bytes of ${this.#path} are no whole transaction`;
    log.log("WARNING", "importer", `${what}: they are now in ${copy.path}`);
  }

  #isThere(path: string): boolean {
    const file = this.#host.files.open(path, "read");
    file?.close();
    return file !== null;
  }

  /** Copies all that is new, in the order of tids. */
  async #copy(slices: Slices): Promise<void> {
    if (!await this.#isWhole()) return;
    this.#opened ??= await this.#open(slices);
    const { writer } = this.#opened;
    for (;;) {
      const tids = await this.#list(after(writer.lastTid));
      if (tids.length === 0) return;
      // What could still be lost here must not be there.
      await this.#database.commit();
      for (const tid of tids) {
        await this.#transaction(writer, tid);
        if (slices.isDue && !await slices.pause()) return;
        if (this.#isClosed) return;
      }
      writer.flush();
    }
  }

  /** Whether this node has all partitions, and in all of them everything. */
  async #isWhole(): Promise<boolean> {
    const { settings: { nid, partitions }, table } = this.#database;
    const rows = await table.load();
    const whole = rows.filter(({ cells }) =>
      cells.some((cell) =>
        cell.nid === nid && (cell.state === "UP_TO_DATE" || cell.state === "FEEDING")
      )
    );
    return partitions !== null && whole.length === partitions;
  }

  /** The first transactions from a tid on, of which none is left out. */
  async #list(min: Tid): Promise<Tid[]> {
    const { settings: { partitions }, transactions } = this.#database;
    if (partitions === null) return [];
    const count = Math.max(MIN_CHUNK, Math.floor(CHUNK / partitions));
    const tids: Tid[] = [];
    let bound: Tid = MAX_TID;
    for (let offset = 0; offset < partitions; offset++) {
      const found = await transactions.range({ offset, min, max: MAX_TID, count });
      const last = found.at(-1);
      // The rest of a list that was cut comes after its last one.
      if (found.length === count && last !== undefined && last < bound) bound = last;
      tids.push(...found);
    }
    return tids.filter((tid) => tid <= bound).sort((a, b) => (a < b ? -1 : 1));
  }

  async #transaction(writer: FileStorageWriter, tid: Tid): Promise<void> {
    const { replica } = this.#database;
    const transaction = await replica.transaction(tid);
    if (transaction === null) return;
    writer.begin(fitted(transaction, this.#host.log));
    for (const oid of transaction.oids) {
      const object = await replica.object({ oid, tid });
      // Objects that were only checked have no revision.
      if (object === null) continue;
      const { value, valueTid } = object;
      writer.store({ oid, data: value === null ? null : plainFrom(value), dataTid: valueTid });
    }
    writer.end();
  }
}
