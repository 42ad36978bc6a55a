/**
 * A storage node under test, with a master that the test plays by hand and clients that speak
 * packets: each test decides what is sent, and in which order.
 */

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { storageToMaster, strangerToMaster } from "../../gen/flows.ts";
import {
  AskLastIDs,
  AskLockedTransactions,
  AskLockInformation,
  AskRecovery,
  type CellState,
  type NodeInformation,
  NotifyNodeInformation,
  NotifyPartitionChanges,
  NotifyUnlockInformation,
  Ping,
  RequestIdentification,
  type Row,
  SendPartitionTable,
  StartOperation,
} from "../../gen/packets.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import type { RunningNode } from "../../nodes/cluster/node.ts";
import { type Nid, type Tid, ZERO_TID } from "../../nodes/codec/ids.ts";
import { DatabaseError } from "../../nodes/errors.ts";
import type { Address, Listener, LogLevel, NodeHost } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { startStorage, type StorageOptions } from "../../nodes/storage/node.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { hurrying } from "../support/hurry.ts";
import { Client, type Store } from "./client.ts";
import { createDatabase, type Rows, type TestDatabase } from "./databases.ts";
import { C1, IDENTIFIED, Inbox, M1, node, S1, S2 } from "./values.ts";

export { Client, isPending, type Store } from "./client.ts";
export * from "./values.ts";

const LOOPBACK: Address = { host: "127.0.0.1", port: 0 };

/** How often, and after how long, a database is tried again that is locked. */
const LOCK_TRIES = 20;
const LOCK_RETRY_MS = 10;

/** What a storage said to the master by itself. */
export type Notice =
  | { readonly is: "ready" }
  | { readonly is: "deadlock"; readonly ttid: Tid; readonly lockingTid: Tid }
  | { readonly is: "unfinished"; readonly offsets: readonly number[] }
  | { readonly is: "replicated"; readonly offset: number; readonly tid: Tid }
  | { readonly is: "corrupted"; readonly partition: number; readonly nids: readonly Nid[] };

export interface SetUp {
  readonly partitions?: number;
  readonly dedup?: boolean;
  readonly dropPartitions?: boolean;
  readonly cluster?: string;
  /** An existing database; a new one where absent. */
  readonly database?: TestDatabase;
  /** Whether time flies for the storage, so that it does not wait before it looks for a master. */
  readonly hurries?: boolean;
}

/** The nodes of a test: a real storage, and everything around it. */
export class Stage implements AsyncDisposable {
  readonly host: NodeHost;
  readonly lines: string[] = [];
  readonly partitions: number;
  readonly database: TestDatabase;
  readonly directory: string;
  readonly notices = new Inbox<Notice>();
  /** Connections of the storage to the master, each as soon as it was accepted. */
  readonly masters = new Inbox<Connection>();
  /** What the storage said of itself. */
  readonly requests: RequestIdentification[] = [];
  /** What the master answers to AskUnfinishedTransactions. */
  unfinished: { readonly maxTid: Tid; readonly ttids: readonly Tid[] } = {
    maxTid: ZERO_TID,
    ttids: [],
  };
  ptid = 1;
  readonly #endpoint: Endpoint;
  readonly #setUp: SetUp;
  #listener: Listener | null = null;
  #node: RunningNode | null = null;
  #master: Connection | null = null;
  #timestamp = IDENTIFIED;

