/** Clients that work while something happens to their cluster, and what they were told. */

import assert from "node:assert/strict";
import { type Client, type Oid, type Tid, TransientError } from "../../mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Clients that commit until they are told to stop, and remember what was acknowledged. */
export class Load {
  /** The number that was last stored in each counter. */
  readonly counters = new Map<Oid, number>();
  /** What was created, and by which transaction. */
  readonly created = new Map<Oid, string>();
  commits = 0;
  lastTid: Tid | null = null;
  #isOver = false;
  readonly #workers: Promise<void>[] = [];

  static async start(clients: readonly Client[]): Promise<Load> {
    const load = new Load();
    for (const [at, client] of clients.entries()) {
      const counter = await client.transact((tx) => tx.create(encoder.encode("0")));
      load.counters.set(counter, 0);
      load.#workers.push(load.#work(client, counter, at));
    }
    return load;
  }

  async #work(client: Client, counter: Oid, worker: number): Promise<void> {
    for (let number = 1; !this.#isOver; number++) {
      const text = `${worker}.${number} ${"x".repeat(number % 50 === 0 ? 50_000 : number % 200)}`;
      const created = await retried(() =>
        client.transact(async (tx) => {
          const current = Number(decoder.decode((await tx.load(counter)).data));
          assert.ok(current === number - 1 || current === number, "a commit was lost");
          await tx.store(counter, encoder.encode(String(number)));
          return await tx.create(encoder.encode(text));
        }, { committed: (tid) => this.lastTid = tid })
      );
      this.counters.set(counter, number);
      this.created.set(created, text);
      this.commits++;
    }
  }

  /** Resolves when so many more transactions are committed. */
  async more(commits: number): Promise<void> {
    const wanted = this.commits + commits;
    while (this.commits < wanted) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers);
  }
}

/** Does it again while the cluster is changing. */
async function retried<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
    }
  }
}

/** All that was acknowledged is there. */
export async function assertComplete(client: Client, load: Load): Promise<void> {
  await client.sync();
  for (const [oid, number] of load.counters) {
    assert.equal(decoder.decode((await client.load(oid)).data), String(number));
  }
  for (const [oid, text] of load.created) {
    assert.equal(decoder.decode((await client.load(oid)).data), text);
  }
}
