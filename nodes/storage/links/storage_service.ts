/**
 * What another storage may ask of this one while it operates, and send for what this one has asked:
 * one object per link.
 */

import { type StorageToStorage, storageToStorage } from "../../../gen/flows.ts";
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
} from "../../../gen/packets.ts";
import type { Incoming, Reply } from "../../codec/packet.ts";
import { type CheckingContext, serveSerialRange, serveTidRange } from "../checking/serving.ts";
import { serveObjects, serveTransactions } from "../replication/feeding.ts";
import type { Link } from "./link.ts";

export class StorageService implements StorageToStorage {
  readonly #context: CheckingContext;
  readonly #link: Link;
  readonly #dispatch = storageToStorage(this);
  /** The id of the packet that is being handled. */
  #id = 0;

  constructor(context: CheckingContext, link: Link) {
    this.#context = context;
    this.#link = link;
  }

  /** Takes a packet; it is a {@link Receiver}. */
  readonly receive = (incoming: Incoming<Codecs>): boolean => {
    this.#id = incoming.id;
    return this.#dispatch(incoming);
  };

  closeClient(): void {
    this.#link.peerLeft();
  }

  askFetchTransactions(packet: AskFetchTransactions): Reply<AnswerFetchTransactions> {
    this.#link.served();
    return serveTransactions(this.#context, packet, this.#request());
  }

  askFetchObjects(packet: AskFetchObjects): Reply<AnswerFetchObjects> {
    this.#link.served();
    return serveObjects(this.#context, packet, this.#request());
  }

  #request() {
    return { connection: this.#link.connection, id: this.#id };
  }

  addTransaction(packet: AddTransaction): void {
    this.#link.fetching?.addTransaction(this.#id, packet);
  }

  addObject(packet: AddObject): void {
    this.#link.fetching?.addObject(this.#id, packet);
  }

  askCheckTIDRange(packet: AskCheckTIDRange): Reply<AnswerCheckTIDRange> {
    this.#link.served();
    return serveTidRange(this.#context, packet, this.#link.connection);
  }

  askCheckSerialRange(packet: AskCheckSerialRange): Reply<AnswerCheckSerialRange> {
    this.#link.served();
    return serveSerialRange(this.#context, packet);
  }
}
