/**
 * The backup files of a cluster, in one directory: each begins after the one before, and names its
 * digest, so that none can be missing, doubled or exchanged.
 */

import { hexId, type Tid } from "../../mod.ts";
import { FileError } from "../../nodes/errors.ts";
import { messageOf } from "../files.ts";
import { PendingFile } from "../transfer/pending_file.ts";
import type { Header } from "./format.ts";
import { BackupReader } from "./reader.ts";

const NAME = /^[0-9a-f]{16}-[0-9a-f]{16}\.neobackup$/;

/** The name of the file of a range of tids. */
export function fileName({ from, to }: { readonly from: Tid; readonly to: Tid }): string {
  return `${hexId(from)}-${hexId(to)}.neobackup`;
}

/**
 * The one file of a directory, made if need be, that is not whole yet. It is begun before the
 * series is read: what another process adds meanwhile would make it follow the wrong file. Throws a
 * FileError.
 */
export function beginNext(directory: string): PendingFile {
  try {
    Deno.mkdirSync(directory, { recursive: true });
  } catch (cause) {
    throw new FileError(`cannot make the directory ${directory}: ${messageOf(cause)}`, { cause });
  }
  return new PendingFile(`${directory}/next.neobackup.part`);
}

/** One file, as it is known from its beginning and its end. */
export interface SeriesFile {
  readonly path: string;
  readonly header: Header;
  readonly digest: string;
  readonly size: number;
}

/** The files of a directory in their order. Throws a FileError when they are no series. */
export function readSeries(directory: string): SeriesFile[] {
  const files = names(directory).map((name): SeriesFile => {
    using reader = new BackupReader(`${directory}/${name}`);
    const { path, header, digest, size } = reader;
    if (fileName(header) === name) return { path, header, digest, size };
    throw new FileError(`${path} is in fact ${fileName(header)}: give it its name back`);
  });
  let previous: SeriesFile | null = null;
  for (const file of files) {
    check(file, previous);
    previous = file;
  }
  return files;
}

function names(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name)
      .filter((name) => NAME.test(name)).sort();
  } catch (cause) {
    throw new FileError(`cannot read the directory ${directory}: ${messageOf(cause)}`, { cause });
  }
}

function check({ path, header }: SeriesFile, previous: SeriesFile | null): void {
  const expected = previous === null ? 0n : previous.header.to + 1n;
  if (header.from !== expected) {
    const what = previous === null ? "the first backup file" : `the one after ${previous.path}`;
    throw new FileError(
      `${path} does not follow: ${what} is missing; put it back, or begin in an empty directory`,
    );
  }
  if (header.previous !== (previous?.digest ?? null)) {
    throw new FileError(`${path} was written after another file than ${previous?.path}`);
  }
  if (previous !== null && header.cluster !== previous.header.cluster) {
    throw new FileError(`${path} is of the cluster '${header.cluster}', and not of the same one`);
  }
}
