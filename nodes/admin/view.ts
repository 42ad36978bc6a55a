/**
 * The cluster as the primary master tells it to an admin: its state, its nodes and its partition
 * table. One view lives as long as one connection to a primary master, so that nothing of an old
 * master is ever taken for news of the next one.
 */

import { masterToAdmin } from "../../gen/flows.ts";
import type {
  ClusterState,
  Codecs,
  NodeInformation,
  NodeType,
  NotifyNodeInformation,
  Row,
} from "../../gen/packets.ts";
import type { MasterList } from "../cluster/master_list.ts";
import { NodeTable } from "../cluster/node_table.ts";
import { PartitionTable } from "../cluster/partition_table.ts";
import { nodeLines, tableLines } from "../cluster/state_text.ts";
import type { Nid } from "../codec/ids.ts";
import type { Receiver } from "../codec/packet.ts";
import type { LogSink } from "../host/host.ts";

export class ClusterView {
  /** What the cluster does; null until the master has told it. */
  state: ClusterState | null = null;
  readonly table: PartitionTable;
  readonly #nodes = new NodeTable();
  readonly #masters: MasterList;
  /** Packets of the master that change this view go here. */
  readonly receiver: Receiver<Codecs>;

  /** @param masters is told of masters that appear and disappear */
  constructor(
    { partitions, replicas, masters, log }: {
      partitions: number;
      replicas: number;
      masters: MasterList;
      log: LogSink;
    },
  ) {
    this.table = new PartitionTable(partitions, replicas);
    this.#masters = masters;
    this.receiver = masterToAdmin({
      notifyNodeInformation: (packet) => this.#updateNodes(packet),
      sendPartitionTable: ({ ptid, rows }) => this.table.load(ptid, rows),
      notifyPartitionChanges: ({ ptid, changes }) => this.table.update(ptid, changes),
      notifyClusterInformation: ({ state }) => {
        this.state = state;
      },
      flushLog: () => log.flush?.(),
    });
  }

  #updateNodes({ nodes }: NotifyNodeInformation): void {
    for (const node of nodes) {
      this.#nodes.update(node);
      const { type, address, state } = node;
      if (type !== "MASTER" || address === null) continue;
      if (state === "UNKNOWN") this.#masters.remove(address);
      else this.#masters.add(address);
    }
  }

  /** The nodes and the partition table, in lines for people. */
  describe(): string[] {
    const nodes = this.nodes(null);
    return [...nodeLines(nodes), ...tableLines(this.table.toRows(), nodes)];
  }

  /** All nodes that the master told of, perhaps of one type. */
  nodes(type: NodeType | null): NodeInformation[] {
    const all = [...this.#nodes.unidentifiedMasters(), ...this.#nodes.list()];
    return type === null ? all : all.filter((node) => node.type === type);
  }

  /** The rows [min, max), perhaps with the cells of one node only. */
  rows({ min, max, nid }: { min: number; max: number; nid: Nid | null }): Row[] {
    const rows: Row[] = [];
    for (let offset = min; offset < max; offset++) {
      const cells = this.table.cells(offset);
      rows.push({ offset, cells: nid === null ? cells : cells.filter((cell) => cell.nid === nid) });
    }
    return rows;
  }
}
