/** Reads one backup file, and sees to it that every byte of it is what was written. */

import { createHash, type Hash } from "node:crypto";
import { MAX_TID, type Oid, oid, type Tid, tid } from "../../mod.ts";
import { FileError } from "../../nodes/errors.ts";
import { encodeHex } from "../../nodes/host/hex.ts";
import type { RandomFile } from "../../nodes/host/host.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import { viewOf } from "../../nodes/filestorage/format.ts";
import { Window } from "../../nodes/filestorage/window.ts";
import type { NewRecord, Transferred } from "../transfer/transaction.ts";
import {
  COUNTS_BYTES,
  DIGEST_BYTES,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  type Header,
  MAGIC,
  MAX_FRAME_BYTES,
  parseHeader,
  RECORD_BYTES,
  TRANSACTION_BYTES,
} from "./format.ts";

const WINDOW_BYTES = 1 << 20;
const END_BYTES = DIGEST_BYTES + COUNTS_BYTES;

/** A frame: valid until the next one is read. */
interface Frame {
  readonly type: number;
  readonly bytes: Uint8Array;
}

export class BackupReader implements Disposable {
  readonly path: string;
  readonly header: Header;
  /** The digest at its end, in hex. */
  readonly digest: string;
  readonly size: number;
  readonly #file: RandomFile;
  readonly #window: Window;
  readonly #hash: Hash;
  #position = 0;
  #next: Frame | null = null;

  /** Opens a file, and looks at its beginning and its end. Throws a FileError. */
  constructor(path: string) {
    const file = fileSystem.open(path, "read");
    if (file === null) throw new FileError(`there is no file ${path}`);
    this.path = path;
    this.#file = file;
    this.size = file.size;
    this.#window = new Window(file, WINDOW_BYTES);
    this.#hash = createHash("sha256");
    try {
      this.digest = this.#digestAtEnd();
      this.header = this.#begin();
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** How much has been read, in bytes. */
  get position(): number {
    return this.#position;
  }

  #digestAtEnd(): string {
    const start = this.size - FRAME_HEADER_BYTES - END_BYTES;
    const bytes = this.#window.bytes(Math.max(start, 0), FRAME_HEADER_BYTES + END_BYTES);
    if (start < MAGIC.length || bytes[0] !== FRAME.end) {
      throw new FileError(`${this.path} is no whole backup file: its end is missing`);
    }
    return encodeHex(bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + DIGEST_BYTES));
  }

  #begin(): Header {
    const magic = this.#window.bytes(0, MAGIC.length);
    if (!magic.every((byte, at) => byte === MAGIC[at])) {
      throw new FileError(`${this.path} is no backup file: it does not begin as one`);
    }
    this.#hash.update(magic);
    this.#position = MAGIC.length;
    const { type, bytes } = this.#frame();
    if (type !== FRAME.header) throw this.#damaged("its header is missing");
    return parseHeader(this.path, new TextDecoder().decode(bytes));
  }

  #damaged(problem: string): FileError {
    return new FileError(
      `${this.path} is damaged before ${this.#position}: ${problem}; take it from a copy`,
    );
  }

  #frame(): Frame {
    const head = this.#window.bytes(this.#position, FRAME_HEADER_BYTES).slice();
    if (head.length < FRAME_HEADER_BYTES) throw this.#damaged("it ends too early");
    const [type = 0] = head;
    const length = viewOf(head).getUint32(1);
    if (length > MAX_FRAME_BYTES) throw this.#damaged("a frame is too long");
    const bytes = this.#window.bytes(this.#position + FRAME_HEADER_BYTES, length);
    if (bytes.length < length) throw this.#damaged("it ends too early");
    this.#position += FRAME_HEADER_BYTES + length;
    if (type === FRAME.end) {
      this.#hash.update(bytes.subarray(DIGEST_BYTES));
    } else {
      this.#hash.update(head);
      this.#hash.update(bytes);
    }
    return { type, bytes };
  }

  /**
   * All transactions. Throws a FileError where the file is damaged, at the latest after the last
   * transaction: whatever is done with them must not count before.
   */
  async *transactions(): AsyncGenerator<Transferred, void, void> {
    for (;;) {
      const frame = this.#next ?? this.#frame();
      this.#next = null;
      if (frame.type === FRAME.end) return this.#checkEnd(frame.bytes);
      if (frame.type !== FRAME.transaction) throw this.#damaged("a transaction is missing");
      yield { ...this.#transaction(frame.bytes), records: this.#records() };
    }
  }

  #checkEnd(bytes: Uint8Array): void {
    const isWhole = bytes.length === END_BYTES && this.#position === this.size &&
      encodeHex(bytes.subarray(0, DIGEST_BYTES)) === encodeHex(this.#hash.digest());
    if (!isWhole) throw this.#damaged("its checksum is not that of its contents");
  }

  #transaction(bytes: Uint8Array): Omit<Transferred, "records"> {
    if (bytes.length < TRANSACTION_BYTES) throw this.#damaged("a transaction is too short");
    const view = viewOf(bytes);
    let at = TRANSACTION_BYTES;
    const [user, description, extension] = [9, 13, 17].map((place) => {
      const start = at;
      at += view.getUint32(place);
      return bytes.slice(start, at);
    });
    if (!user || !description || !extension || at !== bytes.length) {
      throw this.#damaged("the texts of a transaction have other lengths");
    }
    const id = this.#tid(view.getBigUint64(0));
    return { tid: id, packed: view.getUint8(8) !== 0, user, description, extension };
  }

  async *#records(): AsyncGenerator<NewRecord, void, void> {
    for (;;) {
      const frame = this.#frame();
      if (frame.type !== FRAME.record) {
        this.#next = frame;
        return;
      }
      const { bytes } = frame;
      if (bytes.length < RECORD_BYTES) throw this.#damaged("a revision is too short");
      const view = viewOf(bytes);
      const flags = view.getUint8(8);
      yield {
        oid: this.#oid(view.getBigUint64(0)),
        data: (flags & FLAG.data) === 0 ? null : bytes.slice(RECORD_BYTES),
        dataTid: (flags & FLAG.dataTid) === 0 ? null : this.#tid(view.getBigUint64(9)),
      };
    }
  }

  #tid(value: bigint): Tid {
    if (value > MAX_TID) throw this.#damaged("a tid is too great");
    return tid(value);
  }

  #oid(value: bigint): Oid {
    return oid(this.#tid(value));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
