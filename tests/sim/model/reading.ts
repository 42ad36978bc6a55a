/** Commands that look at the database: now, in the past, and at who changed it. */

import assert from "node:assert/strict";
import type { Client } from "../../../nodes/client/client.ts";
import {
  CreationUndoneError,
  DoesNotExistError,
  NotFoundError,
} from "../../../nodes/client/errors.ts";
import { MIN_COMPRESS_BYTES } from "../../../nodes/client/limits.ts";
import type { TransactionInformation } from "../../../nodes/client/history.ts";
import { type Oid, type Tid, tid as asTid } from "../../../nodes/codec/ids.ts";
import { bytesOf, Command, textOf } from "./command.ts";
import type { Model, Scene } from "./scene.ts";
import type { ModelTransaction, Version } from "./store.ts";

/** What a client found: a revision, a deletion, or nothing. */
type Found =
  | { readonly tid: Tid; readonly data: string | null; readonly next: Tid | null }
  | "nothing"
  | "no object";

async function find(
  load: Promise<{ data: Uint8Array; serial: Tid; nextSerial: Tid | null } | null>,
): Promise<Found> {
  try {
    const found = await load;
    if (found === null) return "nothing";
    return { tid: found.serial, data: textOf(found.data), next: found.nextSerial };
  } catch (error) {
    if (error instanceof CreationUndoneError) return { tid: error.serial, data: null, next: null };
    if (error instanceof DoesNotExistError) return "no object";
    if (error instanceof NotFoundError) return "nothing";
    throw error;
  }
}

/** Looks at an object through one client. */
abstract class Look extends Command {
  constructor(readonly client: number, readonly object: number) {
    super();
  }

  check(model: Model): boolean {
    return model.object(this.object) !== undefined;
  }

  override async go(model: Model, scene: Scene): Promise<void> {
    const oid = model.object(this.object);
    assert.ok(oid !== undefined);
    const client = scene.client(this.client);
    const expected = this.expected(model, oid, client.lastTid);
    const found = await scene.run(find(this.load(model, client, oid)));
    if (typeof found !== "string" && isPacked(model, oid, found)) {
      return model.count("cached reads");
    }
    if (expected === undefined) {
      const exists = model.store.versions(oid).length > 0;
      assert.equal(found, exists ? "nothing" : "no object");
      return model.count("reads of nothing");
    }
    assert.ok(typeof found !== "string", `found ${found}, not ${expected.tid}`);
    assert.deepEqual([found.tid, found.data], [expected.tid, expected.data]);
    const next = model.store.next(oid, expected)?.tid ?? null;
    // A client need not know yet what follows.
    if (found.next !== null || (next !== null && found.data !== null && next <= client.lastTid)) {
      assert.equal(found.next, next);
    }
    model.count("reads");
  }

  abstract expected(model: Model, oid: Oid, lastTid: Tid): Version | undefined;
  abstract load(model: Model, client: Client, oid: Oid): ReturnType<Client["loadBefore"]>;
}

/** Whether a cache still had what was packed. */
function isPacked({ store }: Model, oid: Oid, found: { tid: Tid; data: string | null }): boolean {
  return store.packed(oid).some(({ tid, data }) => tid === found.tid && data === found.data);
}

export class Load extends Look {
  expected(model: Model, oid: Oid, lastTid: Tid): Version | undefined {
    return model.seen(oid, lastTid);
  }

  load(_model: Model, client: Client, oid: Oid): Promise<Awaited<ReturnType<Client["load"]>>> {
    return client.load(oid);
  }
}

export class LoadBefore extends Look {
  constructor(
    client: number,
    object: number,
    readonly number: number,
    readonly isAfter: boolean,
  ) {
    super(client, object);
  }

