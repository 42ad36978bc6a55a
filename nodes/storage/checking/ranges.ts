/**
 * Checksums of what a partition has: of the tids of its transactions, and of the tids and the oids
 * of its revisions. Replicas whose checksums are equal have the same rows. Hashed are decimal
 * numbers with commas between them, as NEO's storages do it.
 *
 * Contents are not compared: each replica knows the checksums of its own data, and looks whether
 * they still are those.
 */

import { createHash } from "node:crypto";
import type {
  AnswerCheckSerialRange,
  AnswerCheckTIDRange,
  AskCheckSerialRange,
  AskCheckTIDRange,
} from "../../../gen/packets.ts";
import { type Oid, oid, type Tid, tid, tidAfter } from "../../codec/ids.ts";
import type { Backend, RevisionKey } from "../backend/backend.ts";
import type { Background } from "../background.ts";
import { NO_CHECKSUM } from "../checksum.ts";
import { revisionAfter } from "../positions.ts";
import { isIntact } from "../intact.ts";
import { DamagedCellError } from "./damage.ts";
import { READ_COUNT } from "./limits.ts";

export interface RangeContext {
  readonly backend: Backend;
  readonly background: Background;
}

/** The checksum of the first `length` transactions from `minTid` to `maxTid`. */
export async function checkTidRange(
  { backend, background }: RangeContext,
  { partition, length, minTid, maxTid }: AskCheckTIDRange,
): Promise<AnswerCheckTIDRange> {
  const task = background.task();
  const tids = new IdHash<Tid>();
  for (let min = minTid; tids.count < length; min = tidAfter(tid(tids.last))) {
    const count = Math.min(READ_COUNT, length - tids.count);
    const found = await backend.transactions.range({ offset: partition, min, max: maxTid, count });
    tids.add(found);
    if (found.length < count || tids.last === maxTid) break;
    if (task.isDue) await task.pause();
  }
  return { count: tids.count, checksum: tids.digest(), maxTid: tid(tids.last) };
}

/**
 * The checksums of the first `length` revisions from (`minTid`, `minOid`) to `maxTid`. Rejects with
 * a DamagedCellError where the data of one are not what they were.
 */
export async function checkSerialRange(
  { backend, background }: RangeContext,
  { partition, length, minTid, maxTid, minOid }: AskCheckSerialRange,
): Promise<AnswerCheckSerialRange> {
  const task = background.task();
  const tids = new IdHash<Tid>();
  const oids = new IdHash<Oid>();
  let from: RevisionKey = { tid: minTid, oid: minOid };
  while (tids.count < length) {
    const count = Math.min(READ_COUNT, length - tids.count);
    const range = { offset: partition, minTid: from.tid, minOid: from.oid, maxTid, count };
    const found = await backend.replica.revisions(range);
    for (const key of found) {
      if (!await isIntact(backend, key)) throw new DamagedCellError(partition, key);
      if (task.isDue) await task.pause();
    }
    tids.add(found.map((key) => key.tid));
    oids.add(found.map((key) => key.oid));
    if (found.length < count) break;
    from = revisionAfter({ tid: tid(tids.last), oid: oid(oids.last) });
    if (task.isDue) await task.pause();
  }
  return {
    count: tids.count,
    tidChecksum: tids.digest(),
    maxTid: tid(tids.last),
    oidChecksum: oids.digest(),
    maxOid: oid(oids.last),
  };
}

class IdHash<Id extends bigint> {
  readonly #hash = createHash("sha1");
  count = 0;
  /** The last id; 0 while there is none. */
  last = 0n;

  add(ids: readonly Id[]): void {
    const last = ids.at(-1);
    if (last === undefined) return;
    this.#hash.update(`${this.count === 0 ? "" : ","}${ids.join(",")}`);
    this.count += ids.length;
    this.last = last;
  }

  digest(): Uint8Array {
    return this.count === 0 ? NO_CHECKSUM : this.#hash.digest();
  }
}
