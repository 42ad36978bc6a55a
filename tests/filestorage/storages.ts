/** FileStorages that tests write, change and read. */

import { type Oid, oid, type Tid, tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import { FileStorageReader } from "../../nodes/filestorage/reader.ts";
import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";

export const NOTHING = new Uint8Array(0);
export const text = (value: string) => new TextEncoder().encode(value);
export const t = (value: number): Tid => tid(BigInt(value));
export const o = (value: number): Oid => oid(BigInt(value));
export const pause = () => Promise.resolve();

export type Store = readonly [number, string | null, number?];

export class Storage implements Disposable {
  readonly directory = Deno.makeTempDirSync();
  readonly path = `${this.directory}/Data.fs`;
  readonly lines: string[] = [];
  readonly #file = fileSystem.open(this.path, "create");
  readonly writer: FileStorageWriter;

  constructor() {
    if (this.#file === null) throw new Error("there is no file");
    this.writer = new FileStorageWriter({ file: this.#file });
  }

  /** Writes a transaction: objects, their data, and the revision that has the same. */
  commit(at: number, ...stores: Store[]): this {
    const description = text(`transaction ${at}`);
    this.writer.begin({
      ...{ tid: t(at), packed: at % 2 === 0, user: text("me"), description },
      extension: NOTHING,
    });
    for (const [id, data, from] of stores) {
      this.writer.store({
        oid: o(id),
        data: data === null ? null : text(data),
        dataTid: from === undefined ? null : t(from),
      });
    }
    this.writer.end();
    this.writer.flush();
    return this;
  }

  async open(): Promise<FileStorageReader> {
    const log = { log: (level: string, _: string, line: string) => this.lines.push(level + line) };
    return await FileStorageReader.open({ files: fileSystem, path: this.path, log, pause });
  }

  /** Changes bytes of the file. */
  patch(position: number, ...bytes: number[]): void {
    const file = fileSystem.open(this.path, "change");
    file?.write(Uint8Array.from(bytes), position);
    file?.close();
  }

  cut(bytes: number): void {
    Deno.truncateSync(this.path, Deno.statSync(this.path).size - bytes);
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Everything that there is, as a reader finds it. */
export async function contents(reader: FileStorageReader, from: Tid = ZERO_TID) {
  const found: unknown[] = [];
  const transactions = await reader.transactions(from, pause);
  for (; transactions.current !== null; transactions.advance()) {
    const { description } = reader.texts(transactions.current);
    found.push(new TextDecoder().decode(description));
    for (const record of transactions.records()) {
      const data = reader.data(record);
      const dataTid = reader.dataTid(record);
      found.push([record.oid, data && new TextDecoder().decode(data), dataTid]);
    }
  }
  return found;
}

/** The last revision of an object before a tid, and the next one; null for none. */
export const newest = async (reader: FileStorageReader, id: number, before: number) => {
  const found = await reader.before(o(id), t(before), pause);
  return found === null ? null : [found.record.tid, found.next];
};
