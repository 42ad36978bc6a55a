/**
 * What clients of a simulated cluster do: they move money between accounts. However transactions
 * meet, fail and are run again, the sum stays what it was, and what was acknowledged is there.
 */

import assert from "node:assert/strict";
import type { Client } from "../../nodes/client/client.ts";
import { TransientError, UnknownOutcomeError } from "../../nodes/client/errors.ts";
import { type Oid, type Tid, tid } from "../../nodes/codec/ids.ts";
import type { Random } from "./random.ts";
import type { SimulatedWorld } from "./world.ts";

const START_BALANCE = 1000;
/** How long a customer thinks at most between two transfers. */
const MAX_PAUSE_MS = 50;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A transfer that was acknowledged. */
export interface Transfer {
  readonly tid: Tid;
  readonly from: Oid;
  readonly to: Oid;
}

export class Bank {
  readonly transfers: Transfer[] = [];
  readonly #world: SimulatedWorld;
  readonly #accounts: readonly Oid[];

  private constructor(world: SimulatedWorld, accounts: readonly Oid[]) {
    this.#world = world;
    this.#accounts = accounts;
  }

  /** Opens accounts, all in one transaction. */
  static async found(world: SimulatedWorld, client: Client, accounts: number): Promise<Bank> {
    const oids = await world.run(client.transact(async (tx) => {
      const created: Oid[] = [];
      for (let account = 0; account < accounts; account++) {
        created.push(await tx.create(encoder.encode(String(START_BALANCE))));
      }
      return created;
    }));
    return new Bank(world, oids ?? []);
  }

  /** Makes transfers one after the other; resolves when all were made or given up. */
  async work(client: Client, transfers: number): Promise<void> {
    // It must have heard that the accounts were opened.
    await client.sync();
    for (let transfer = 0; transfer < transfers; transfer++) {
      await this.#pause();
      await this.#transfer(client);
    }
  }

  #pause(): Promise<void> {
    const { clock, random } = this.#world;
    const endMs = clock.nowMs + random.between(0, MAX_PAUSE_MS);
    return new Promise((resolve) => clock.at(endMs, resolve));
  }

  async #transfer(client: Client): Promise<void> {
    const { random } = this.#world;
    const from = pick(this.#accounts, random);
    const to = pick(this.#accounts, random);
    if (from === to) return;
    const amount = 1 + random.below(10);
    const committed = (id: Tid) => void this.transfers.push({ tid: id, from, to });
    try {
      await client.transact(async (tx) => {
        const [source, target] = [await tx.load(from), await tx.load(to)];
        tx.store(from, encoder.encode(String(Number(decoder.decode(source.data)) - amount)));
        tx.store(to, encoder.encode(String(Number(decoder.decode(target.data)) + amount)));
      }, { committed });
    } catch (error) {
      // After many attempts a customer gives up.
      if (!(error instanceof TransientError || error instanceof UnknownOutcomeError)) throw error;
      this.#world.record("bank", `${error.name}: ${error.message}`);
    }
  }

  /** Checks the accounts as a client sees them, now and after each transfer. */
  async check(client: Client): Promise<void> {
    const expected = this.#accounts.length * START_BALANCE;
    const transfers = [...this.transfers].sort((a, b) => a.tid < b.tid ? -1 : 1);
    for (const { tid: id } of transfers) {
      assert.equal(await this.#sumBefore(client, tid(id + 1n)), expected, `after ${id}`);
      const { oids } = await client.transaction(id);
      assert.equal(oids.length, 2);
    }
    await this.checkNow(client);
    const all = new Set<Tid>();
    for await (const transaction of client.transactions()) all.add(transaction.tid);
    for (const { tid: id } of transfers) assert.ok(all.has(id), `${id} was acknowledged and lost`);
  }

  /** Checks the accounts as a client sees them now. */
  async checkNow(client: Client): Promise<void> {
    await client.sync();
    const expected = this.#accounts.length * START_BALANCE;
    assert.equal(await this.#sumBefore(client, tid(client.lastTid + 1n)), expected);
  }

  async #sumBefore(client: Client, before: Tid): Promise<number> {
    let sum = 0;
    for (const account of this.#accounts) {
      const revision = await client.loadBefore(account, before);
      assert.ok(revision, `account ${account}`);
      sum += Number(decoder.decode(revision.data));
    }
    return sum;
  }
}

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}
