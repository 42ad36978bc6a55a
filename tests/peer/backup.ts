/** Clusters of real processes of which one is a backup of another, of either kind. */

import { connect } from "../../mod.ts";
import { readIdentityFiles } from "../support/authority.ts";
import { Cluster, type ClusterOptions, type Maker } from "../support/cluster.ts";
import { real } from "./peer.ts";

const PARTITIONS = 6;
/** How long readers may have to wait until all replicas of a backup have all that it has. */
const SEEN_MS = 30_000;

/** A cluster that may be put together of nodes of both kinds. */
export type Members = Omit<ClusterOptions, "directory" | "ctl" | "name" | "operational">;

/** Starts a cluster that backups can be made of, in a directory of its own below `directory`. */
export async function startUpstream(directory: string, members: Members): Promise<Cluster> {
  await Deno.mkdir(`${directory}/up`);
  return await Cluster.start({
    partitions: PARTITIONS,
    ...members,
    ctl: real,
    directory: `${directory}/up`,
    name: "up",
  });
}

/** Starts a cluster and lets it follow another; resolves when it does. */
export async function startBackup(
  directory: string,
  upstream: Cluster,
  { name = "down", ...members }: Members & { readonly name?: string },
): Promise<Cluster> {
  await Deno.mkdir(`${directory}/${name}`);
  const backup = await Cluster.start({
    partitions: PARTITIONS,
    ...members,
    master: follower(members.master, upstream),
    spares: (members.spares ?? []).map((maker) => follower(maker, upstream)),
    ctl: real,
    directory: `${directory}/${name}`,
    name,
  });
  try {
    await backup.ctl("set", "cluster", "STARTING_BACKUP");
    await backup.waitForState("BACKINGUP");
    return backup;
  } catch (error) {
    await backup[Symbol.asyncDispose]();
    throw error;
  }
}

/** The maker of masters of a backup. */
function follower(maker: Maker, upstream: Cluster): Maker {
  const options = ["-C", upstream.name, "-M", upstream.masters];
  return {
    name: maker.name,
    command: (role) => [...maker.command(role), ...(role === "master" ? options : [])],
  };
}

function tid(text: string, name: string): bigint {
  const found = new RegExp(`${name} = 0x([0-9a-f]+)`).exec(text);
  return BigInt(`0x${found?.[1] ?? "0"}`);
}

/** Waits until a reader who comes to the backup sees all that the upstream cluster has. */
export async function isSeen(backup: Cluster, upstream: Cluster): Promise<void> {
  const last = tid((await upstream.ctl("print", "ids")).stdout, "last_tid");
  const url = `${backup.tls === null ? "neo" : "neos"}://${backup.name}@` +
    backup.masterAddresses.join(",");
  const identity = backup.tls === null ? {} : readIdentityFiles(backup.tls);
  for (const end = performance.now() + SEEN_MS; performance.now() < end;) {
    // NEO's masters tell a reader of nothing that comes later.
    await using reader = await connect(url, identity);
    if (reader.lastTid >= last) return;
  }
  throw new Error(`readers of the backup do not see ${last}\n${backup.tails()}`);
}

/** Waits until the backup has all that the upstream cluster has. */
export async function caughtUp(backup: Cluster, upstream: Cluster): Promise<void> {
  const last = tid((await upstream.ctl("print", "ids")).stdout, "last_tid");
  await backup.waitForCtl(["print", "ids"], (stdout) => tid(stdout, "backup_tid") >= last);
}
