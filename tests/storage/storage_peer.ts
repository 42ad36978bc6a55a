/**
 * Another storage, played by a test: the storage under test fetches from it and compares with it,
 * and each of its requests waits for what the test says.
 */

import { type StorageToStorage, storageToStorage, strangerToStorage } from "../../gen/flows.ts";
import type {
  AddObject,
  AddTransaction,
  AnswerCheckSerialRange,
  AnswerCheckTIDRange,
  AnswerFetchObjects,
  AnswerFetchTransactions,
  AskCheckSerialRange,
  AskCheckTIDRange,
  AskFetchObjects,
  AskFetchTransactions,
  Codecs,
  NodeInformation,
  RequestIdentification,
} from "../../gen/packets.ts";
import * as p from "../../gen/packets.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import type { Nid, Tid } from "../../nodes/codec/ids.ts";
import { type Incoming, LaterAnswer } from "../../nodes/codec/packet.ts";
import type { Listener, NodeHost } from "../../nodes/host/host.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { IDENTIFIED, Inbox, node, o, sha1, t } from "./values.ts";

/** A request of the storage under test. */
export interface Asked<T, A> {
  readonly id: number;
  readonly packet: T;
  readonly connection: Connection;
  readonly answer: LaterAnswer<A>;
}

/** What was sent to this storage by itself, or for a request of its own. */
export interface Added {
  readonly id: number;
  readonly packet: AddTransaction | AddObject;
}

/** One connection with the storage under test. */
export class PeerLink implements StorageToStorage {
  readonly transactions = new Inbox<Asked<AskFetchTransactions, AnswerFetchTransactions>>();
  readonly objects = new Inbox<Asked<AskFetchObjects, AnswerFetchObjects>>();
  readonly tidRanges = new Inbox<Asked<AskCheckTIDRange, AnswerCheckTIDRange>>();
  readonly serialRanges = new Inbox<Asked<AskCheckSerialRange, AnswerCheckSerialRange>>();
  readonly added: Added[] = [];
  readonly left = new Inbox<"left">();
  readonly closed: Promise<void>;
  readonly #dispatch = storageToStorage(this);
  #id = 0;

  constructor(readonly connection: Connection) {
    this.closed = new Promise((resolve) => connection.onClose(resolve));
  }

  readonly receive = (incoming: Incoming<Codecs>): boolean => {
    this.#id = incoming.id;
    return this.#dispatch(incoming);
  };

