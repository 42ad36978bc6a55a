/**
 * Log files as rotation leaves them: SQLite files, or compressed ones, which are written out to a
 * temporary file first.
 */

import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import seekBzip from "seek-bzip";
import xz from "xz-decompress";
import { ConfigurationError } from "../../nodes/errors.ts";
import { messageOf } from "../files.ts";

/** seek-bzip brings no types. Given a sink, it hands over byte by byte; null gives all at once. */
const bunzip: (
  input: Uint8Array,
  output: { writeByte(byte: number): void } | null,
  isMultistream: boolean,
) => Uint8Array = seekBzip.decode;

const COMPRESSIONS: Readonly<Record<string, (from: string, to: string) => Promise<void>>> = {
  gz: (from, to) => pipeline(createReadStream(from), createGunzip(), createWriteStream(to)),
  zst: (from, to) =>
    pipeline(createReadStream(from), createZstdDecompress(), createWriteStream(to)),
  bz2: async (from, to) => await Deno.writeFile(to, bunzip(await Deno.readFile(from), null, true)),
  xz: async (from, to) => {
    const source = await Deno.open(from);
    const plain = new xz.XzReadableStream(source.readable);
    await Deno.writeFile(to, plain);
  },
};

/** The extension of a compressed file; null when it is not compressed. */
export function compressionOf(path: string): string | null {
  const extension = path.split(".").at(-1) ?? "";
  return Object.hasOwn(COMPRESSIONS, extension) ? extension : null;
}

/** Writes out a compressed file. Throws a ConfigurationError when it is not what it is called. */
export async function decompressFile(path: string, to: string): Promise<void> {
  const decompress = COMPRESSIONS[compressionOf(path) ?? ""];
  if (decompress === undefined) throw new RangeError(`${path} is not compressed`);
  try {
    await decompress(path, to);
  } catch (cause) {
    throw new ConfigurationError(`${path} can't be decompressed: ${messageOf(cause)}`, { cause });
  }
}

/** A text that is longer than was allowed. */
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
