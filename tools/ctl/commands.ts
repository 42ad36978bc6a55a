/** The commands of `neo ctl`: what each takes, asks and prints. */

import {
  AddPendingNodes,
  AskClusterState,
  AskNodeList,
  AskPartitionList,
  AskPrimary,
  CheckReplicas,
  Repair,
  SetClusterState,
  SetNodeState,
  Truncate,
  TweakPartitionTable,
} from "../../gen/packets.ts";
import { nidText } from "../../nodes/cluster/node_ids.ts";
import { type Nid, ZERO_TID } from "../../nodes/codec/ids.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import type { AdminSession } from "./admin_session.ts";
import {
  flagArgument,
  nodeArgument,
  offsetArgument,
  stateArgument,
  tidArgument,
  typeArgument,
} from "./arguments.ts";
import { formatNodes, formatRows } from "./format.ts";
import { lastIds } from "./last_ids.ts";

/** One command: what follows its name are its arguments. */
export interface Command {
  readonly help: readonly string[];
  /** The arguments in words, and what each of them means. */
  readonly parameters?: readonly [string, ...string[]];
  /** How many arguments there may be. */
  readonly least?: number;
  readonly most: number;
  /** Resolves with what is to be printed; null for nothing. */
  run(args: readonly string[], admin: AdminSession): Promise<string | null>;
}

/** A word that is followed by one of several commands. */
export type CommandGroup = Readonly<Record<string, Command>>;

const PRINT: CommandGroup = {
  cluster: {
    help: ["Tells the state of the cluster."],
    most: 0,
    run: async (_args, admin) => (await admin.ask(AskClusterState, {})).state,
  },
  primary: {
    help: ["Tells which master is the primary one."],
    most: Infinity,
    run: async (_args, admin) => nidText((await admin.ask(AskPrimary, {})).nid),
  },
  node: {
    help: ["Lists the nodes, perhaps those of one type only."],
    parameters: ["[type]", "type: master, storage, client or admin"],
    most: 1,
    async run([type], admin) {
      const nodeType = type === undefined ? null : typeArgument(type);
      return formatNodes((await admin.ask(AskNodeList, { nodeType })).nodes);
    },
  },
  pt: {
    help: ["Lists the rows of the partition table."],
    parameters: [
      "[min [max [node]]]",
      "min: the first row, counted from 0",
      "max: the row to stop before; 0 for all",
      "node: only list the cells of this node",
    ],
    most: 3,
    async run([min = "0", max = "0", node], admin) {
      const { rows } = await admin.ask(AskPartitionList, {
        minOffset: offsetArgument(min),
        maxOffset: offsetArgument(max),
        nid: node === undefined ? null : nodeArgument(node),
      });
      return formatRows(rows);
    },
  },
  ids: {
    help: [
      "Tells the last object, transaction and partition table ids. In backup mode, it tells up to",
      "where the backup has everything, and how far that lags behind the original.",
    ],
    most: 0,
    run: (_args, admin) => lastIds(admin),
  },
};

const NODES: readonly [string, string] = [
  "node [node [...]]",
  "node: the storages, or all",
];