  #ask<T, A>(inbox: Inbox<Asked<T, A>>, packet: T): LaterAnswer<A> {
    const answer = new LaterAnswer<A>();
    inbox.put({ id: this.#id, packet, connection: this.connection, answer });
    return answer;
  }

  closeClient(): void {
    this.left.put("left");
  }

  askFetchTransactions(packet: AskFetchTransactions): LaterAnswer<AnswerFetchTransactions> {
    return this.#ask(this.transactions, packet);
  }

  askFetchObjects(packet: AskFetchObjects): LaterAnswer<AnswerFetchObjects> {
    return this.#ask(this.objects, packet);
  }

  askCheckTIDRange(packet: AskCheckTIDRange): LaterAnswer<AnswerCheckTIDRange> {
    return this.#ask(this.tidRanges, packet);
  }

  askCheckSerialRange(packet: AskCheckSerialRange): LaterAnswer<AnswerCheckSerialRange> {
    return this.#ask(this.serialRanges, packet);
  }

  addTransaction(packet: AddTransaction): void {
    this.added.push({ id: this.#id, packet });
  }

  addObject(packet: AddObject): void {
    this.added.push({ id: this.#id, packet });
  }

  /** Answers that there are no (more) transactions but those that the storage has. */
  async noTransactions(): Promise<Asked<AskFetchTransactions, AnswerFetchTransactions>> {
    const asked = await this.transactions.next();
    asked.answer.give({ packTid: null, nextTid: null, tids: [] });
    return asked;
  }

  /** Answers that there are no (more) objects but those that the storage has. */
  async noObjects(): Promise<Asked<AskFetchObjects, AnswerFetchObjects>> {
    const asked = await this.objects.next();
    asked.answer.give({ packTid: null, nextTid: null, nextOid: null, objects: new Map() });
    return asked;
  }
}

export interface PeerOptions {
  readonly partitions: number;
  /** Where links go; several storages may share it. */
  readonly links?: Inbox<PeerLink>;
}

/** A storage that listens and dials. */
export class StoragePeer implements Disposable {
  /** Connections that the storage under test has opened, and identified itself on. */
  readonly links: Inbox<PeerLink>;
  readonly requests = new Inbox<RequestIdentification>();
  readonly #endpoint: Endpoint;
  readonly #partitions: number;
  readonly #open: Connection[] = [];
  #listener: Listener | null = null;
  /** What is said of itself; the test may change it. */
  identity: Partial<p.AcceptIdentification> = {};
  /** Whether identifications are answered. */
  answers = true;

  private constructor(host: NodeHost, readonly nid: Nid | null, options: PeerOptions) {
    this.#partitions = options.partitions;
    this.links = options.links ?? new Inbox();
    this.#endpoint = new Endpoint({
      host,
      network: host.network(null),
      fatal: (error) => {
        throw error;
      },
    });
  }

  /** @param nid its id; null for a storage of another cluster */
  static async listen(
    host: NodeHost,
    nid: Nid | null,
    options: PeerOptions,
  ): Promise<StoragePeer> {
    const peer = new StoragePeer(host, nid, options);
    const bind = { host: "127.0.0.1", port: 0 };
    peer.#listener = await peer.#endpoint.listen(bind, (connection) => peer.#accept(connection));
    return peer;
  }

  get address(): p.RequestIdentification["address"] & object {
    if (this.#listener === null) throw new Error("it does not listen");
    return this.#listener.address;
  }

  /** How the master tells of it. */
  get information(): NodeInformation {
    if (this.nid === null) throw new Error("a storage of another cluster is told of by nobody");
    return { ...node("STORAGE", this.nid), address: this.address };
  }

  #accept(connection: Connection): void {
    this.#open.push(connection);
    connection.start(strangerToStorage({
      requestIdentification: (packet) => {
        this.requests.put(packet);
        if (!this.answers) return new LaterAnswer();
        const link = new PeerLink(connection);
        connection.setReceiver(link.receive);
        this.links.put(link);
        return {
          nodeType: "STORAGE",
          nid: this.nid,
          partitions: this.#partitions,
          replicas: 0,
          yourNid: packet.nid,
          ...this.identity,
        };
      },
    }));
  }

  /** The other end of a connection to this storage, which has to be identified. */
  async identifiedBy(connection: Connection): Promise<PeerLink> {
    await connection.ask(p.RequestIdentification, {
      nodeType: "STORAGE",
      nid: this.nid,
      address: null,
      cluster: encodeText("test"),
      devpath: [],
      idTimestamp: IDENTIFIED,
    });
    return await this.links.next();
  }

  /** Opens a connection to the storage under test, and identifies itself on it. */
  async connect(
    to: NodeInformation["address"] & object,
    { cluster = "test", idTimestamp = IDENTIFIED } = {},
  ): Promise<{ link: PeerLink; accept: p.AcceptIdentification }> {
    this.#endpoint.mayDialAgain(to);
    const connection = await this.#endpoint.dial(to, "S");
    this.#open.push(connection);
    const link = new PeerLink(connection);
    connection.start(link.receive);
    const accept = await connection.ask(p.RequestIdentification, {
      nodeType: "STORAGE",
      nid: this.nid,
      address: this.address,
      cluster: encodeText(cluster),
      devpath: [],
      idTimestamp,
    });
    return { link, accept };
  }

  [Symbol.dispose](): void {
    this.#listener?.close();
    for (const connection of this.#open) connection.close();
  }
}

/** A transaction as it is sent. */
export function transaction(tid: number, oids: readonly number[] = [1]): AddTransaction {
  const [user, description, extension] = ["user", "text", ""].map(encodeText);
  if (!user || !description || !extension) throw new Error("texts were expected");
  return {
    ...{ tid: t(tid), ttid: t(tid), user, description, extension, packed: false },
    oids: oids.map(o),
  };
}

/** A revision as it is sent; no text for one without data. */
export function revision(
  oid: number,
  serial: number,
  text: string | null,
  dataSerial: Tid | null = null,
): AddObject {
  const data = encodeText(text ?? "");
  return {
    oid: o(oid),
    serial: t(serial),
    compression: false,
    checksum: text === null ? new Uint8Array(20) : sha1(data),
    data,
    dataSerial,
  };
}
