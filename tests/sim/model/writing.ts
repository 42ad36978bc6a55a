/** Commands that change the database, and the ends of transactions. */

import assert from "node:assert/strict";
import {
  ConflictError,
  ReadConflictError,
  TransientError,
  UndoError,
} from "../../../nodes/client/errors.ts";
import { type Oid, type Tid, ZERO_TID } from "../../../nodes/codec/ids.ts";
import { NeoError } from "../../../nodes/errors.ts";
import { bytesOf, Command } from "./command.ts";
import { CLIENTS, type Model, type OpenTransaction, type Scene } from "./scene.ts";
import type { Undoing } from "./store.ts";

/** A command within a transaction: that of a slot, or a new one. */
abstract class InTransaction extends Command {
  constructor(readonly slot: number) {
    super();
  }

  check(model: Model): boolean {
    const open = model.open.get(this.slot) ?? this.#begun(model);
    return open.fate === "sound" && this.isPossible(model, open);
  }

  override async go(model: Model, scene: Scene): Promise<void> {
    let open = model.open.get(this.slot);
    if (open === undefined) {
      open = this.#begun(model);
      const { client, description } = open;
      const begun = scene.run(scene.client(client).begin({ description }));
      scene.transactions.set(this.slot, await begun);
      model.open.set(this.slot, open);
    }
    await this.goOn(model, scene, open);
  }

  #begun({ counts }: Model): OpenTransaction {
    return {
      client: this.slot % CLIENTS,
      description: `after ${counts.get("commands")} commands`,
      writes: new Map(),
      checks: new Set(),
      touched: new Set(),
      fate: "sound",
    };
  }

  abstract isPossible(model: Model, open: OpenTransaction): boolean;
  abstract goOn(model: Model, scene: Scene, open: OpenTransaction): Promise<void>;
}

export class Create extends InTransaction {
  constructor(slot: number, readonly text: string) {
    super(slot);
  }

  isPossible(): boolean {
    return true;
  }

  async goOn(_model: Model, scene: Scene, open: OpenTransaction): Promise<void> {
    const { text } = this;
    const oid = await scene.run(scene.client(open.client).newOid());
    await scene.run(scene.transaction(this.slot).store(oid, { data: bytesOf(text) }));
    open.writes.set(oid, { data: text, source: null });
    open.touched.add(oid);
  }
}

/** A write of, or a check of, an object that was committed before. */
abstract class OnObject extends InTransaction {
  constructor(slot: number, readonly object: number, readonly isStale: boolean) {
    super(slot);
  }

  isPossible(model: Model, open: OpenTransaction): boolean {
    const oid = model.object(this.object);
    if (oid === undefined || model.isTouched(oid, this.slot)) return false;
    // Whoever has stored it already would know better.
    if (this.isStale && (open.writes.has(oid) || open.checks.has(oid))) return false;
    return this.baseOf(model, oid) !== undefined && this.isPossibleFor(oid, open);
  }

  /** The revision that the command claims to be based on. */
  baseOf({ store }: Model, oid: Oid): Tid | undefined {
    const versions = store.versions(oid);
    if (!this.isStale) return versions.at(-1)?.tid;
    // Where it was packed, nothing is in the way of anything.
    return versions.length === 0 ? undefined : versions.at(-2)?.tid ?? ZERO_TID;
  }

  async goOn(model: Model, scene: Scene, open: OpenTransaction): Promise<void> {
    const oid = model.object(this.object);
    assert.ok(oid !== undefined);
    const base = this.baseOf(model, oid);
    assert.ok(base !== undefined);
    open.touched.add(oid);
    if (this.isStale) open.fate = "conflict";
    try {
      await scene.run(this.send(scene, oid, base));
    } catch (error) {
      // The answer to an earlier write of the transaction may come any time.
      if (open.fate !== "conflict" || !(error instanceof ConflictError)) throw error;
    }
    if (open.fate === "sound") this.apply(open, oid);
  }

  abstract isPossibleFor(oid: Oid, open: OpenTransaction): boolean;
  abstract send(scene: Scene, oid: Oid, base: Tid): Promise<void>;
  abstract apply(open: OpenTransaction, oid: Oid): void;
}

export class Store extends OnObject {
  constructor(slot: number, object: number, isStale: boolean, readonly text: string) {
    super(slot, object, isStale);
  }

  isPossibleFor(oid: Oid, { writes }: OpenTransaction): boolean {
    return (writes.get(oid)?.source ?? null) === null;
  }

