/** What the scenes of regressions have in common: small clusters, and something in them. */

import type { Client } from "../../../nodes/client/client.ts";
import type { Oid } from "../../../nodes/codec/ids.ts";
import { SimulatedCluster, type SimulatedClusterOptions } from "../cluster.ts";

/** The smallest cluster there is. */
export const SINGLE = { seed: 1, storages: 1, partitions: 1, replicas: 0 } as const;

/** Plays a scene with a cluster and one client, and ends both in order. */
export async function withClient(
  options: SimulatedClusterOptions,
  play: (cluster: SimulatedCluster, client: Client) => Promise<void>,
): Promise<void> {
  const cluster = await SimulatedCluster.start(options);
  const client = await cluster.client("client1");
  await play(cluster, client);
  await client.close();
  await cluster.stop();
}

/** Stores something in each partition. Returns the objects. */
export async function fill(client: Client, partitions: number): Promise<Oid[]> {
  return await client.transact(async (tx) => {
    const oids: Oid[] = [];
    while (oids.length < partitions) oids.push(await tx.create(new Uint8Array([oids.length])));
    return oids;
  });
}
