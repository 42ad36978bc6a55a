/**
 * A second cluster that is a backup of the first one: its nodes fail as well while it follows, and
 * in the end it has everything, byte for byte, also when it is a backup no more.
 */

import { AskLastTransaction, AskRecovery, SetClusterState } from "../../../gen/packets.ts";
import { hexId, type Nid, type Tid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import { SimulatedCluster } from "../cluster.ts";
import { auditAcknowledged, list } from "./audit.ts";
import { assertEndedWithReason } from "./defects.ts";
import { recover } from "./operator.ts";
import { assertAtRest } from "./rest.ts";
import type { Run } from "./run.ts";

/** Virtual time in which a backup must have got everything, once its own nodes are whole. */
export const CATCH_UP_LIMIT_MS = 60_000;

/** What a backup is like: it need not be like its original. */
const LIKENESS = { storages: 2, replicas: 1 } as const;

export class Backup {
  readonly cluster: SimulatedCluster;

  private constructor(cluster: SimulatedCluster) {
    this.cluster = cluster;
  }

  /** Starts a cluster, and lets it follow another one. */
  static async start(upstream: SimulatedCluster, partitions: number): Promise<Backup> {
    const options = { seed: 0, masters: 2, partitions, ...LIKENESS };
    const cluster = await SimulatedCluster.start({ ...options, upstream });
    await cluster.world.run(cluster.ask(SetClusterState, { state: "STARTING_BACKUP" }));
    await cluster.untilState("BACKINGUP");
    return new Backup(cluster);
  }

  /** Checks all that must hold of a backup once faults are over. */
  async check(run: Run): Promise<void> {
    const { world } = this.cluster;
    const hasDropped = run.hasHappened("backup: drop storage");
    const hasNewcomers = hasDropped || run.hasHappened("backup: add storage");
    const knowledge = { gone: new Set<Nid>(), hasDropped, hasNewcomers };
    const recoveryMs = await world.run(recover(this.cluster, knowledge));
    run.count("backupMs", recoveryMs);
    const last = await world.run(run.cluster.ask(AskLastTransaction, {}));
    await world.run(this.cluster.comeTo(
      () => this.#has(last?.tid ?? ZERO_TID),
      CATCH_UP_LIMIT_MS,
    ));
    await this.#audit(run, { name: "backup-reader", last: last?.tid ?? ZERO_TID });
    await world.run(this.cluster.ask(SetClusterState, { state: "STOPPING_BACKUP" }));
    await this.cluster.untilState("RUNNING");
    await this.#audit(run, { name: "backup-client", last: ZERO_TID });
    assertEndedWithReason(this.cluster.ends, (kind) => run.hasHappened(`backup: ${kind}`));
    const { options, recorder } = run;
    await assertAtRest(this.cluster, { ...options, ...LIKENESS }, recorder);
  }

  /** Whether it has everything up to a transaction. */
  async #has(tid: Tid): Promise<boolean> {
    const state = await this.cluster.state();
    // It may have been told to be none any more, and been lost before it was told to be one again.
    if (state === "RUNNING") await this.cluster.ask(SetClusterState, { state: "STARTING_BACKUP" });
    if (state !== "BACKINGUP") return false;
    const recovery = await this.cluster.ask(AskRecovery, {});
    return recovery !== undefined && (recovery.backupTid ?? ZERO_TID) >= tid;
  }

  /** Looks for everything that was acknowledged upstream, and for what is nowhere else. */
  async #audit(
    { recorder }: Run,
    { name, last }: { readonly name: string; readonly last: Tid },
  ): Promise<void> {
    const { world } = this.cluster;
    const client = await this.cluster.client(name);
    const acknowledged = [...recorder.acknowledged];
    // One copy may have everything before the others, and clients see what all have.
    await world.run(this.cluster.comeTo(async () => {
      await client.sync();
      return client.lastTid >= last;
    }, CATCH_UP_LIMIT_MS));
    await world.run(auditAcknowledged({ client, recorder }, acknowledged));
    const seen = await world.run(
      list({ client, recorder }, (oid, tid, data) => recorder.found(oid, tid, data)),
    );
    for (const { tid } of acknowledged) {
      if (seen?.has(tid) !== true) throw new Error(`the backup does not list ${hexId(tid)}`);
    }
    await client.close();
  }
}
