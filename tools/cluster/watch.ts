/** Watches a cluster that is being started, until everything in it can be read. */

import { AskPartitionList } from "../../gen/packets.ts";
import { openClient } from "../../nodes/client/client.ts";
import { isReadable } from "../../nodes/cluster/partition_table.ts";
import { NeoError } from "../../nodes/errors.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import type { Address, ClientHost } from "../../nodes/host/host.ts";
import { AdminSession } from "../ctl/admin_session.ts";
import { stderrLog } from "../log.ts";

const INTERVAL_MS = 200;

/** A cluster in the clear. */
export interface Watched {
  readonly cluster: string;
  readonly masters: readonly Address[];
  readonly admin: Address;
}

/**
 * Resolves once a cluster serves clients and none of its cells lacks anything. Rejects when the
 * signal is aborted.
 */
export async function untilComplete(
  { cluster, masters, admin }: Watched,
  signal: AbortSignal,
): Promise<void> {
  const host = createClientHost({ log: stderrLog("CRITICAL") });
  // It waits for as long as it takes, and gives no node reason to complain.
  const tls = null;
  await using _ = await openClient(host, {
    ...{ cluster, masters, tls, signal, connectTimeoutMs: Infinity },
  });
  while (!await isComplete(host, admin)) {
    await new Promise<void>((resolve) => host.setTimer(INTERVAL_MS, resolve));
    signal.throwIfAborted();
  }
}

async function isComplete(host: ClientHost, admin: Address): Promise<boolean> {
  const session = new AdminSession({ host, network: host.network(null), admin });
  try {
    const all = { minOffset: 0, maxOffset: 0, nid: null };
    const { rows } = await session.ask(AskPartitionList, all);
    return rows.every(({ cells }) => cells.every(({ state }) => isReadable(state)));
  } catch (error) {
    // The admin does not know of the primary master yet.
    if (error instanceof NeoError) return false;
    throw error;
  } finally {
    session.close();
  }
}
