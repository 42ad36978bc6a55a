/** One ZODB that is imported: its FileStorage, and its place in the whole. */

import { hexId, MAX_ID, type Oid, oid, type Tid } from "../../../codec/ids.ts";
import type { RecordHeader } from "../../../filestorage/format.ts";
import type { FileStorageReader } from "../../../filestorage/reader.ts";
import { PickleError } from "../../../pickle/errors.ts";
import { mapReferences, type Target } from "../../../pickle/references.ts";
import { Refusal } from "../../../wire/refusal.ts";
import type { Placement } from "./mapping.ts";

export class Source {
  readonly reader: FileStorageReader;
  readonly placement: Placement;
  readonly #isMoved: boolean;

  constructor(reader: FileStorageReader, placement: Placement) {
    this.reader = reader;
    this.placement = placement;
    this.#isMoved = placement.shift !== 0n || placement.mounts.size > 0;
  }

  /** The oid in this ZODB of an object of the whole; null when it is none of its. */
  own(id: Oid): Oid | null {
    const { shift, nextOid } = this.placement;
    return id >= shift && id < shift + nextOid ? oid(id - shift) : null;
  }

  /** The oid in the whole of an object of this ZODB. */
  whole(own: Oid): Oid {
    return oid(own + this.placement.shift);
  }

  /**
   * The data of an object as they are in the whole. Throws a Refusal that names the object when
   * its references can't be followed.
   */
  moved(data: Uint8Array, { oid, tid }: Pick<RecordHeader, "oid" | "tid">): Uint8Array {
    if (!this.#isMoved) return data;
    try {
      return mapReferences(data, (referred) => this.#target(referred));
    } catch (cause) {
      if (!(cause instanceof PickleError)) throw cause;
      throw new Refusal("BACKEND_NOT_IMPLEMENTED", this.#complaint(oid, tid, cause.message));
    }
  }

  #complaint(oid: Oid, tid: Tid, problem: string): string {
    const { name } = this.placement;
    const object = `the object ${hexId(oid)} of the transaction ${hexId(tid)}`;
    return `${object} in ${this.reader.path} (section ${name}) can't be imported: ${problem}`;
  }

  #target(referred: Oid): Target | null {
    const { shift, mounts } = this.placement;
    const mounted = mounts.get(referred);
    // The class beside a mount point is not that of what takes its place.
    if (mounted !== undefined) return { oid: mounted, keepsClass: false };
    if (shift === 0n) return null;
    if (referred + shift > MAX_ID) {
      throw new PickleError(
        `it refers to ${hexId(referred)}, an oid that the whole has no room for`,
      );
    }
    return { oid: oid(referred + shift), keepsClass: true };
  }
}
