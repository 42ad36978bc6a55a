/** A storage whose cells are outdated, and the storages that it completes them from. */

import assert from "node:assert/strict";
import type { CellState, Codecs } from "../../gen/packets.ts";
import type { Nid } from "../../nodes/codec/ids.ts";
import type { PacketType } from "../../nodes/codec/packet.ts";
import { type Asked, type PeerLink, StoragePeer } from "./storage_peer.ts";
import { Inbox, S2, Stage, t } from "./support.ts";

export interface SceneOptions {
  readonly partitions?: number;
  readonly maxTid?: number;
  readonly ttids?: readonly number[];
  readonly sources?: readonly Nid[];
}

/** Runs a test on a storage all of whose cells are outdated, and others that have them. */
export async function withScene(
  { partitions = 1, maxTid = 100, ttids = [], sources = [S2] }: SceneOptions,
  test: (stage: Stage, first: StoragePeer) => Promise<void>,
): Promise<void> {
  await using stage = await Stage.identified({ partitions });
  const peers: StoragePeer[] = [];
  const links = new Inbox<PeerLink>();
  try {
    for (const nid of sources) {
      peers.push(await StoragePeer.listen(stage.host, nid, { partitions, links }));
    }
    stage.tellNodes(...peers.map(({ information }) => information));
    stage.unfinished = { maxTid: t(maxTid), ttids: ttids.map(t) };
    begin(stage, sources);
    await stage.verify();
    await stage.operate();
    const [first] = peers;
    assert.ok(first !== undefined);
    await test(stage, first);
  } finally {
    for (const peer of peers) peer[Symbol.dispose]();
  }
}

/** Sends a table in which the storage's cells are outdated, and those of `sources` are not. */
export function begin(stage: Stage, sources: readonly Nid[]): void {
  const state: CellState = "UP_TO_DATE";
  stage.sendTable(
    stage.rows("OUT_OF_DATE").map(({ offset, cells }) => ({
      offset,
      cells: [...cells, ...sources.map((nid) => ({ nid, state }))],
    })),
  );
}

/** Sends something for a request. */
export function send<T>(
  asked: Asked<unknown, unknown>,
  type: PacketType<T, Codecs>,
  ...packets: readonly T[]
): void {
  for (const packet of packets) asked.connection.notifyAs(asked.id, type, packet);
}

/** Waits until the storage has asked what is pending, and gives what it says next. */
export async function next(stage: Stage) {
  const notice = await stage.notices.next();
  return notice.is === "unfinished" ? stage.notices.next() : notice;
}
