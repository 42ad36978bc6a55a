/**
 * Who is the primary master. While the cluster recovers, a master that plays primary asks all
 * others to identify it: whoever accepts the other has won. Between two that play primary, the one
 * wins that began first, and one whose cluster is past recovery wins over all. No master counts
 * votes: that a database never starts without its readable copies is what keeps it in one piece.
 */

import { masterToStranger } from "../../gen/flows.ts";
import { type NotPrimaryMaster, RequestIdentification } from "../../gen/packets.ts";
import { addressText, sameAddress } from "../cluster/addresses.ts";
import { delay } from "../cluster/delay.ts";
import { DIAL_INTERVAL_MS } from "../cluster/endpoint.ts";
import { NeoError } from "../errors.ts";
import type { Address } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { encodeText } from "../wire/text.ts";
import type { Elected, Identity } from "./role.ts";

export interface ElectionOptions {
  readonly self: Identity;
  /** When this master began to play primary, in Unix seconds. */
  readonly since: number;
  /** Whether the master at an address was accepted, and is still connected. */
  isAccepted(address: Address): boolean;
  /** There is a master at an address, which may be known. */
  learnt(address: Address): void;
  /** Another master is the primary one. */
  lost(elected: Elected): void;
  /** An error that is this node's own. */
  fatal(error: unknown): void;
}

export class Election {
  readonly #options: ElectionOptions;
  #round: AbortController | null = null;
  readonly #contested = new Set<string>();
  /** Masters that have been asked to identify this one, and have not answered yet. */
  readonly #asked = new Set<string>();

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** Begins to challenge all other masters, again and again. */
  begin(): void {
    if (this.#round !== null) return;
    this.#round = new AbortController();
    this.#contestAll(this.#round.signal);
  }

  /** Challenges nobody any more, and closes the connections that were made for it. */
  end(): void {
    this.#round?.abort();
    this.#round = null;
    this.#contested.clear();
  }

  /** Whether a master that has played primary since a time is to be preferred to this one. */
  losesTo(address: Address, since: number): boolean {
    if (this.#round === null) return false;
    const { self, since: own } = this.#options;
    if (since !== own) return since < own;
    if (address.host !== self.address.host) return address.host < self.address.host;
    return address.port < self.address.port;
  }

  /**
   * Another master is to be the primary one. One that was asked already answers that: to come to it
   * again, on another connection, would cost a second.
   */
  giveWayTo(address: Address): void {
    if (this.#round === null || this.#asked.has(addressText(address))) return;
    this.#lost({ address, accepted: null });
  }

  #contestAll(signal: AbortSignal): void {
    const { self } = this.#options;
    for (const address of self.masters.addresses) {
      const key = addressText(address);
      if (sameAddress(address, self.address) || this.#contested.has(key)) continue;
      this.#contested.add(key);
      this.#contest(address, signal).catch((error) => {
        if (!signal.aborted) this.#options.fatal(error);
      });
    }
  }

  async #contest(address: Address, signal: AbortSignal): Promise<void> {
    const { self, isAccepted } = this.#options;
    while (!signal.aborted) {
      if (isAccepted(address)) await delay(self.host, DIAL_INTERVAL_MS, signal);
      else await this.#challenge(address, signal);
      this.#contestAll(signal);
    }
  }

  async #challenge(address: Address, signal: AbortSignal): Promise<void> {
    const { self, since } = this.#options;
    let connection: Connection | null = null;
    let isHandedOver = false;
    const close = () => connection?.close();
    signal.addEventListener("abort", close, { once: true });
    try {
      connection = await self.endpoint.dial(address, "M", signal);
      const dialed = connection;
      this.#asked.add(addressText(address));
      dialed.start(masterToStranger({
        notPrimaryMaster: (packet) => this.#learn(packet, signal),
      }));
      await dialed.ask(RequestIdentification, {
        nodeType: "MASTER",
        nid: self.nid,
        address: self.address,
        cluster: encodeText(self.cluster),
        devpath: [],
        idTimestamp: since,
      }, ({ nodeType, yourNid }) => {
        if (signal.aborted || nodeType !== "MASTER" || yourNid === null) return;
        // The connection goes on in the other role.
        isHandedOver = true;
        signal.removeEventListener("abort", close);
        this.#lost({ address, accepted: { connection: dialed, nid: yourNid } });
      });
    } catch (error) {
      if (!signal.aborted && !(error instanceof NeoError)) throw error;
    } finally {
      this.#asked.delete(addressText(address));
      signal.removeEventListener("abort", close);
      if (!isHandedOver) close();
    }
  }

  /** A secondary master tells which it takes for the primary. */
  #learn({ primary, masters }: NotPrimaryMaster, signal: AbortSignal): void {
    const { self, isAccepted, learnt } = this.#options;
    masters.forEach(learnt);
    const named = primary === null ? undefined : masters[primary];
    if (signal.aborted || named === undefined || sameAddress(named, self.address)) return;
    // The peer does not know yet that the one that it named has lost against this one.
    if (isAccepted(named)) return;
    this.giveWayTo(named);
  }

  #lost(elected: Elected): void {
    this.end();
    this.#options.lost(elected);
  }
}
