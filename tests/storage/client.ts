/** A client of a storage that sends what a test tells it to. */

import {
  AskObject,
  AskStoreObject,
  AskStoreTransaction,
  AskVoteTransaction,
  Ping,
  RequestIdentification,
} from "../../gen/packets.ts";
import { type Oid, type Tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { C1, IDENTIFIED, sha1 } from "./values.ts";

export interface Store {
  readonly oid: Oid;
  readonly serial?: Tid;
  /** Text to store; null for none. */
  readonly data: string | null;
  readonly dataSerial?: Tid;
}

/** A client that sends what it is told. */
export class Client {
  constructor(readonly connection: Connection, readonly cluster: string) {}

  async identify(options: Partial<RequestIdentification> = {}): Promise<void> {
    await this.connection.ask(RequestIdentification, {
      nodeType: "CLIENT",
      nid: C1,
      address: null,
      cluster: encodeText(this.cluster),
      devpath: [],
      idTimestamp: IDENTIFIED,
      ...options,
    });
  }

  /** Stores; returns the conflict. */
  async store(ttid: Tid, { oid, serial, data, dataSerial }: Store): Promise<Tid | null> {
    const bytes = encodeText(data ?? "");
    const { conflict } = await this.connection.ask(AskStoreObject, {
      oid,
      serial: serial ?? ZERO_TID,
      compression: false,
      checksum: data === null ? new Uint8Array(20) : sha1(bytes),
      data: bytes,
      dataSerial: dataSerial ?? null,
      ttid,
    });
    return conflict;
  }

  /** Votes with metadata. */
  async vote(ttid: Tid, oids: readonly Oid[]): Promise<void> {
    const [user, description] = [encodeText("user"), encodeText("text")];
    const extension = new Uint8Array(0);
    await this.connection.ask(AskStoreTransaction, { ttid, user, description, extension, oids });
  }

  /** Votes without metadata. */
  async voteOnly(ttid: Tid): Promise<void> {
    await this.connection.ask(AskVoteTransaction, { ttid });
  }

  /** Loads an object's data as a text, with the tid of the revision. */
  async load(oid: Oid, at: Tid | null = null): Promise<{ data: string; serial: Tid }> {
    const { data, serial } = await this.connection.ask(AskObject, { oid, at, before: null });
    return { data: new TextDecoder().decode(data), serial };
  }

  /** All that this client has sent has been handled. */
  async settled(): Promise<void> {
    await this.connection.ask(Ping, {});
  }
}

/** Whether a promise is settled, once everything that could do it at once has run. */
export async function isPending(promise: Promise<unknown>, client: Client): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  await client.settled();
  return !settled;
}
