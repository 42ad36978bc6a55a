/** What a master does for those who come to it, as the primary or as a secondary one. */

import type { Codecs } from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import type { Incoming } from "../codec/packet.ts";
import type { Endpoint } from "../cluster/endpoint.ts";
import type { MasterList } from "../cluster/master_list.ts";
import type { Address, ClientHost } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";

export interface Role {
  /** Takes the packets of a node that has just connected, until it is identified. */
  receiveStranger(connection: Connection, incoming: Incoming<Codecs>): boolean;
  /** What it knows, and what it is waiting for, in lines for people. */
  describe(): readonly string[];
  /** Ends the role: from now on it does nothing, and the connections that it made are closed. */
  close(): void;
}

/** What a master has in whichever role it plays. */
export interface Identity {
  readonly host: ClientHost;
  readonly endpoint: Endpoint;
  readonly cluster: string;
  /** Where this master listens. */
  readonly address: Address;
  readonly masters: MasterList;
  /** The id that this master has, once it has one. */
  nid: Nid | null;
  /** The ids that other masters have had, by the text of their address. */
  readonly masterNids: Map<string, Nid>;
}

/** Another master that turned out to be the primary one. */
export interface Elected {
  readonly address: Address;
  /** A connection on which it has just accepted this master, and the id that it gave; or null. */
  readonly accepted: { readonly connection: Connection; readonly nid: Nid } | null;
}

/** A master that plays primary as well, and wants this one to be secondary to it. */
export interface Challenger {
  readonly address: Address;
  /** When it began to play primary, in Unix seconds. */
  readonly since: number;
  /** Where it waits for its answer: there is none when this master gives way. */
  readonly connection: Connection;
}
