/**
 * Serving neoctl: what the admin knows is answered from its view, everything else goes to the
 * primary master, whose answer is passed on as it is. Without a master nothing is answered, since
 * what was known may be wrong by now.
 */

import { controlToAdmin } from "../../gen/flows.ts";
import {
  AddPendingNodes,
  AskLastIDs,
  AskLastTransaction,
  type AskPartitionList,
  AskRecovery,
  CheckReplicas,
  type ClusterState,
  type Codecs,
  FlushLog,
  Repair,
  SetClusterState,
  SetNodeState,
  Truncate,
  TweakPartitionTable,
} from "../../gen/packets.ts";
import type { Nid } from "../codec/ids.ts";
import type { Receiver, RequestType } from "../codec/packet.ts";
import { ConnectionClosedError } from "../errors.ts";
import type { LogSink } from "../host/host.ts";
import type { Connection } from "../wire/connection.ts";
import { PeerError, Refusal } from "../wire/refusal.ts";
import type { ClusterView } from "./view.ts";

/** The connection to the primary master, once everything that is mirrored has been received. */
export interface PrimaryLink {
  readonly connection: Connection;
  /** The primary master's id. */
  readonly nid: Nid | null;
  readonly view: ClusterView;
}

/**
 * Takes the packets of a neoctl. `link` gives the connection to the primary master, if any; `log`
 * is that of this node.
 */
export function controlReceiver(link: () => PrimaryLink | null, log: LogSink): Receiver<Codecs> {
  const primary = (): PrimaryLink => {
    const found = link();
    if (found === null) throw new Refusal("NOT_READY", "Not connected to a primary master.");
    return found;
  };
  const flushLogs = (packet: FlushLog) => {
    primary().connection.notify(FlushLog, packet);
    log.flush?.();
  };
  const forward = <T, A>(type: RequestType<T, A, Codecs>) => (packet: T): Promise<A> =>
    relay(primary().connection, type, packet);
  return controlToAdmin({
    askPrimary: () => ({ nid: primary().nid }),
    askNodeList: ({ nodeType }) => ({ nodes: primary().view.nodes(nodeType) }),
    askClusterState: () => ({ state: knownState(primary().view) }),
    askPartitionList: (packet) => partitionList(primary().view, packet),
    askRecovery: forward(AskRecovery),
    askLastIDs: forward(AskLastIDs),
    askLastTransaction: forward(AskLastTransaction),
    setNodeState: forward(SetNodeState),
    addPendingNodes: forward(AddPendingNodes),
    tweakPartitionTable: forward(TweakPartitionTable),
    setClusterState: forward(SetClusterState),
    repair: forward(Repair),
    checkReplicas: forward(CheckReplicas),
    truncate: forward(Truncate),
    flushLog: flushLogs,
  });
}

function knownState({ state }: ClusterView): ClusterState {
  if (state === null) throw new Refusal("NOT_READY", "The cluster's state is not known yet.");
  return state;
}

function partitionList(view: ClusterView, { minOffset, maxOffset, nid }: AskPartitionList) {
  const { partitions, ptid } = view.table;
  const max = maxOffset === 0 ? partitions : maxOffset;
  if (minOffset < max && max > partitions) {
    throw new Refusal("PROTOCOL_ERROR", "invalid partition table offset", false);
  }
  return { ptid, rows: view.rows({ min: minOffset, max, nid }) };
}

async function relay<T, A>(
  connection: Connection,
  type: RequestType<T, A, Codecs>,
  packet: T,
): Promise<A> {
  try {
    return await connection.ask(type, packet);
  } catch (error) {
    if (error instanceof PeerError) throw new Refusal(error.code, error.message, false);
    if (error instanceof ConnectionClosedError) {
      throw new Refusal("PROTOCOL_ERROR", "connection to master lost", false);
    }
    throw error;
  }
}
