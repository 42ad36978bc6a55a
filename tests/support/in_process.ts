/**
 * A whole cluster of this project's nodes in the test's own process, on the real host: real sockets
 * on loopback, real databases. Each node has a host of its own whose network can be cut, so that to
 * its peers it is as dead as a machine without power.
 */

import { type Codecs, RequestIdentification } from "../../gen/packets.ts";
import { connect } from "../../mod.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import type { RunningNode } from "../../nodes/cluster/node.ts";
import type { Receiver, RequestType } from "../../nodes/codec/packet.ts";
import { NetworkError } from "../../nodes/errors.ts";
import type {
  Address,
  Listener,
  LogLevel,
  LogSink,
  Network,
  NodeHost,
  Socket,
  TlsIdentity,
} from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { startMaster } from "../../nodes/master/node.ts";
import { startStorage } from "../../nodes/storage/node.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { Log } from "./log.ts";
import { freePorts } from "./ports.ts";

export interface InProcessOptions {
  readonly storages?: number;
  readonly partitions?: number;
  readonly replicas?: number;
  readonly tls?: TlsIdentity | null;
  /** Whether storages keep equal data once; false where absent. */
  readonly dedup?: boolean;
  /** The cluster's name; `test` where absent. */
  readonly name?: string;
  /** The cluster that this one may be a backup of. */
  readonly upstream?: { readonly cluster: string; readonly masters: readonly Address[] };
}

/** How long a cluster may take until it serves clients. */
const START_TIMEOUT_MS = 30_000;

const SHOWN_LINES = 40;
const SHOWN_LEVELS: readonly LogLevel[] = ["WARNING", "ERROR", "CRITICAL"];

/** Runs a test on a cluster, which is gone afterwards. */
export async function withCluster(
  options: InProcessOptions,
  test: (cluster: InProcessCluster) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "neo-cluster-" });
  const cluster = new InProcessCluster(directory, options);
  try {
    await cluster.start();
    await test(cluster);
  } catch (error) {
    console.error(cluster.log.slice(-SHOWN_LINES).join("\n"));
    throw error;
  } finally {
    await cluster.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

/** A node and the host that it runs on. */
interface Place {
  readonly node: RunningNode;
  readonly host: CuttableHost;
}

export class InProcessCluster {
  readonly name: string;
  readonly master: Address;
  /** What the nodes had to say, each line with the node's name. */
  readonly log: string[] = [];
  /** What the master says. */
  readonly masterLog = new Log();
  readonly tls: TlsIdentity | null;
  readonly #directory: string;
  readonly #options: InProcessOptions;
  readonly #places = new Map<string, Place>();

  constructor(directory: string, options: InProcessOptions) {
    const [port = 0] = freePorts(1);
    this.master = { host: "127.0.0.1", port };
    this.#directory = directory;
    this.#options = options;
    this.name = options.name ?? "test";
    this.tls = options.tls ?? null;
  }

  /** The URL that a client connects to. */
  get url(): string {
    return `neo://${this.name}@127.0.0.1:${this.master.port}`;
  }

  get storageCount(): number {
    return this.#options.storages ?? 1;
  }

  async start(): Promise<void> {
    await this.startMaster();
    for (let number = 1; number <= this.storageCount; number++) await this.startStorage(number);
    // A client is served once the cluster is operational.
    const tls = this.tls === null ? {} : this.tls;
    await using _ = await connect(this.url, { ...tls, connectTimeoutMs: START_TIMEOUT_MS });
  }

  /** Starts the master. @param upstream the cluster that this one may be a backup of */
  async startMaster(upstream = this.#options.upstream ?? null): Promise<void> {
    const { partitions = 4, replicas = 0 } = this.#options;
    const host = new CuttableHost(this.#sink("master"));
    const node = await startMaster(host.nodeHost, {
      ...this.#nodeOptions(this.master),
      partitions,
      replicas,
      autostart: this.storageCount,
      upstream,
    });
    this.#places.set("master", { node, host });
  }

  /** Starts a storage by its number, on the database that it had before. */
  async startStorage(number: number): Promise<void> {
    const name = `storage${number}`;
    const host = new CuttableHost(this.#sink(name));
    const node = await startStorage(host.nodeHost, {
      ...this.#nodeOptions({ host: "127.0.0.1", port: 0 }),
      database: { adapter: "SQLite", path: `${this.#directory}/${name}.sqlite` },
      dedup: this.#options.dedup ?? false,
      dropPartitions: false,
    });
    this.#places.set(name, { node, host });
  }

  #nodeOptions(bind: Address) {
    return {
      cluster: this.name,
      masters: [this.master],
      bind,
      tls: this.tls,
      dynamicMasterList: null,
      nid: null,
    };
  }

  #sink(name: string): LogSink {
    return {
      log: (level, module, message) => {
        if (name === "master") this.masterLog.log(level, module, message);
        if (SHOWN_LEVELS.includes(level)) this.log.push(`${name} ${level} [${module}] ${message}`);
      },
    };
  }

  /** Gives the master an order, or asks it something, as an admin. */
  async ask<T, A>(type: RequestType<T, A, Codecs>, packet: T): Promise<A> {
    const host = createNodeHost({ log: { log: () => {} } });
    const endpoint = new Endpoint({ host, network: host.network(this.tls), fatal: () => {} });
    const connection = await endpoint.dial(this.master, "M");
    try {
      connection.start(adminReceiver);
      await connection.ask(RequestIdentification, {
        ...{ nodeType: "ADMIN", nid: null, devpath: [], idTimestamp: null },
        address: { host: "127.0.0.1", port: 1 },
        cluster: encodeText(this.name),
      });
      return await connection.ask(type, packet);
    } finally {
      connection.close();
    }
  }

  /** The address of a storage by its number. */
  storage(number: number): Address {
    return this.#place(`storage${number}`).node.address;
  }

  /** Resolves when a node has ended by itself; it can be started again. */
  async ended(name: string): Promise<void> {
    const { node } = this.#place(name);
    this.#places.delete(name);
    await node.ended;
  }

  /** Cuts a node off the network all at once, then ends it. */
  async kill(name: string): Promise<void> {
    const { node, host } = this.#place(name);
    this.#places.delete(name);
    host.cut();
    await node.stop();
  }

  #place(name: string): Place {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`no ${name} among ${[...this.#places.keys()]}`);
    return place;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#places.values()].map(({ node }) => node.stop()));
  }
}

/** An admin that does not mind what it is told. */
const adminReceiver: Receiver<Codecs> = () => true;

/** The real host, with a network that can be cut. */
class CuttableHost {
  readonly nodeHost: NodeHost;
  readonly #sockets = new Set<Socket>();
  readonly #listeners = new Set<Listener>();
  #isCut = false;

  constructor(log: LogSink) {
    const host = createNodeHost({ log });
    this.nodeHost = { ...host, network: (tls) => this.#watch(host.network(tls)) };
  }

  #watch(network: Network): Network {
    return {
      connect: async (address) => {
        if (this.#isCut) throw new NetworkError("the network is cut");
        return this.#watchSocket(await network.connect(address));
      },
      listen: async (address, events) => {
        const listener = await network.listen(address, {
          ...events,
          accepted: (socket) => events.accepted(this.#watchSocket(socket)),
        });
        this.#listeners.add(listener);
        return listener;
      },
    };
  }

  #watchSocket(socket: Socket): Socket {
    this.#sockets.add(socket);
    if (this.#isCut) socket.destroy();
    return socket;
  }

  cut(): void {
    this.#isCut = true;
    for (const listener of this.#listeners) listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
