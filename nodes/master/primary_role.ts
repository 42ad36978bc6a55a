/** A master that plays primary: it serves the cluster, and contends with others that do too. */

import { adminToMaster, secondaryToMaster, strangerToMaster } from "../../gen/flows.ts";
import type { Codecs } from "../../gen/packets.ts";
import type { Incoming } from "../codec/packet.ts";
import { addressText } from "../cluster/addresses.ts";
import { nodeLines, tableLines } from "../cluster/state_text.ts";
import type { Connection } from "../wire/connection.ts";
import { adminService } from "./admin_service.ts";
import type { UpstreamCluster } from "./backup/upstream.ts";
import { Election } from "./election.ts";
import { identify } from "./identification.ts";
import { Primary } from "./primary.ts";
import { Recovering } from "./recovering.ts";
import type { Elected, Identity, Role } from "./role.ts";
import { secondaryService } from "./secondary_service.ts";

export interface PrimaryRoleOptions {
  readonly self: Identity;
  readonly partitions: number;
  readonly replicas: number;
  readonly autostart: number | null;
  /** The cluster that this one may be a backup of. */
  readonly upstream: UpstreamCluster | null;
  /** Another master is the primary one: this role is over. */
  lost(elected: Elected): void;
  /** The cluster was stopped: this node has to close everything and end. */
  stopped(): void;
  /** An error that is this node's own. */
  fatal(error: unknown): void;
}

export class PrimaryRole implements Role {
  readonly #self: Identity;
  readonly #primary: Primary;
  readonly #election: Election;
  /** Masters that this one gives way to, which are not answered. */
  readonly #unanswered = new Set<Connection>();

  constructor(options: PrimaryRoleOptions) {
    const { self, lost, fatal } = options;
    this.#self = self;
    this.#primary = this.#makePrimary(options);
    self.nid = this.#primary.self.nid;
    if (self.nid !== null) self.host.log.identified?.(self.cluster, self.nid);
    const { nodes } = this.#primary;
    this.#election = new Election({
      self,
      since: nodes.time(),
      isAccepted: (address) => (nodes.at(address)?.connection ?? null) !== null,
      learnt: (address) => this.#primary.learnMaster(address),
      lost,
      fatal,
    });
    this.#primary.begin();
  }

  #makePrimary(options: PrimaryRoleOptions): Primary {
    const { self, partitions, replicas, autostart, upstream, stopped, fatal } = options;
    return new Primary({
      ...{ host: self.host, cluster: self.cluster, address: self.address, nid: self.nid },
      ...{ masters: self.masters, masterNids: self.masterNids },
      ...{ partitions, replicas, autostart, upstream, stopped, fatal },
      entered: (state) => {
        if (state === "RECOVERING") this.#election.begin();
        else this.#endElection();
      },
      yields: ({ address, since, connection }) => {
        if (!this.#election.losesTo(address, since)) return false;
        this.#unanswered.add(connection);
        connection.onClose(() => this.#unanswered.delete(connection));
        this.#primary.turn.after(() => this.#election.giveWayTo(address));
        return true;
      },
    }, {
      recovering: (primary) => new Recovering(primary),
      adminReceiver: (primary, admin) => adminToMaster(adminService(primary, admin)),
      secondaryReceiver: (primary) => secondaryToMaster(secondaryService(primary)),
    });
  }

  /**
   * The cluster is past recovery, and this master stays the primary one: whoever it wanted to give
   * way to is to come again, and to be secondary.
   */
  #endElection(): void {
    this.#election.end();
    for (const connection of [...this.#unanswered]) connection.abort();
  }

  describe(): readonly string[] {
    const { phase, nodes, table } = this.#primary;
    const known = nodes.list();
    return [
      `the cluster is ${phase.state}`,
      ...nodeLines(known),
      ...tableLines(table.toRows(), known),
      ...phase.describe(),
    ];
  }

  receiveStranger(connection: Connection, incoming: Incoming<Codecs>): boolean {
    const receiver = strangerToMaster({
      requestIdentification: (request) => identify(this.#primary, connection, request),
    });
    return this.#primary.turn.run(() => receiver(incoming));
  }

  close(): void {
    for (const { address, nid } of this.#primary.nodes.list("MASTER")) {
      if (address !== null && nid !== null) this.#self.masterNids.set(addressText(address), nid);
    }
    this.#election.end();
    this.#primary.phase.leave();
    this.#primary.close();
  }
}
