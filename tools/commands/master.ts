/** `neo master`: runs a master node, with neomaster's options. */

import { parseAddresses } from "../../nodes/cluster/addresses.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { type MasterOptions, startMaster } from "../../nodes/master/node.ts";
import { expandHome, readFile } from "../files.ts";
import { type CommandSpec, type OptionValues, parseCommandLine } from "../options.ts";
import { runNode } from "../run_node.ts";
import {
  type NodeCommand,
  nodeOptions,
  nodeOptionSpecs,
  type Resolve,
  resolveAddress,
} from "./common.ts";

/** The storages address partitions by 16 bits. */
const MAX_PARTITIONS = 32768;

/** The partition table has so many bits for it; what is sensible depends on the storages. */
const MAX_REPLICAS = 0xffff_ffff;

const SPEC: CommandSpec = {
  name: "neo master",
  description: "Runs a master node: it gives transactions their order, and nodes their place.",
  section: "master",
  options: [
    // Its own address is always one of the masters, so that there need not be another.
    ...nodeOptionSpecs({ section: "master", masters: undefined, bind: "127.0.0.1:10000" }),
    {
      flags: "-r, --replicas <count>",
      kind: "integer",
      help: "copies of each partition besides the first",
      default: "0",
    },
    {
      flags: "-p, --partitions <count>",
      kind: "integer",
      help: "partitions of a new database; they can't be changed later",
      default: "100",
    },
    {
      flags: "-A, --autostart <count>",
      kind: "integer",
      help: "create a new database once this many storages are there",
    },
    { flags: "-C, --upstream-cluster <name>", kind: "text", help: "cluster to back up" },
    {
      flags: "-M, --upstream-masters <addresses>",
      kind: "text",
      help: "masters of the cluster to back up",
    },
  ],
};

/** What a master node is started with. */
export const MASTER: NodeCommand = { spec: SPEC, options: masterOptions };

/** Runs the command. Returns the exit status. */
export async function runMaster(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  return await runNode(line.values, async (host) => {
    return startMaster(host, await masterOptions(line.values, (name) => host.resolve(name)));
  });
}

async function masterOptions(values: OptionValues, resolve: Resolve): Promise<MasterOptions> {
  const common = await nodeOptions(values, { bindPort: 0 }, resolve);
  const partitions = values.integer("partitions") ?? 0;
  const replicas = values.integer("replicas") ?? 0;
  if (replicas < 0) throw new ConfigurationError("replicas must be a positive integer");
  if (replicas > MAX_REPLICAS) {
    throw new ConfigurationError(`replicas must be at most ${MAX_REPLICAS}`);
  }
  const autostart = values.integer("autostart") ?? 0;
  if (autostart < 0) throw new ConfigurationError("autostart must be a positive integer");
  if (partitions <= 0) throw new ConfigurationError("partitions must be more than zero");
  if (partitions > MAX_PARTITIONS) {
    throw new ConfigurationError(`partitions must be at most ${MAX_PARTITIONS}`);
  }
  return {
    ...common,
    partitions,
    replicas,
    // As with NEO, 0 is never.
    autostart: autostart === 0 ? null : autostart,
    upstream: await upstream(values, common.cluster, resolve),
  };
}

async function upstream(
  values: OptionValues,
  ownCluster: string,
  resolve: Resolve,
): Promise<MasterOptions["upstream"]> {
  const cluster = values.text("upstream-cluster");
  const text = values.text("upstream-masters");
  if (cluster === undefined && text === undefined) return null;
  if (cluster === undefined || text === undefined) {
    throw new ConfigurationError("--upstream-cluster and --upstream-masters go together");
  }
  if (cluster === ownCluster) {
    throw new ConfigurationError("upstream cluster name must be different from cluster name");
  }
  const masters = parseAddresses(text, 0).map((address) => resolveAddress(address, resolve));
  return { cluster, masters: await Promise.all(masters) };
}