/** All commands by their names, in the order of the help. */
export const COMMANDS: Readonly<Record<string, Command | { readonly group: CommandGroup }>> = {
  print: { group: PRINT },
  set: {
    group: {
      cluster: {
        help: ["Puts the cluster into another state."],
        parameters: ["state", "state: verifying, starting_backup, stopping_backup or stopping"],
        least: 1,
        most: 1,
        run: ([state = ""], admin) => admin.order(SetClusterState, { state: stateArgument(state) }),
      },
    },
  },
  start: {
    help: ["Starts a cluster that is recovering, with the storages that are there."],
    most: 0,
    run: (_args, admin) => admin.order(SetClusterState, { state: "VERIFYING" }),
  },
  add: {
    help: ["Lets pending storages take part. They get data by the next tweak."],
    parameters: NODES,
    most: Infinity,
    run: async (args, admin) => admin.order(AddPendingNodes, { nids: await storages(args, admin) }),
  },
  tweak: {
    help: [
      "Spreads the data evenly over the storages that run, but for those named, and has",
      "CORRUPTED cells copied again.",
    ],
    parameters: ["[node [...]]"],
    most: Infinity,
    run: async (args, admin) =>
      await admin.order(TweakPartitionTable, { nids: args.map(nodeArgument) }),
  },
  kill: {
    help: ["Stops a node that can be spared: a storage or a secondary master."],
    parameters: ["node"],
    least: 1,
    most: 1,
    run: async ([node = ""], admin) =>
      await admin.order(SetNodeState, { nid: nodeArgument(node), state: "DOWN" }),
  },
  drop: {
    help: ["Removes a storage for good, with all its data."],
    parameters: ["node"],
    least: 1,
    most: 1,
    run: async ([node = ""], admin) =>
      await admin.order(SetNodeState, { nid: nodeArgument(node), state: "UNKNOWN" }),
  },
  check: {
    help: [
      "Compares the copies of partitions, and looks for data that a disk has altered. Cells",
      "that differ become CORRUPTED, by which the cluster may stop to be operational.",
    ],
    parameters: [
      "[partition]:[reference] ... [min_tid [max_tid]]",
      "partition: all of them if not given",
      "reference: a storage whose data are known to be good. If not given, and in backup",
      "  mode, the cluster that is backed up is the reference.",
    ],
    most: Infinity,
    run: checkReplicas,
  },
  truncate: {
    help: [
      "Cuts off all transactions after a tid. The cluster goes back to RECOVERING and waits",
      "until all storages are there; do not use start meanwhile, unless those that are missing",
      "have nothing to cut.",
    ],
    parameters: ["tid"],
    least: 1,
    most: 1,
    async run([tid = ""], admin) {
      await admin.order(Truncate, { tid: tidArgument(tid) });
      return null;
    },
  },
  prune_orphan: {
    help: ["Deletes data that no object refers to. This can take a long time."],
    parameters: ["dry_run node [node [...]]", "dry_run: 0 or 1", NODES[1]],
    least: 1,
    most: Infinity,
    async run([dryRun = "", ...nodes], admin) {
      const isDry = flagArgument(dryRun);
      return await admin.order(Repair, { nids: await storages(nodes, admin), dryRun: isDry });
    },
  },
  flush_log: {
    help: ["Has all nodes write their logs to disk."],
    most: 0,
    async run(_args, admin) {
      await admin.flushLogs();
      return null;
    },
  },
};

/** The storages that are named; `all` names all that the admin knows. */
async function storages(args: readonly string[], admin: AdminSession): Promise<Nid[]> {
  if (args.length !== 1 || args[0] !== "all") return args.map(nodeArgument);
  const { nodes } = await admin.ask(AskNodeList, { nodeType: "STORAGE" });
  return nodes.map(({ nid }) => nid).filter((nid) => nid !== null);
}

async function checkReplicas(args: readonly string[], admin: AdminSession): Promise<null> {
  const sources = new Map<number, Nid | null>();
  const firstTid = args.findIndex((arg) => !arg.includes(":"));
  const pairs = firstTid < 0 ? args : args.slice(0, firstTid);
  const [minTid, maxTid, ...others] = firstTid < 0 ? [] : args.slice(firstTid).map(tidArgument);
  if (others.length > 0) throw new ConfigurationError("expected two tids at most");
  for (const pair of pairs) {
    const [partition = "", reference = "", ...rest] = pair.split(":");
    if (rest.length > 0) {
      throw new ConfigurationError(`expected [partition]:[reference], found ${pair}`);
    }
    const source = reference === "" ? null : nodeArgument(reference);
    if (partition !== "") sources.set(offsetArgument(partition), source);
    else if (sources.size > 0) {
      throw new ConfigurationError("expected the pair for all partitions before the others");
    } else {
      const table = { minOffset: 0, maxOffset: 0, nid: null };
      const { rows } = await admin.ask(AskPartitionList, table);
      for (const { offset } of rows) sources.set(offset, source);
    }
  }
  await admin.order(CheckReplicas, {
    sources,
    minTid: minTid ?? ZERO_TID,
    maxTid: maxTid ?? null,
  });
  return null;
}
