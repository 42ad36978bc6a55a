/** What happens to a cluster at the end of a run, when it has come back to its full strength. */

import { AskNodeList, Truncate } from "../../../gen/packets.ts";
import { hexId, type Tid } from "../../../nodes/codec/ids.ts";
import type { RecordedClient } from "../workloads/recorded_client.ts";
import { auditAcknowledged, list } from "./audit.ts";
import { pick } from "./faults/fault.ts";
import type { Run } from "./run.ts";

/** How often nodes crash at most while a database is truncated. */
const MAX_CRASHES = 3;
const CRASH_AFTER_MS = { low: 0, high: 400 } as const;
const AWAY_MS = { low: 5, high: 1500 } as const;

/**
 * As many storages as there are replicas lose their disks at once, while clients work. Everything
 * must still be there, without them at first, and then with others in their place.
 */
export async function loseDisks(run: Run): Promise<void> {
  const { cluster, random, options: { replicas } } = run;
  const { world } = cluster;
  // There is nothing to lose them from when there are fewer copies than were wanted.
  const count = Math.min(replicas, cluster.storageNames.length - 1);
  if (count === 0) return;
  const { nodes } = await world.run(cluster.ask(AskNodeList, { nodeType: "STORAGE" })) ??
    { nodes: [] };
  run.moreWork();
  await world.runFor(random.between(0, 50));
  // One that the master does not know at the moment has nothing.
  const nids = new Map(cluster.storageNames.flatMap((name) => {
    const { ip } = world.host(name);
    const nid = nodes.find(({ address }) => address?.host === ip)?.nid;
    return nid === undefined || nid === null ? [] : [[name, nid]];
  }));
  for (let left = Math.min(count, nids.size - 1); left > 0; left--) {
    const [name, nid] = pick([...nids], random);
    nids.delete(name);
    run.happens("lost disk", name);
    run.gone.add(nid);
    cluster.destroy(name);
  }
  await world.runFor(random.between(0, 2000));
  await run.audit();
  for (let left = count; left > 0; left--) cluster.addStorage();
  await run.recover();
  await run.audit();
}

/**
 * The database is truncated to any of its transactions, while nodes crash. Either it is, or it is
 * not; and when nothing goes wrong, it is.
 */
export async function truncate(run: Run): Promise<void> {
  const { cluster, random, recorder } = run;
  const { world } = cluster;
  const tid = pick(recorder.acknowledged, random).tid;
  // What was packed can't be had back.
  if (tid <= recorder.packTid) return;
  run.happens("truncate", hexId(tid));
  const ordered = cluster.ask(Truncate, { tid });
  const crashes = random.below(MAX_CRASHES + 1);
  await world.run(Promise.all([ordered, crash(run, crashes)]));
  await run.recover();
  const auditor = await run.opened();
  const isTruncated = await world.run(auditTruncated(auditor, tid)) ?? false;
  if (isTruncated) return;
  if (crashes === 0) throw new Error(`the database was not truncated to ${hexId(tid)}`);
  await world.run(cluster.ask(Truncate, { tid }));
  await run.recover();
  if (await world.run(auditTruncated(await run.opened(), tid)) !== true) {
    throw new Error(`the database was not truncated to ${hexId(tid)} without any fault`);
  }
}

async function crash({ cluster, random }: Run, count: number): Promise<void> {
  const { world } = cluster;
  for (let left = count; left > 0; left--) {
    await world.sleep(random.between(CRASH_AFTER_MS.low, CRASH_AFTER_MS.high));
    const name = pick([...cluster.masterNames, ...cluster.storageNames], random);
    cluster.crash(name);
    await world.sleep(random.between(AWAY_MS.low, AWAY_MS.high));
    await cluster.launch(name);
  }
}

/** Resolves with whether later transactions are gone. Rejects when only some are, or too many. */
async function auditTruncated(auditor: RecordedClient, tid: Tid): Promise<boolean> {
  const { client, recorder } = auditor;
  await client.sync();
  const early = recorder.acknowledged.filter((transaction) => transaction.tid <= tid);
  await auditAcknowledged(auditor, early);
  const late: Tid[] = [];
  const seen = await list(auditor, (oid, at) => {
    if (at > tid) late.push(at);
    // The current revision must be none that was forgotten.
    return oid;
  });
  const left = recorder.acknowledged.filter((transaction) =>
    transaction.tid > tid && seen.has(transaction.tid)
  );
  const all = recorder.acknowledged.filter((transaction) => transaction.tid > tid);
  if (all.length > 0 && left.length === all.length) return false;
  if (late.length === 0 && client.lastTid <= tid) return true;
  throw new Error(
    `truncated to ${hexId(tid)}, the database still has ${late.map(hexId)}, ` +
      `and its last transaction is ${hexId(client.lastTid)}`,
  );
}