  /** Right before, or right after, one of the transactions. */
  #before(model: Model): Tid {
    const tid = model.tid(this.number);
    assert.ok(tid !== undefined);
    return this.isAfter ? asTid(tid + 1n) : tid;
  }

  expected(model: Model, oid: Oid): Version | undefined {
    return model.store.before(oid, this.#before(model));
  }

  load(model: Model, client: Client, oid: Oid) {
    return client.loadBefore(oid, this.#before(model));
  }
}

export class LoadSerial extends Look {
  constructor(client: number, object: number, readonly number: number) {
    super(client, object);
  }

  #serial(model: Model): Tid {
    const tid = model.tid(this.number);
    assert.ok(tid !== undefined);
    return tid;
  }

  expected(model: Model, oid: Oid): Version | undefined {
    return model.store.at(oid, this.#serial(model));
  }

  load(model: Model, client: Client, oid: Oid) {
    return client.loadSerial(oid, this.#serial(model));
  }
}

/** Revisions of an object, a page of them. */
export class History extends Command {
  constructor(
    readonly client: number,
    readonly object: number,
    readonly first: number,
    readonly count: number,
  ) {
    super();
  }

  check(model: Model): boolean {
    return model.object(this.object) !== undefined;
  }

  override async go(model: Model, scene: Scene): Promise<void> {
    const oid = model.object(this.object);
    assert.ok(oid !== undefined);
    const { store } = model;
    const [first, last] = [this.first, this.first + this.count];
    const history = scene.client(this.client).history(oid, { first, last });
    const listed = store.versions(oid).filter(({ tid }) => tid >= store.packTid).reverse();
    const expected = listed.slice(first, last);
    if (expected.length === 0) {
      await assert.rejects(scene.run(history), NotFoundError);
      return;
    }
    const found = await scene.run(history);
    assert.deepEqual(found.map(({ tid }) => tid), expected.map(({ tid }) => tid));
    for (const [at, { data }] of expected.entries()) {
      const size = data === null ? 0 : bytesOf(data).length;
      // What is bigger may be compressed.
      if (size < MIN_COMPRESS_BYTES) assert.equal(found[at]?.size, size);
      else assert.ok((found[at]?.size ?? 0) > 0);
    }
    for (const entry of found) assertIs(entry, store.transactions);
    model.count("histories");
  }
}

function assertIs(
  { tid, description, oids }: TransactionInformation,
  transactions: readonly ModelTransaction[],
): void {
  const expected = transactions.find((transaction) => transaction.tid === tid);
  assert.ok(expected, `nobody committed ${tid}`);
  assert.equal(textOf(description), expected.description);
  assert.deepEqual(new Set(oids), new Set(expected.oids));
}

/** The latest transactions, a page of them. */
export class UndoLog extends Command {
  constructor(readonly client: number, readonly first: number, readonly count: number) {
    super();
  }

  check(): boolean {
    return true;
  }

  override async go({ store: { transactions } }: Model, scene: Scene): Promise<void> {
    const { first, count } = this;
    const page = { first, last: first + count };
    const found = await scene.run(scene.client(this.client).undoLog(page));
    const expected = [...transactions].reverse().slice(first, first + count);
    assert.deepEqual(found.map(({ tid }) => tid), expected.map(({ tid }) => tid));
    for (const entry of found) assertIs(entry, transactions);
  }
}

/** All transactions, and what each of them has stored. */
export class Iterate extends Command {
  constructor(readonly client: number) {
    super();
  }

  check(): boolean {
    return true;
  }

  override async go(model: Model, scene: Scene): Promise<void> {
    const client = scene.client(this.client);
    await scene.run(this.#iterate(model, client));
    model.count("iterations");
  }

  async #iterate({ store }: Model, client: Client): Promise<void> {
    await client.sync();
    const found: Tid[] = [];
    for await (const transaction of client.transactions()) {
      const { tid, oids } = transaction;
      found.push(tid);
      assertIs(transaction, store.transactions);
      const records = new Map<Oid, [string | null, Tid | null]>();
      for await (const { oid, data, dataSerial } of client.records(transaction)) {
        records.set(oid, [data === null ? null : textOf(data), dataSerial]);
      }
      const expected = oids.flatMap((oid): [Oid, [string | null, Tid | null]][] => {
        const version = store.at(oid, tid);
        return version === undefined ? [] : [[oid, [version.data, version.source?.tid ?? null]]];
      });
      assert.deepEqual(records, new Map(expected));
    }
    assert.deepEqual(found, store.transactions.map(({ tid }) => tid));
  }
}
