/**
 * A secondary master: stays connected to the primary one, learns from it which masters there are,
 * and sends everyone else there. When the primary is lost, it looks whether any other master has
 * taken over; when none has, it plays primary itself.
 */

import { masterToSecondary, masterToStranger, strangerToMaster } from "../../gen/flows.ts";
import {
  type AcceptIdentification,
  type Codecs,
  type NodeInformation,
  NotPrimaryMaster,
  RequestIdentification,
} from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import { type Incoming, LaterAnswer, type Reply } from "../codec/packet.ts";
import { addressText, sameAddress } from "../cluster/addresses.ts";
import { nidText } from "../cluster/node_ids.ts";
import { NeoError, NetworkError } from "../errors.ts";
import type { Address } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { Refusal } from "../wire/refusal.ts";
import { decodeText, encodeText } from "../wire/text.ts";
import type { Elected, Identity, Role } from "./role.ts";

export interface SecondaryOptions {
  readonly self: Identity;
  /** No other master is the primary one any more: this one has to be. */
  alone(): void;
  /** The primary has told this master to exit. */
  dismissed(): void;
  /** An error that is this node's own. */
  fatal(error: unknown): void;
}

export class Secondary implements Role {
  readonly #options: SecondaryOptions;
  readonly #closing = new AbortController();
  /** The primary master, as far as is known. */
  #primary: Address;
  #connection: Connection | null = null;
  #attempt = new AbortController();
  /** Whether the primary has accepted this master, on a connection that still stands. */
  #identified = false;
  /** Masters that were tried in vain since a primary was last seen. */
  #failed = new Set<string>();

