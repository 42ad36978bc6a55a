/** Opens the sources of an import, and places them as they were placed when it began. */

import { MAX_ID, oid, type Tid, ZERO_TID } from "../../../codec/ids.ts";
import { ConfigurationError, DatabaseError, FileError } from "../../../errors.ts";
import { FileStorageReader, type Pause } from "../../../filestorage/reader.ts";
import type { FileLock, NodeHost } from "../../../host/host.ts";
import type { Backend } from "../backend.ts";
import {
  decodePlacements,
  encodePlacements,
  type Measure,
  place,
  type Placement,
} from "./mapping.ts";
import type { SourceOptions } from "./options.ts";
import { Past } from "./past.ts";
import { Source } from "./source.ts";

/** How long opening may keep others waiting. */
const SLICE_MS = 50;

/**
 * Takes the locks of FileStorages, as ZODB does where it writes: what others commit to them from
 * now on would not be imported. Throws a FileError when another program has one.
 */
export function lockSources(
  { files, log }: NodeHost,
  sources: readonly SourceOptions[],
): FileLock[] {
  const locks: FileLock[] = [];
  for (const { path } of sources) {
    try {
      const lock = files.lock(`${path}.lock`);
      if (lock !== null) locks.push(lock);
      else throw new LockedError(`${path} is in use: stop the Zope, ZEO or other server first`);
    } catch (error) {
      if (error instanceof LockedError) {
        for (const lock of locks) lock.release();
        throw error;
      }
      // Nobody can write where no lock can be made.
      if (!(error instanceof FileError)) throw error;
      log.log("INFO", "importer", `${error.message}: nobody is kept from writing to it`);
    }
  }
  return locks;
}

class LockedError extends FileError {}

/** A pause that lets others work from time to time. */
export function pauses(host: NodeHost): Pause {
  let start = host.monotonic();
  return async () => {
    if (host.monotonic() - start < SLICE_MS) return;
    await new Promise<void>((resolve) => host.defer(resolve));
    start = host.monotonic();
  };
}

/**
 * Opens the sources. Rejects with a FileError, a ConfigurationError when they do not hang
 * together, or a DatabaseError when they are not those that the import began with.
 */
export async function openPast(
  host: NodeHost,
  database: Backend,
  sources: readonly SourceOptions[],
): Promise<Past> {
  const readers = new Map<string, FileStorageReader>();
  try {
    const pause = pauses(host);
    for (const { name, path } of sources) {
      const { files, log } = host;
      readers.set(name, await FileStorageReader.open({ files, path, log, pause }));
    }
    const placements = placementsOf(database, sources, readers);
    if (database.settings.zodb === null) {
      database.settings.zodb = encodePlacements(placements);
      await database.commit();
    } else {
      host.log.log("INFO", "importer", "the places of oids are those that the import began with");
    }
    return new Past(placements.map((placement) => sourceOf(placement, readers)));
  } catch (error) {
    for (const reader of readers.values()) reader.close();
    throw error;
  }
}

function placementsOf(
  { settings }: Backend,
  sources: readonly SourceOptions[],
  readers: ReadonlyMap<string, FileStorageReader>,
): Placement[] {
  if (settings.zodb !== null) return decodePlacements(settings.zodb);
  const measures = new Map<string, Measure>();
  for (const [name, { path, lastTid, greatestOid }] of readers) {
    if (lastTid === null) throw new ConfigurationError(`Can not import empty storage: ${path}`);
    if (greatestOid === MAX_ID) {
      throw new ConfigurationError(`${path} has an object with the last oid that there is`);
    }
    measures.set(name, { lastTid, nextOid: oid((greatestOid ?? 0n) + 1n) });
  }
  return place(sources, measures);
}

function sourceOf(placement: Placement, readers: ReadonlyMap<string, FileStorageReader>): Source {
  const { name, lastTid } = placement;
  const reader = readers.get(name);
  if (reader === undefined) {
    throw new DatabaseError(
      `the import began with a ZODB ${name}: expected its section in importer.conf, found none`,
    );
  }
  if ((reader.lastTid ?? ZERO_TID) < lastTid) {
    throw new DatabaseError(
      `${reader.path} ends before what the import of ${name} began with: put the file back that ` +
        "it began with",
    );
  }
  return new Source(reader, placement);
}

/** Up to where a database has everything of the sources. */
export async function importedTid(database: Backend, past: Past): Promise<Tid> {
  const { settings: { partitions }, transactions } = database;
  if (partitions === null) return ZERO_TID;
  let greatest = ZERO_TID;
  for (let offset = 0; offset < partitions; offset++) {
    const found = await lastUpTo(transactions, offset, past.lastTid);
    if (found > greatest) greatest = found;
  }
  return greatest;
}

/** How many transactions since the import are looked at at once. */
const CHUNK = 1000;

async function lastUpTo(
  transactions: Backend["transactions"],
  offset: number,
  bound: Tid,
): Promise<Tid> {
  for (let first = 0;; first += CHUNK) {
    const tids = await transactions.newest({ offsets: [offset], first, count: CHUNK });
    const found = tids.find((tid) => tid <= bound);
    if (found !== undefined) return found;
    if (tids.length < CHUNK) return ZERO_TID;
  }
}
