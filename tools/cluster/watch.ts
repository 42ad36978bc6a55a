/** Watches a cluster through its admin node: what it has come to, until everything can be read. */

import { AskClusterState, AskPartitionList } from "../../gen/packets.ts";
import { isReadable } from "../../nodes/cluster/partition_table.ts";
import { NeoError } from "../../nodes/errors.ts";
import type { Address, ClientHost } from "../../nodes/host/host.ts";
import { AdminSession } from "../ctl/admin_session.ts";

const INTERVAL_MS = 200;

/**
 * How far a cluster in the clear has come: `absent` while its admin knows of no primary master,
 * `running` once clients are served and no cell lacks anything, `waiting` in between.
 */
export type Stage = "absent" | "waiting" | "running";

/** Resolves once a cluster has come to a stage, or beyond it. Rejects when the signal is aborted. */
export async function untilStage(
  wanted: "waiting" | "running",
  { host, admin, signal }: {
    readonly host: ClientHost;
    readonly admin: Address;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for (;;) {
    const stage = await look(host, admin);
    signal.throwIfAborted();
    if (stage === "running" || stage === wanted) return;
    await new Promise<void>((resolve) => host.setTimer(INTERVAL_MS, resolve));
  }
}

async function look(host: ClientHost, admin: Address): Promise<Stage> {
  const session = new AdminSession({ host, network: host.network(null), admin });
  try {
    const { state } = await session.ask(AskClusterState, {});
    if (state !== "RUNNING") return "waiting";
    const { rows } = await session.ask(AskPartitionList, {
      ...{ minOffset: 0, maxOffset: 0, nid: null },
    });
    const isWhole = rows.every(({ cells }) => cells.every(({ state }) => isReadable(state)));
    return isWhole ? "running" : "waiting";
  } catch (error) {
    // It is not there yet, or in the middle of an election.
    if (error instanceof NeoError) return "absent";
    throw error;
  } finally {
    session.close();
  }
}
