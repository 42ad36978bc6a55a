/**
 * Who may use this storage: clients and storages that the master has told of, while it operates.
 * Its news may be slower than the node that it is about; such a node waits for them.
 */

import type { StrangerToStorage } from "../../gen/flows.ts";
import { clientToStorage, strangerToStorage } from "../../gen/flows.ts";
import type { AcceptIdentification, RequestIdentification } from "../../gen/packets.ts";
import { addressText } from "../cluster/addresses.ts";
import { nidText } from "../cluster/node_ids.ts";
import type { Nid } from "../codec/ids.ts";
import { LaterAnswer, type Reply } from "../codec/packet.ts";
import type { Connection } from "../wire/connection.ts";
import { ALREADY_CONNECTED, Refusal } from "../wire/refusal.ts";
import { decodeText } from "../wire/text.ts";
import { ClientService } from "./clients/client_service.ts";
import { ReadOnlyClientService } from "./clients/read_only_service.ts";
import type { Operation } from "./operation.ts";
import type { Peers } from "./peers.ts";
import type { Phases } from "./phases.ts";
import type { Session } from "./session.ts";

export interface IdentificationOptions {
  readonly cluster: string;
  readonly peers: Peers;
  /** What goes on with the primary master; null while there is none. */
  phases(): Phases | null;
}

/** Takes in connections that others have opened. */
export class Identification {
  readonly #options: IdentificationOptions;

  constructor(options: IdentificationOptions) {
    this.#options = options;
  }

  /** Starts a new connection, which first has to identify itself. */
  accept(connection: Connection): void {
    if (!this.#options.peers.add(connection)) return connection.close();
    const stranger: StrangerToStorage = {
      requestIdentification: (packet) => {
        // There is only one identification; whatever comes before its end is unexpected.
        connection.setReceiver(() => false);
        return this.#identify(connection, packet);
      },
    };
    connection.start(strangerToStorage(stranger));
  }

  #identify(
    connection: Connection,
    packet: RequestIdentification,
  ): Reply<AcceptIdentification> {
    const decided = this.#decide(connection, packet);
    if (decided !== null) return decided;
    const answer = new LaterAnswer<AcceptIdentification>();
    const retry = () => {
      if (connection.closed) return;
      try {
        const decided = this.#decide(connection, packet);
        if (decided === null) this.#options.phases()?.session.onNews(retry);
        else answer.give(decided);
      } catch (error) {
        answer.refuse(error);
      }
    };
    this.#options.phases()?.session.onNews(retry);
    return answer;
  }

  /** Accepts or refuses a peer; null for one that the master has to tell of first. */
  #decide(
    connection: Connection,
    packet: RequestIdentification,
  ): AcceptIdentification | null {
    const { cluster, peers } = this.#options;
    const { nid, nodeType, idTimestamp } = packet;
    if (decodeText(packet.cluster) !== cluster) {
      throw new Refusal("PROTOCOL_ERROR", "invalid cluster name");
    }
    const phases = this.#options.phases();
    const operation = phases?.operation;
    if (!phases || !operation) throw new Refusal("NOT_READY", "Retry Later");
    const { session } = phases;
    if (nid === null) {
      if (nodeType !== "STORAGE") {
        throw new Refusal("PROTOCOL_ERROR", "reject anonymous non-storage node");
      }
      operation.links.accept(connection, null);
      return accepted(session, null);
    }
    if (nid === session.assignment.nid) {
      throw new Refusal("PROTOCOL_ERROR", "uuid conflict or loopback connection");
    }
    const node = session.nodes.get(nid);
    if (node === undefined || node.idTimestamp !== idTimestamp) {
      if (idTimestamp !== null && session.timestamp < idTimestamp) return null;
      throw new Refusal("NOT_READY", "unknown by master");
    }
    if (nodeType === "STORAGE" && node.type === "STORAGE") {
      operation.links.accept(connection, nid);
      return accepted(session, nid);
    }
    if (nodeType !== "CLIENT" || node.type !== "CLIENT") {
      throw new Refusal("PROTOCOL_ERROR", "reject non-client-or-storage node");
    }
    if (peers.of(nid) !== undefined) throw new Refusal("PROTOCOL_ERROR", ALREADY_CONNECTED);
    this.#serveClient(connection, nid, operation);
    return accepted(session, nid);
  }

  #serveClient(connection: Connection, nid: Nid, operation: Operation): void {
    this.#options.peers.identified(nid, connection);
    connection.label = `${nidText(nid)} (${addressText(connection.remote)})`;
    const service = operation.isBackup
      ? new ReadOnlyClientService(operation.context, { nid, connection })
      : new ClientService(operation.context, { nid, connection });
    const receive = clientToStorage(service);
    connection.setReceiver((packet) => {
      operation.clientAsked();
      return receive(packet);
    });
    // The client may only have lost this node: what it has voted waits for the master's word.
    connection.onClose(() => {
      if (this.#options.phases()?.operation !== operation) return;
      operation.transactions.abortOf(nid, { evenVoted: false });
    });
  }
}

/** An anonymous peer, a storage of another cluster, is not told who this node is. */
function accepted({ assignment }: Session, nid: Nid | null): AcceptIdentification {
  const { table, nid: ownNid } = assignment;
  return {
    nodeType: "STORAGE",
    nid: nid === null ? null : ownNid,
    partitions: table.partitions,
    replicas: table.replicas,
    yourNid: nid,
  };
}
