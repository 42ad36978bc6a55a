/**
 * What is in the ZODBs that are imported, as one store: all that was committed up to the last
 * transaction of them, whether it has been imported or not.
 */

import { type Oid, oid, partitionOf, type Tid, ZERO_TID } from "../../../codec/ids.ts";
import type { RecordHeader } from "../../../filestorage/format.ts";
import { type Pause, RECORDS_AT_ONCE } from "../../../filestorage/reader.ts";
import { checksumOf } from "../../checksum.ts";
import type { ObjectRecord, TransactionRecord } from "../backend.ts";
import { type Eventual, then } from "../eventual.ts";
import { after, Merged, type SourceRecord } from "./merged.ts";
import type { Source } from "./source.ts";

/** A revision, and the tid of the next one that is imported. */
export interface PastRevision extends SourceRecord {
  readonly next: Tid | null;
}

export class Past {
  readonly sources: readonly Source[];
  /** The last transaction of the sources. */
  readonly lastTid: Tid;
  readonly greatestOid: Oid;

  /** @param sources in the order of their shifts */
  constructor(sources: readonly Source[]) {
    this.sources = sources;
    let lastTid = ZERO_TID;
    let end = 1n;
    for (const { placement: { lastTid: tid, shift, nextOid } } of sources) {
      if (tid > lastTid) lastTid = tid;
      if (shift + nextOid > end) end = shift + nextOid;
    }
    this.lastTid = lastTid;
    this.greatestOid = oid(end - 1n);
  }

  /**
   * The last revision of an object before a tid, and the tid of the next one that is imported.
   * `pause` is called where an object has many.
   */
  before(id: Oid, bound: Tid, pause: Pause): Eventual<PastRevision | null> {
    for (const source of this.sources) {
      const own = source.own(id);
      if (own === null) continue;
      const { placement: { lastTid }, reader } = source;
      return then(reader.before(own, bound <= lastTid ? bound : after(lastTid), pause), (found) => {
        if (found === null) return null;
        const next = found.next !== null && found.next <= lastTid ? found.next : null;
        return { source, record: found.record, next };
      });
    }
    return null;
  }

  /** The last revision of an object. */
  last(id: Oid, pause: Pause): Eventual<PastRevision | null> {
    return this.before(id, after(this.lastTid), pause);
  }

  /** The data of a revision; null for a deletion. */
  data({ source, record }: SourceRecord): Uint8Array | null {
    const data = source.reader.data(record);
    return data === null ? null : source.moved(data, record);
  }

  /** The revision whose data a revision takes; null where it has its own. */
  valueTid({ source, record }: SourceRecord): Tid | null {
    let target = source.reader.dataTid(record);
    // An object that was undone twice in one transaction takes its data from itself.
    if (target === record.tid) target = null;
    return target;
  }

  /** A revision as readers get it. */
  object(found: SourceRecord, nextTid: Tid | null): ObjectRecord {
    const data = this.data(found);
    return {
      tid: found.record.tid,
      nextTid,
      value: data === null ? null : { compression: false, checksum: checksumOf(data), data },
      valueTid: this.valueTid(found),
    };
  }

  /** Revisions of an object, the newest first, with the sizes of their data in bytes. */
  async *history(id: Oid, pause: Pause): AsyncIterableIterator<{ serial: Tid; size: number }> {
    const found = await this.last(id, pause);
    if (found === null) return;
    const { source: { reader } } = found;
    let serial: Tid | null = null;
    let left = RECORDS_AT_ONCE;
    for (let at: RecordHeader | null = found.record; at !== null; at = reader.previous(at)) {
      if (left-- === 0) {
        await pause();
        left = RECORDS_AT_ONCE;
      }
      // Of two in one transaction, the last one counts.
      if (at.tid === serial) continue;
      serial = at.tid;
      const isOwn = at.length > 0 || at.back === 0;
      yield { serial, size: isOwn ? at.length : reader.data(at)?.length ?? 0 };
    }
  }

  async transaction(tid: Tid, pause: Pause): Promise<TransactionRecord | null> {
    const merged = await Merged.open(this.sources, tid, pause);
    return merged.tid === tid ? merged.metadata([...merged.records().keys()]) : null;
  }

  /** Tids of a partition in ascending order. */
  async range(
    { offset, partitions, min, max, count }: {
      readonly offset: number;
      readonly partitions: number;
      readonly min: Tid;
      readonly max: Tid;
      readonly count: number;
    },
    pause: Pause,
  ): Promise<Tid[]> {
    const tids: Tid[] = [];
    if (min > max || count <= 0) return tids;
    const merged = await Merged.open(this.sources, min, pause);
    for (; merged.tid !== null && merged.tid <= max; merged.advance()) {
      if (partitionOf(merged.tid, partitions) === offset) tids.push(merged.tid);
      if (tids.length === count) break;
      await pause();
    }
    return tids;
  }

  /** Tids, the newest first. */
  *newest(): IterableIterator<Tid> {
    const walks = this.sources.map(({ reader, placement: { lastTid } }) => {
      const headers = reader.backwards();
      const next = (): Tid | null => {
        for (;;) {
          const { value, done } = headers.next();
          if (done) return null;
          if (value.tid <= lastTid) return value.tid;
        }
      };
      return { next, tid: next() };
    });
    for (;;) {
      let greatest: Tid | null = null;
      for (const { tid } of walks) {
        if (tid !== null && (greatest === null || tid > greatest)) greatest = tid;
      }
      if (greatest === null) return;
      yield greatest;
      for (const walk of walks) if (walk.tid === greatest) walk.tid = walk.next();
    }
  }

  close(): void {
    for (const { reader } of this.sources) reader.close();
  }
}