  constructor(options: SecondaryOptions, { address, accepted }: Elected) {
    this.#options = options;
    this.#primary = address;
    if (accepted !== null) this.#accepted(accepted.connection, accepted.nid);
    this.#follow().catch((error) => {
      if (!this.#closing.signal.aborted) options.fatal(error);
    });
  }

  describe(): readonly string[] {
    const place = `the primary master at ${addressText(this.#primary)}`;
    return [this.#identified ? `follows ${place}` : `tries ${place}`];
  }

  close(): void {
    this.#closing.abort(new Error("the role is over"));
    this.#leave();
  }

  #leave(): void {
    this.#attempt.abort(new NetworkError("another master is tried"));
    this.#connection?.close();
  }

  receiveStranger(connection: Connection, incoming: Incoming<Codecs>): boolean {
    return strangerToMaster({
      requestIdentification: (request) => this.#identify(connection, request),
    })(incoming);
  }

  /** Sends a node to the primary, and closes. */
  #identify(
    connection: Connection,
    request: RequestIdentification,
  ): Reply<AcceptIdentification> {
    const { self } = this.#options;
    const { nodeType, address, cluster, idTimestamp } = request;
    if (decodeText(cluster) !== self.cluster) {
      throw new Refusal("PROTOCOL_ERROR", "invalid cluster name");
    }
    if (address !== null && sameAddress(address, self.address)) {
      throw new Refusal("PROTOCOL_ERROR", "address conflict");
    }
    if (nodeType === "MASTER" && address !== null) {
      self.masters.add(address);
      if (!this.#identified && idTimestamp !== null && !sameAddress(address, this.#primary)) {
        // It plays primary, and this master has none: it is as good as any.
        this.#elect(address);
        connection.close();
        return new LaterAnswer();
      }
    }
    const isKnown = this.#identified && !sameAddress(address, this.#primary);
    // A backup cluster's master says that it is a client, and is killed by a hint.
    connection.notify(NotPrimaryMaster, this.#directions(isKnown && nodeType !== "CLIENT"));
    connection.abort();
    return new LaterAnswer();
  }

  /** All masters; index 0 can't be told apart from none, so this one is the first. */
  #directions(withPrimary: boolean): NotPrimaryMaster {
    const { self } = this.#options;
    const others = self.masters.addresses.filter((address) => !sameAddress(address, self.address));
    const masters = [self.address, ...others];
    const at = masters.findIndex((address) => sameAddress(address, this.#primary));
    return { primary: withPrimary && at > 0 ? at : null, masters };
  }

  /** Goes to another primary. */
  #elect(address: Address): void {
    this.#primary = address;
    this.#failed.delete(addressText(address));
    this.#leave();
  }

  /** Stays with the primary, or finds another one, until there is none. */
  async #follow(): Promise<void> {
    const { alone } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      if (this.#connection === null) await this.#connect(this.#primary);
      if (this.#connection !== null) await ended(this.#connection);
      this.#connection = null;
      if (signal.aborted) return;
      if (this.#identified) {
        // It may have lost just this connection: it is tried once more, and then the others.
        this.#identified = false;
        this.#failed.clear();
        this.#log(`lost the primary master, ${addressText(this.#primary)}`);
        continue;
      }
      const next = this.#next();
      if (next === undefined) return alone();
      this.#primary = next;
    }
  }

  /** The master to try now; undefined when all were tried in vain. */
  #next(): Address | undefined {
    const { self } = this.#options;
    if (!this.#failed.has(addressText(this.#primary))) return this.#primary;
    return self.masters.addresses.find((address) =>
      !sameAddress(address, self.address) && !this.#failed.has(addressText(address))
    );
  }

  async #connect(address: Address): Promise<void> {
    const { self } = this.#options;
    this.#failed.add(addressText(address));
    this.#attempt = new AbortController();
    const { signal } = this.#attempt;
    try {
      // A machine that has vanished is not waited for when another primary has been found.
      const connection = await unlessAborted(signal, self.endpoint.dial(address, "M", signal));
      this.#connection = connection;
      connection.start(masterToStranger({
        notPrimaryMaster: (packet) => this.#redirected(packet),
      }));
      await connection.ask(RequestIdentification, {
        nodeType: "MASTER",
        nid: self.nid,
        address: self.address,
        cluster: encodeText(self.cluster),
        devpath: [],
        idTimestamp: null,
      }, ({ nodeType, yourNid }) => {
        if (nodeType !== "MASTER" || yourNid === null) return connection.close();
        this.#accepted(connection, yourNid);
      });
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      this.#connection?.close();
    }
  }

  #redirected({ primary, masters }: NotPrimaryMaster): void {
    const { self } = this.#options;
    for (const address of masters) self.masters.add(address);
    const named = primary === null ? undefined : masters[primary];
    if (named === undefined || sameAddress(named, self.address)) return;
    if (!sameAddress(named, this.#primary)) this.#elect(named);
  }

  #accepted(connection: Connection, nid: Nid): void {
    const { self, dismissed } = this.#options;
    self.nid = nid;
    self.host.log.identified?.(self.cluster, nid);
    this.#log(`${addressText(this.#primary)} is the primary master, this one is ${nidText(nid)}`);
    this.#connection = connection;
    this.#identified = true;
    this.#failed.clear();
    connection.setReceiver(masterToSecondary({
      notifyNodeInformation: ({ nodes }) => this.#learn(nodes),
      notifyClusterInformation: ({ state }) => {
        if (state === "STOPPING") dismissed();
      },
      flushLog: () => self.host.log.flush?.(),
    }));
  }

  #log(message: string): void {
    this.#options.self.host.log.log("INFO", "master", message);
  }

  #learn(nodes: readonly NodeInformation[]): void {
    const { self, dismissed } = this.#options;
    for (const { type, address, nid, state } of nodes) {
      if (type !== "MASTER") continue;
      if (nid !== null && nid === self.nid && state === "DOWN") return dismissed();
      if (address === null) continue;
      if (state === "UNKNOWN") self.masters.remove(address);
      else self.masters.add(address);
      // No more are remembered than masters may be known.
      if (nid === null || !self.masters.has(address)) continue;
      self.masterNids.set(addressText(address), nid);
    }
  }
}

function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}

function ended(connection: Connection): Promise<void> {
  return new Promise((resolve) => connection.onClose(resolve));
}
