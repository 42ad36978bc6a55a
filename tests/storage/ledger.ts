/**
 * Transactions on a database of their own, without a network: for what depends on the order of
 * single steps, and for databases that answer later than SQLite does.
 */

import type { AskStoreObject } from "../../gen/packets.ts";
import { type Nid, type Oid, type Tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import { LaterAnswer, type Reply } from "../../nodes/codec/packet.ts";
import type { NodeHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Assignment } from "../../nodes/storage/assignment.ts";
import type { Backend } from "../../nodes/storage/backend/backend.ts";
import { Background, type Turns } from "../../nodes/storage/background.ts";
import { openSqlite } from "../../nodes/storage/backend/sqlite/backend.ts";
import { storeObject } from "../../nodes/storage/transactions/stores.ts";
import {
  type TransactionContext,
  Transactions,
} from "../../nodes/storage/transactions/transactions.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { SqliteFile } from "./databases.ts";
import { C1, S1, sha1 } from "./support.ts";

/** What was said to the master. */
export type News =
  | { readonly is: "deadlock"; readonly ttid: Tid; readonly lockingTid: Tid }
  | { readonly is: "replicated"; readonly offset: number; readonly tid: Tid };

export interface LedgerOptions {
  readonly partitions: number;
  /** Whether the database answers later, as a server does. */
  readonly later: boolean;
  /** Begins work in slices: as in a node, where absent. */
  task?(): Turns;
  /** Told of what would end a node; where absent, it fails the test. */
  fatal?(error: unknown): void;
}

export class Ledger implements AsyncDisposable {
  readonly news: News[] = [];
  readonly context: TransactionContext;
  readonly #backend: Backend;
  readonly #directory: string;

  static async open(
    options: LedgerOptions,
  ): Promise<Ledger> {
    const host = createNodeHost({ log: { log: () => {} } });
    const directory = Deno.makeTempDirSync();
    const backend = await openSqlite(host, `${directory}/storage.sqlite`, {
      cluster: "test",
      dedup: false,
      reset: false,
      failed: (error) => {
        throw error;
      },
    });
    return new Ledger({ host, directory, backend }, options);
  }

  private constructor(
    { host, directory, backend: opened }: {
      readonly host: NodeHost;
      readonly directory: string;
      readonly backend: Backend;
    },
    options: LedgerOptions,
  ) {
    this.#directory = directory;
    this.#backend = opened;
    const { settings } = this.#backend;
    settings.partitions = options.partitions;
    settings.nid = S1;
    const assignment = new Assignment(S1, { partitions: options.partitions, replicas: 0 });
    assignment.load(
      1,
      Array.from({ length: options.partitions }, (_, offset) => ({
        offset,
        cells: [{ nid: S1, state: "UP_TO_DATE" }],
      })),
    );
    const backend = options.later ? answeringLater(this.#backend) : this.#backend;
    const background = new Background(host);
    const transactions = new Transactions({
      host,
      backend,
      assignment,
      task: options.task ?? (() => background.task()),
      fatal: options.fatal ?? ((error) => {
        throw error;
      }),
      news: {
        deadlock: (ttid, lockingTid) => this.news.push({ is: "deadlock", ttid, lockingTid }),
        replicationDone: (offset, tid) => this.news.push({ is: "replicated", offset, tid }),
      },
    });
    this.context = { backend, assignment, transactions };
  }

  /** The database, as somebody else sees it. */
  get database(): SqliteFile {
    return new SqliteFile(`${this.#directory}/storage.sqlite`);
  }

  get transactions(): Transactions {
    return this.context.transactions;
  }

  /** Stores an object; resolves with the conflict. */
  async store(
    ttid: Tid,
    { oid, serial, data }: { readonly oid: Oid; readonly serial?: Tid; readonly data: string },
    client: Nid = C1,
  ): Promise<Tid | null> {
    const bytes = encodeText(data);
    const packet: AskStoreObject = {
      oid,
      serial: serial ?? ZERO_TID,
      compression: false,
      checksum: sha1(bytes),
      data: bytes,
      dataSerial: null,
      ttid,
    };
    const requester = { nid: client, connection: { closed: false, label: "client" } };
    return (await answer(storeObject(this.context, packet, requester))).conflict;
  }

  /** Votes and finishes a transaction. */
  async commit(ttid: Tid, tid: Tid): Promise<void> {
    await this.transactions.voteKnown(ttid);
    await this.transactions.lock({ ttid, tid });
    this.transactions.unlock(ttid);
  }

  /** An object's last tid in the database. */
  lastTid(oid: Oid): Promise<Tid | null> {
    return Promise.resolve(this.#backend.objects.lastTid(oid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.transactions.stop();
    await this.#backend.close({ commit: true });
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

/** An answer, whenever it comes. */
export function answer<A>(reply: Reply<A>): Promise<A> {
  if (!(reply instanceof LaterAnswer)) return Promise.resolve(reply);
  return new Promise((answered, failed) => reply.takenBy({ answered, failed }));
}

/** A backend each of whose answers comes a little later, in the order of the questions. */
function answeringLater(backend: Backend): Backend {
  const { objects, data } = backend;
  const later = async <T>(value: T | Promise<T>): Promise<T> => {
    const found = await value;
    for (let turns = 0; turns < 3; turns++) await Promise.resolve();
    return found;
  };
  return {
    ...plain(backend),
    objects: {
      ...plain(objects),
      lastTid: (oid) => later(objects.lastTid(oid)),
      has: (oid, tid) => later(objects.has(oid, tid)),
    },
    data: {
      ...plain(data),
      store: (oid, stored) => later(data.store(oid, stored)),
      load: (id) => later(data.load(id)),
    },
  };
}

/** An object's members as its own, bound to it. */
function plain<T extends object>(object: T): T {
  return new Proxy(object, {
    ownKeys: () => memberNames(object),
    getOwnPropertyDescriptor: (_target, name) => {
      const value: unknown = Reflect.get(object, name, object);
      return {
        configurable: true,
        enumerable: true,
        value: typeof value === "function" ? value.bind(object) : value,
      };
    },
    get: (_target, name) => {
      const value: unknown = Reflect.get(object, name, object);
      return typeof value === "function" ? value.bind(object) : value;
    },
  });
}

function memberNames(object: object): string[] {
  const names = new Set(Object.keys(object));
  for (let at: unknown = object; at instanceof Object && at !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
    at = Object.getPrototypeOf(at);
  }
  names.delete("constructor");
  return [...names];
}
