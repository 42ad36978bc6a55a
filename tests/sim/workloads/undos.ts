/**
 * Chains of undos: each worker has objects for itself, changes them, undoes its changes from the
 * last one back, and undoes undos. It knows what they must hold at any time.
 */

import { UndoError } from "../../../nodes/client/errors.ts";
import { hexId, type Oid, type Tid } from "../../../nodes/codec/ids.ts";
import type { RecordedClient } from "./recorded_client.ts";
import type { Recorder } from "./recorder.ts";
import type { Found, PhasedTransaction, StepTransaction } from "./step_transaction.ts";
import { anyStyle, type Place, someOf, type Workload } from "./workload.ts";
import { valueOf } from "./recorder.ts";

/** How many objects each worker has. */
const OBJECTS = 3;

type Contents = ReadonlyMap<Oid, Uint8Array | null>;

/** A transaction that can be undone: what its objects held before. */
interface Done {
  readonly tid: Tid;
  readonly before: Contents;
}

/** What a worker knows of its objects. */
interface Knowledge {
  /** What they hold, as far as it is known; null after a transaction of which nobody was told. */
  readonly contents: Contents | null;
  /** Changes that were not undone, the oldest first. */
  readonly changes: readonly Done[];
  /** The last transaction when that has undone something, which can be undone as well. */
  readonly lastUndo: Done | null;
}

/** The objects of one worker. */
class Chain implements Knowledge {
  contents: Contents | null = null;
  changes: readonly Done[] = [];
  lastUndo: Done | null = null;

  constructor(readonly oids: readonly Oid[]) {}

  /** Forgets what it knows. Returns that. */
  forget(): Knowledge {
    const { contents, changes, lastUndo } = this;
    this.contents = null;
    this.changes = [];
    this.lastUndo = null;
    return { contents, changes, lastUndo };
  }

  /** Knows again what it has forgotten. */
  remember({ contents, changes, lastUndo }: Knowledge): void {
    this.contents = contents;
    this.changes = changes;
    this.lastUndo = lastUndo;
  }
}

export class Undos implements Workload {
  readonly #chains: Chain[] = [];

  async prepare(client: RecordedClient, workers: number): Promise<void> {
    await client.run("transact", async (tx) => {
      while (this.#chains.length < workers) {
        const oids: Oid[] = [];
        while (oids.length < OBJECTS) oids.push(await tx.create(0));
        this.#chains.push(new Chain(oids));
      }
    });
  }

  async step(place: Place): Promise<void> {
    const { worker, random, client } = place;
    const chain = this.#chains[worker];
    if (chain === undefined) throw new Error(`worker ${worker} has no objects`);
    const change = chain.changes.at(-1);
    const undone = random.oneIn(3) ? chain.lastUndo : random.oneIn(2) ? change : null;
    if (undone === null || undone === undefined) return await makeChange(chain, place);
    // Nobody may live to hear of the end.
    const before = chain.forget();
    const outcome = await client.runInPhases(anyStyle(random), async (tx) => {
      const held = await look(tx, chain, before.contents);
      for (const oid of undone.before.keys()) {
        if (!held.has(oid)) held.set(oid, await tx.find(oid));
      }
      // The data of an undo are those of others: this tells whether it was committed.
      const mark = await tx.create("undo");
      await place.pause();
      await tx.undo(undone.tid, bases(held, undone.before));
      return { held, mark };
    });
    if (outcome.kind === "aborted") {
      if (mayFail(outcome.error, undone, client.recorder)) return;
      return chain.remember(before);
    }
    if (outcome.kind !== "committed" || outcome.tid === null) return;
    const { result: { held, mark }, tid } = outcome;
    const { lastUndo, changes } = before;
    // Whoever undoes this one undoes the creation of its mark, too.
    const done = {
      tid,
      before: new Map([...contentsOf(held, undone.before.keys()), [mark, null]]),
    };
    // The undo of an undo is the change again; otherwise it is one change less.
    if (undone === lastUndo) chain.changes = [...changes, done];
    else chain.changes = changes.slice(0, -1);
    chain.lastUndo = undone === lastUndo ? null : done;
    chain.contents = new Map([...before.contents ?? [], ...undone.before]);
  }

  async verify(tx: StepTransaction): Promise<void> {
    for (const { oids, contents } of this.#chains) {
      for (const oid of oids) {
        const value = await tx.read(oid);
        const data = contents?.get(oid);
        if (data === undefined) continue;
        const expected = data === null ? null : valueOf(data);
        if (value !== expected) throw differs(oid);
      }
    }
  }
}

async function makeChange(chain: Chain, { client, random, pause }: Place): Promise<void> {
  const changed = someOf(chain.oids, 1 + random.below(2), random);
  const before = chain.forget();
  const { contents, changes } = before;
  const stored = new Map<Oid, Uint8Array | null>();
  const outcome = await client.runInPhases(anyStyle(random), async (tx) => {
    const held = await look(tx, chain, contents);
    for (const oid of changed) {
      stored.set(oid, await tx.store(oid, random.below(1000)));
      await pause();
    }
    return held;
  });
  if (outcome.kind === "aborted") return chain.remember(before);
  if (outcome.kind !== "committed" || outcome.tid === null) return;
  const { result: held, tid } = outcome;
  chain.changes = [...changes, { tid, before: contentsOf(held, changed) }];
  // What else was read may be changed by an earlier transaction of which nobody was told.
  chain.contents = new Map([...contents ?? [], ...stored]);
}

/** Reads all objects of a worker. Throws when they do not hold what they have to. */
async function look(
  tx: PhasedTransaction,
  { oids }: Chain,
  expected: Contents | null,
): Promise<Map<Oid, Found>> {
  const held = new Map<Oid, Found>();
  for (const oid of oids) {
    const found = await tx.find(oid);
    held.set(oid, found);
    const data = expected?.get(oid);
    if (data !== undefined && String(data) !== String(found.data)) throw differs(oid);
  }
  return held;
}

function contentsOf(held: ReadonlyMap<Oid, Found>, oids: Iterable<Oid>): Contents {
  return new Map([...oids].map((oid) => [oid, held.get(oid)?.data ?? null]));
}

/** The revisions that an undo follows, with the data that it brings back. */
function bases(held: ReadonlyMap<Oid, Found>, before: Contents): ReadonlyMap<Oid, Found> {
  return new Map([...before].map(([oid, data]) => {
    const found = held.get(oid);
    if (found === undefined) throw new Error(`${hexId(oid)} was not looked at`);
    return [oid, { serial: found.serial, data }];
  }));
}

/**
 * Whether an undo was refused for good: only what was packed can't be undone, since nobody else
 * changes these objects.
 */
function mayFail(error: unknown, { tid }: Done, { packTid }: Recorder): boolean {
  if (!(error instanceof UndoError)) return false;
  if (tid <= packTid) return true;
  throw new Error(`expected ${hexId(tid)} to be undone: ${error.message}`, { cause: error });
}

function differs(oid: Oid): Error {
  return new Error(`expected ${hexId(oid)} to hold what its only user has left there`);
}
