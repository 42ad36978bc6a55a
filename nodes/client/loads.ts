/**
 * Loading objects: from the cache, or from a storage. What is returned belongs to the caller: the
 * cache keeps bytes of its own.
 */

import { type AnswerObject, AskObject } from "../../gen/packets.ts";
import { hexId, MAX_TID, type Oid, type Tid, tid as asTid, ZERO_TID } from "../codec/ids.ts";
import { PeerError } from "../wire/refusal.ts";
import type { Revision } from "./cache.ts";
import { CreationUndoneError, fromPeer, NotFoundError } from "./errors.ts";
import type { WaitOptions } from "./master.ts";
import { decodeData, isPresent } from "./object_data.ts";
import type { Reads } from "./reads.ts";
import type { View } from "./view.ts";

/** A revision as it was found in the database. */
export interface FoundRevision {
  readonly serial: Tid;
  readonly nextSerial: Tid | null;
  /** Null when the revision is a deletion. */
  readonly data: Uint8Array | null;
  /** The revision that this one goes back to, when it undid others. */
  readonly dataSerial: Tid | null;
}

export class Loads {
  readonly #reads: Reads;
  readonly #view: View;

  constructor(reads: Reads, view: View) {
    this.#reads = reads;
    this.#view = view;
  }

  /**
   * The newest revision older than `before`. Rejects with a NotFoundError when there is none.
   */
  async loadBefore(oid: Oid, before: Tid, options?: WaitOptions): Promise<Revision> {
    const { cache, lastTid } = this.#view;
    // The cache knows nothing of what came after the last transaction that was told of.
    const cached = before <= after(lastTid) ? cache.load(oid, before) : undefined;
    if (cached !== undefined) return { ...cached, data: cached.data.slice() };
    return await this.#loadAndCache(oid, { oid, at: null, before }, options);
  }

  /** The revision of exactly `serial`. Rejects with a NotFoundError when there is none. */
  async loadSerial(oid: Oid, serial: Tid, options?: WaitOptions): Promise<Revision> {
    const cached = serial < MAX_TID ? this.#view.cache.load(oid, after(serial)) : undefined;
    if (cached?.serial === serial) return { ...cached, data: cached.data.slice() };
    return await this.#loadAndCache(oid, { oid, at: serial, before: null }, options);
  }

  async #loadAndCache(oid: Oid, packet: AskObject, options?: WaitOptions): Promise<Revision> {
    const load = this.#view.beginLoad(oid);
    try {
      const { serial, nextSerial, data } = await this.find(packet, options);
      if (data === null) {
        const message = `object ${hexId(oid)} was deleted as of ${hexId(serial)}`;
        throw new CreationUndoneError(serial, message);
      }
      const kept = this.#view.cache.accepts(data.length) ? data.slice() : data;
      const next = this.#view.endLoad(load, { data: kept, serial, nextSerial });
      return { data, serial, nextSerial: next };
    } finally {
      this.#view.dropLoad(load);
    }
  }

  /** Finds a revision, deletions included, past the cache. Rejects with a NotFoundError. */
  async find(packet: AskObject, options?: WaitOptions): Promise<FoundRevision> {
    try {
      return await this.#reads.ask({ where: packet.oid, type: AskObject, packet, accept }, options);
    } catch (error) {
      if (error instanceof PeerError) throw fromPeer(error, describe(packet));
      throw error;
    }
  }

  /** The serial of the newest revision older than `before`, a deletion included; 0 for none. */
  async serialBefore(oid: Oid, before: Tid, options?: WaitOptions): Promise<Tid> {
    try {
      const cached = this.#view.cache.load(oid, before);
      if (cached !== undefined) return cached.serial;
      return (await this.#loadAndCache(oid, { oid, at: null, before }, options)).serial;
    } catch (error) {
      if (error instanceof CreationUndoneError) return error.serial;
      if (error instanceof NotFoundError) return ZERO_TID;
      throw error;
    }
  }
}

function accept(answer: AnswerObject): FoundRevision | null {
  const { serial, nextSerial, dataSerial } = answer;
  if (!isPresent(answer)) return { serial, nextSerial, dataSerial, data: null };
  const data = decodeData(answer);
  return data === null ? null : { serial, nextSerial, dataSerial, data };
}

function describe({ oid, at, before }: AskObject): string {
  const object = `object ${hexId(oid)}`;
  if (at !== null) return `${object} at ${hexId(at)}`;
  return before === null ? object : `${object} before ${hexId(before)}`;
}

/** The bound that includes `tid` and nothing after it. */
export function after(tid: Tid): Tid {
  return tid === MAX_TID ? tid : asTid(tid + 1n);
}
