/**
 * Log files as rotation leaves them: SQLite files, or compressed ones, which are written out to a
 * temporary file first.
 */

import { createReadStream } from "node:fs";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import seekBzip from "seek-bzip";
import xz from "xz-decompress";
import { ConfigurationError } from "../../nodes/errors.ts";
import { messageOf } from "../files.ts";

/** seek-bzip brings no types. It hands over byte by byte. */
const bunzip: (
  input: Uint8Array,
  output: { writeByte(byte: number): void },
  isMultistream: boolean,
) => void = seekBzip.decode;

/** Bytes that are gathered before they are written. */
const WRITE_BYTES = 1 << 16;

const COMPRESSIONS: Readonly<Record<string, (from: string, to: PlainFile) => Promise<void>>> = {
  gz: (from, to) => pipeline(createReadStream(from), createGunzip(), to.stream()),
  zst: (from, to) => pipeline(createReadStream(from), createZstdDecompress(), to.stream()),
  bz2: async (from, to) => {
    bunzip(await Deno.readFile(from), to, true);
    to.flush();
  },
  xz: async (from, to) => {
    const source = await Deno.open(from);
    for await (const bytes of new xz.XzReadableStream(source.readable)) to.write(bytes);
  },
};

/** The extension of a compressed file; null when it is not compressed. */
export function compressionOf(path: string): string | null {
  const extension = path.split(".").at(-1) ?? "";
  return Object.hasOwn(COMPRESSIONS, extension) ? extension : null;
}

/** Where a compressed file is written out, and how much that may be. */
export interface Decompression {
  readonly to: Deno.FsFile;
  /** A few bytes may stand for many: more than these are refused before they fill the disk. */
  readonly maxBytes: number;
}

/**
 * Writes out a compressed file. Throws a ConfigurationError when it is not what it is called, or
 * holds too much.
 */
export async function decompressFile(path: string, { to, maxBytes }: Decompression): Promise<void> {
  const decompress = COMPRESSIONS[compressionOf(path) ?? ""];
  if (decompress === undefined) throw new RangeError(`${path} is not compressed`);
  const plain = new PlainFile(to, maxBytes);
  try {
    await decompress(path, plain);
  } catch (cause) {
    if (cause instanceof TooLong) {
      throw new ConfigurationError(
        `${path} holds more than ${maxBytes / (1 << 20)} MiB once decompressed: raise ` +
          "--max-size, or leave the file out",
        { cause },
      );
    }
    throw new ConfigurationError(`${path} can't be decompressed: ${messageOf(cause)}`, { cause });
  }
}

/** What a file held before it was compressed. It takes only so much. */
class PlainFile {
  readonly #file: Deno.FsFile;
  readonly #maxBytes: number;
  readonly #gathered = new Uint8Array(WRITE_BYTES);
  #gatheredBytes = 0;
  #bytes = 0;

  constructor(file: Deno.FsFile, maxBytes: number) {
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  /** What takes the file's bytes from a pipeline. */
  stream(): Writable {
    return new Writable({
      write: (bytes: Uint8Array, _encoding, done) => {
        try {
          this.write(bytes);
          done();
        } catch (error) {
          done(error instanceof Error ? error : new Error(String(error)));
        }
      },
    });
  }

  /** Gathers a byte, until as many have come together as are worth writing. */
  writeByte(byte: number): void {
    this.#gathered[this.#gatheredBytes++] = byte;
    if (this.#gatheredBytes === WRITE_BYTES) this.flush();
  }

  /** Writes what was gathered. */
  flush(): void {
    const bytes = this.#gathered.subarray(0, this.#gatheredBytes);
    this.#gatheredBytes = 0;
    this.write(bytes);
  }

  /** Throws when that is more than was allowed. */
  write(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) throw new TooLong();
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
  }
}

/** What was decompressed is longer than was allowed. */
class TooLong extends Error {}

/** The text that bzip2 made these bytes of; null when it is none, or is longer than `maxBytes`. */
export function bunzipText(bytes: Uint8Array, maxBytes: number): string | null {
  const text: number[] = [];
  const writeByte = (byte: number) => {
    if (text.length >= maxBytes) throw new TooLong();
    text.push(byte);
  };
  try {
    bunzip(bytes, { writeByte }, false);
  } catch {
    // Whatever is wrong with it, there is no text that could be read.
    return null;
  }
  return new TextDecoder().decode(Uint8Array.from(text));
}