  send(scene: Scene, oid: Oid, serial: Tid): Promise<void> {
    return scene.transaction(this.slot).store(oid, { data: bytesOf(this.text), serial });
  }

  apply({ writes, checks }: OpenTransaction, oid: Oid): void {
    writes.set(oid, { data: this.text, source: null });
    checks.delete(oid);
  }
}

export class Delete extends OnObject {
  isPossibleFor(oid: Oid, { writes }: OpenTransaction): boolean {
    return (writes.get(oid)?.source ?? null) === null;
  }

  send(scene: Scene, oid: Oid, serial: Tid): Promise<void> {
    return scene.transaction(this.slot).delete(oid, serial);
  }

  apply({ writes, checks }: OpenTransaction, oid: Oid): void {
    writes.set(oid, { data: null, source: null });
    checks.delete(oid);
  }
}

export class Check extends OnObject {
  isPossibleFor(oid: Oid, { writes, checks }: OpenTransaction): boolean {
    return !writes.has(oid) && !checks.has(oid);
  }

  send(scene: Scene, oid: Oid, serial: Tid): Promise<void> {
    return scene.transaction(this.slot).checkCurrentSerial(oid, serial);
  }

  apply({ checks }: OpenTransaction, oid: Oid): void {
    checks.add(oid);
  }
}

export class Undo extends InTransaction {
  constructor(slot: number, readonly number: number) {
    super(slot);
  }

  isPossible(model: Model): boolean {
    const undone = this.#undone(model);
    return undone !== undefined && undone.oids.every((oid) => !model.isTouched(oid, this.slot));
  }

  #undone({ store: { transactions } }: Model) {
    return transactions[this.number % transactions.length];
  }

  async goOn(model: Model, scene: Scene, open: OpenTransaction): Promise<void> {
    const undone = this.#undone(model);
    assert.ok(undone);
    const { tid, oids } = undone;
    const undoings = oids.map((oid): [Oid, Undoing] => [
      oid,
      model.store.undoing(oid, tid, open.writes.get(oid)),
    ]);
    // Undoing looks for what this client sees.
    await scene.run(scene.client(open.client).sync());
    const undoing = scene.run(scene.transaction(this.slot).undo(tid));
    if (undoings.some(([, undoing]) => undoing === "impossible")) {
      // The transaction is as it was before.
      await assert.rejects(undoing, UndoError);
      return model.count("undo errors");
    }
    for (const oid of oids) open.touched.add(oid);
    const concerned = undoings.flatMap(([oid, undoing]) => undoing === null ? [] : [oid]);
    assert.deepEqual(new Set(await undoing), new Set(concerned));
    for (const [oid, undoing] of undoings) {
      if (undoing === null || undoing === "impossible") continue;
      open.writes.set(oid, undoing.write);
      open.checks.delete(oid);
    }
    model.count("undos");
  }
}

export class Finish extends Command {
  constructor(readonly slot: number) {
    super();
  }

  check({ open }: Model): boolean {
    return open.has(this.slot);
  }

  override async go(model: Model, scene: Scene): Promise<void> {
    const { slot } = this;
    const open = model.open.get(slot);
    assert.ok(open);
    const transaction = scene.transaction(slot);
    model.open.delete(slot);
    scene.transactions.delete(slot);
    try {
      const tid = await scene.run(transaction.finish());
      assert.ok(open.fate === "sound" || open.fate === "uncertain", open.fate);
      assert.ok(scene.client(open.client).lastTid >= tid);
      model.known[open.client] = tid;
      model.store.commit(tid, open);
      model.count("commits");
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      model.count(expectedFailure(open, error));
    } finally {
      transaction.abort();
    }
  }
}

/** What a failure is, in short. Throws it when it should not have happened. */
function expectedFailure({ fate }: OpenTransaction, error: NeoError): string {
  if (fate === "conflict" && error instanceof ReadConflictError) return "read conflicts";
  if (fate === "conflict" && error instanceof ConflictError) return "conflicts";
  const isLost = fate === "uncertain" || fate === "lost";
  if (isLost && error instanceof TransientError) return "lost transactions";
  throw error;
}

export class Abort extends Command {
  constructor(readonly slot: number) {
    super();
  }

  check({ open }: Model): boolean {
    return open.has(this.slot);
  }

  override go({ open }: Model, scene: Scene): Promise<void> {
    scene.transaction(this.slot).abort();
    scene.transactions.delete(this.slot);
    open.delete(this.slot);
    return Promise.resolve();
  }
}