  private constructor(setUp: SetUp, directory: string, database: TestDatabase) {
    this.#setUp = setUp;
    this.partitions = setUp.partitions ?? 1;
    const host = createNodeHost({
      log: {
        log: (level: LogLevel, _module, message) => this.lines.push(`${level} ${message}`),
      },
    });
    this.host = setUp.hurries === true ? hurrying(host) : host;
    this.directory = directory;
    this.database = database;
    this.#endpoint = new Endpoint({
      host: this.host,
      network: this.host.network(null),
      fatal: (error) => {
        throw error;
      },
    });
  }

  /** A master that listens, and nothing else. */
  static async open(setUp: SetUp = {}): Promise<Stage> {
    const directory = Deno.makeTempDirSync();
    const stage = new Stage(
      setUp,
      directory,
      setUp.database ?? await createDatabase(directory),
    );
    stage.#listener = await stage.#endpoint.listen(LOOPBACK, (peer) => stage.#accept(peer));
    return stage;
  }

  /** A storage that has been identified, and no more. */
  static async identified(setUp: SetUp = {}): Promise<Stage> {
    const stage = await Stage.open(setUp);
    await stage.start();
    await stage.next();
    return stage;
  }

  /** A storage that operates, with all partitions. */
  static async operating(setUp: SetUp = {}): Promise<Stage> {
    const stage = await Stage.identified(setUp);
    stage.sendTable();
    await stage.verify();
    await stage.operate();
    return stage;
  }

  #accept(peer: Connection): void {
    peer.start(strangerToMaster({
      requestIdentification: (request) => {
        this.requests.push(request);
        peer.setReceiver(storageToMaster({
          askUnfinishedTransactions: ({ offsets }) => {
            this.notices.put({ is: "unfinished", offsets });
            return this.unfinished;
          },
          notifyDeadlock: (packet) => this.notices.put({ is: "deadlock", ...packet }),
          notifyPartitionCorrupted: (packet) => this.notices.put({ is: "corrupted", ...packet }),
          notifyReady: () => this.notices.put({ is: "ready" }),
          notifyReplicationDone: (packet) => this.notices.put({ is: "replicated", ...packet }),
        }));
        this.masters.put(peer);
        return {
          nodeType: "MASTER",
          nid: M1,
          partitions: this.partitions,
          replicas: 0,
          yourNid: request.nid ?? S1,
        };
      },
    }));
  }

  get options(): StorageOptions {
    return {
      cluster: this.#setUp.cluster ?? "test",
      masters: [this.#listener?.address ?? LOOPBACK],
      bind: LOOPBACK,
      tls: null,
      dynamicMasterList: null,
      nid: null,
      database: this.database.address,
      dedup: this.#setUp.dedup ?? false,
      dropPartitions: this.#setUp.dropPartitions ?? true,
    };
  }

  /**
   * Starts the storage. Another test of this process may be starting a program at that moment, which
   * has all that is open here, the lock of a storage that was stopped included, until it runs.
   */
  async start(): Promise<RunningNode> {
    for (let triesLeft = LOCK_TRIES;; triesLeft--) {
      try {
        return this.#node = await startStorage(this.host, this.options);
      } catch (error) {
        const isLocked = error instanceof DatabaseError && error.message === "database is locked";
        if (!isLocked || triesLeft === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
      }
    }
  }

  /** Waits until the storage has identified itself (again), and tells it who is there. */
  async next(): Promise<Connection> {
    this.#master = await this.masters.next();
    this.tellNodes(node("STORAGE", S1), node("STORAGE", S2));
    return this.#master;
  }

  get node(): RunningNode {
    if (this.#node === null) throw new Error("the storage was not started");
    return this.#node;
  }

  /** The master's end of the connection to the storage. */
  get master(): Connection {
    if (this.#master === null) throw new Error("the storage was not identified");
    return this.#master;
  }

  tellNodes(...nodes: NodeInformation[]): void {
    this.#timestamp += 1;
    this.master.notify(NotifyNodeInformation, { timestamp: this.#timestamp, nodes });
  }

  /** Sends a table that assigns all partitions to the storage, or `rows`. */
  sendTable(rows: readonly Row[] = this.rows("UP_TO_DATE")): void {
    this.master.notify(SendPartitionTable, { ptid: this.ptid, rows });
  }

  rows(state: CellState): Row[] {
    return Array.from({ length: this.partitions }, (_, offset) => ({
      offset,
      cells: [{ nid: S1, state }],
    }));
  }

  change(...changes: { offset: number; nid?: Nid; state: CellState }[]): void {
    this.ptid += 1;
    this.master.notify(NotifyPartitionChanges, {
      ptid: this.ptid,
      changes: changes.map((change) => ({ nid: S1, ...change })),
    });
  }

  /** What a master asks for before operation. */
  async verify(): Promise<void> {
    await this.master.ask(AskRecovery, {});
    await this.master.ask(AskLockedTransactions, {});
    await this.master.ask(AskLastIDs, {});
  }

  /** Starts operation, and waits until the storage is ready. */
  async operate(options: { readonly backup: boolean } = { backup: false }): Promise<void> {
    this.master.notify(StartOperation, options);
    const notice = await this.notices.next();
    if (notice.is !== "ready") throw new Error(`expected ready, found ${notice.is}`);
  }

  /** Connects a client that the master has told of. */
  async client(nid: Nid = C1): Promise<Client> {
    this.tellNodes(node("CLIENT", nid));
    const client = await this.stranger();
    await client.identify({ nid });
    return client;
  }

  /** Connects to the storage without identifying. */
  async stranger(): Promise<Client> {
    this.#endpoint.mayDialAgain(this.node.address);
    const connection = await this.#endpoint.dial(this.node.address, "S");
    connection.start(() => false);
    return new Client(connection, this.#setUp.cluster ?? "test");
  }

  /** Everything that the master has sent has been handled. */
  async settled(): Promise<void> {
    await this.master.ask(Ping, {});
  }

  /** The second phase of a commit, as the master does it. */
  async finish(ttid: Tid, final: Tid = ttid): Promise<void> {
    await this.master.ask(AskLockInformation, { ttid, tid: final });
    this.master.notify(NotifyUnlockInformation, { ttid });
    await this.settled();
  }

  /** Commits objects, each with its base serial. */
  async commit(client: Client, at: Tid, stores: readonly Store[]): Promise<void> {
    for (const store of stores) {
      const conflict = await client.store(at, store);
      if (conflict !== null) throw new Error(`conflict with ${conflict}`);
    }
    await client.vote(at, stores.map((store) => store.oid));
    await this.finish(at);
  }

  /** Rows of the database as they are on disk; the storage may be running. */
  onDisk(sql: string): Promise<Rows> {
    return this.database.rows(sql);
  }

  /** Waits until that is what is on disk. */
  async becomesOnDisk(sql: string, expected: Rows): Promise<void> {
    const deadline = performance.now() + 10_000;
    for (;;) {
      const found = await this.onDisk(sql);
      if (isDeepStrictEqual(found, expected)) return;
      if (performance.now() > deadline) assert.deepEqual(found, expected);
      await this.settled();
    }
  }

  /** Stops the storage in order; the master stays. */
  async stop(): Promise<void> {
    await this.#node?.stop();
    this.#node = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node?.stop().catch(() => {});
    this.#listener?.close();
    this.#master?.close();
    for (const connection of this.masters.all()) connection.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}
