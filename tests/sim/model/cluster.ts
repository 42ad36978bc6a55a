/** Commands about the cluster as a whole. */

import assert from "node:assert/strict";
import { Command } from "./command.ts";
import type { Model, Scene } from "./scene.ts";

/** How long it may take until all have heard of a crash. */
const NEWS_MS = 500;

/** A client learns of all that was committed. */
export class Sync extends Command {
  constructor(readonly client: number) {
    super();
  }

  check(): boolean {
    return true;
  }

  override async go({ store }: Model, scene: Scene): Promise<void> {
    const client = scene.client(this.client);
    await scene.run(client.sync());
    assert.equal(client.lastTid, store.lastTid);
  }
}

/**
 * Revisions are forgotten that nobody needs who looks at one of the transactions, or later. Cells
 * that are not complete can't be packed, so they have to be before.
 */
export class Pack extends Command {
  constructor(readonly client: number, readonly number: number) {
    super();
  }

  check(model: Model): boolean {
    const canBeComplete = model.isComplete || model.open.size === 0;
    return canBeComplete && model.tid(this.number) !== undefined;
  }

  override async go(model: Model, scene: Scene): Promise<void> {
    const tid = model.tid(this.number);
    assert.ok(tid !== undefined);
    await scene.cluster.untilComplete();
    model.isComplete = true;
    await scene.run(scene.client(this.client).pack(tid));
    model.store.pack(tid, model.pending());
    model.count("packs");
  }
}

/** A node's machine is gone, and comes back. */
export class Crash extends Command {
  constructor(readonly node: "master" | "storage1" | "storage2") {
    super();
  }

  check(): boolean {
    return true;
  }

  override async go(model: Model, { cluster }: Scene): Promise<void> {
    cluster.crash(this.node);
    if (this.node === "master") await cluster.startMaster();
    else await cluster.startStorage(this.node === "storage1" ? 1 : 2);
    await cluster.world.runFor(NEWS_MS);
    await cluster.untilState("RUNNING");
    model.isComplete = false;
    for (const open of model.open.values()) {
      open.fate = open.fate === "sound" || open.fate === "uncertain" ? "uncertain" : "lost";
    }
    model.count("crashes");
  }
}
