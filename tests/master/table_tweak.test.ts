/** What a tweak must keep, whatever happened to the table before. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { CellChange } from "../../gen/packets.ts";
import type { Nid } from "../../nodes/codec/ids.ts";
import { isReadable, PartitionTable } from "../../nodes/cluster/partition_table.ts";
import { MasterTable } from "../../nodes/master/table/master_table.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { S, table, texts } from "./tables.ts";

const NODES = 7;

const Event = fc.oneof(
  fc.record({
    kind: fc.constant("tweak" as const),
    excluded: fc.uniqueArray(fc.integer({ min: 1, max: NODES }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant("complete" as const), every: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    kind: fc.constantFrom("lose" as const, "start" as const, "drop" as const),
    node: fc.integer({ min: 1, max: NODES }),
  }),
);

const History = fc.record({
  partitions: fc.integer({ min: 1, max: 14 }),
  replicas: fc.integer({ min: 0, max: 3 }),
  first: fc.integer({ min: 1, max: NODES }),
  /** In which of the rooms each node is; 0 for no place at all. */
  rooms: fc.oneof(
    fc.constant([]),
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: NODES, maxLength: NODES }),
  ),
  events: fc.array(Event, { minLength: 1, maxLength: 12 }),
});

/** A table with the nodes around it, checked after each change. */
class Cluster {
  readonly table: MasterTable;
  readonly running = new Set<Nid>();
  readonly #mirror: PartitionTable;
  readonly #rooms: readonly number[];

  constructor({ partitions, replicas, first, rooms }: {
    partitions: number;
    replicas: number;
    first: number;
    rooms: readonly number[];
  }) {
    this.#rooms = rooms;
    this.table = new MasterTable(partitions, replicas);
    for (let number = 1; number <= NODES; number++) this.running.add(S(number));
    this.table.create(this.candidates().slice(0, first));
    this.table.addMembers(this.running);
    this.#mirror = new PartitionTable(partitions, replicas);
    this.#mirror.load(this.table.ptid, this.table.toRows());
  }

  candidates() {
    return [...this.running].map((nid) => {
      const room = this.#rooms[nid - 1];
      return { nid, devpath: room === undefined ? [] : [`room ${room}`, `disk ${nid}`] };
    });
  }

  isOperational(): boolean {
    return this.table.isOperational((nid) => this.running.has(nid));
  }

  /** Whoever is told the changes has the same table, and versions that have no gap. */
  told(change: () => CellChange[]): CellChange[] {
    const before = this.table.ptid ?? 0;
    const changes = change();
    assert.equal(this.table.ptid, changes.length === 0 ? before : before + 1);
    if (changes.length > 0) this.#mirror.update(before + 1, changes);
    assert.deepEqual(this.#mirror.toRows(), this.table.toRows());
    return changes;
  }

  readableCounts(): number[] {
    return this.table.toRows().map(({ offset }) => this.table.readableCells(offset).length);
  }

  tweak(excluded: ReadonlySet<Nid>): void {
    const staying = this.candidates()
      .filter(({ nid }) => this.table.members.has(nid) && !excluded.has(nid));
    if (staying.length === 0) {
      assert.throws(() => this.table.tweak(this.candidates(), excluded), Refusal);
      return;
    }
    const before = this.readableCounts();
    this.told(() => this.table.tweak(this.candidates(), excluded));
    this.#checkTweaked(new Set(staying.map(({ nid }) => nid)), before);
    assert.deepEqual(this.table.tweak(this.candidates(), excluded), [], "tweaked twice");
  }

  #checkTweaked(staying: ReadonlySet<Nid>, before: readonly number[]): void {
    const { partitions, replicas } = this.table;
    const copies = Math.min(replicas + 1, staying.size);
    const counts = new Map<Nid, number>([...staying].map((nid) => [nid, 0]));
    for (const { offset, cells } of this.table.toRows()) {
      const assigned = cells.filter(({ state }) => state !== "FEEDING");
      assert.equal(assigned.length, copies, `copies of partition ${offset}`);
      for (const { nid } of assigned) counts.set(nid, (counts.get(nid) ?? 0) + 1);
      const readable = cells.filter(({ state }) => isReadable(state)).length;
      assert.ok(readable >= Math.min(before[offset] ?? 0, copies), `partition ${offset} is safe`);
      const feeding = cells.length - assigned.length;
      assert.ok(feeding === 0 || readable <= copies, `partition ${offset} is fed for a reason`);
    }
    assert.deepEqual(new Set(counts.keys()), staying, "only nodes that stay are assigned cells");
    const fair = partitions * copies / staying.size;
    for (const count of counts.values()) {
      assert.ok(Math.abs(count - fair) < 1, `${count} cells where ${fair} are fair`);
    }
  }

  complete(every: number): void {
    let cell = 0;
    for (const { offset, cells } of this.table.toRows()) {
      for (const { nid, state } of cells) {
        if (state !== "OUT_OF_DATE" || !this.running.has(nid) || ++cell % every > 0) continue;
        const assigned = cells.filter(({ state }) => state !== "FEEDING").length;
        const wanted = Math.min(this.readableCounts()[offset] ?? 0, assigned);
        this.table.markUpdatable(nid, [offset]);
        this.told(() => this.table.setUpToDate(offset, nid));
        assert.ok((this.readableCounts()[offset] ?? 0) >= wanted);
      }
    }
  }

  /** A node dies, if the cluster survives that. */
  lose(nid: Nid): void {
    if (!this.running.delete(nid)) return;
    if (this.isOperational()) this.told(() => this.table.outdate((n) => this.running.has(n), nid));
    else this.running.add(nid);
  }

  drop(nid: Nid): void {
    try {
      this.told(() => this.table.dropNodes([nid]));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return;
    }
    assert.equal(this.table.nodeIds().has(nid), false);
    assert.equal(this.table.members.has(nid), false);
  }
}

Deno.test("a tweak is safe, fair and done at once, after any history", () => {
  fc.assert(
    fc.property(History, ({ events, ...start }) => {
      const cluster = new Cluster(start);
      for (const event of events) {
        if (event.kind === "tweak") cluster.tweak(new Set(event.excluded.map(S)));
        else if (event.kind === "complete") cluster.complete(event.every);
        else if (event.kind === "lose") cluster.lose(S(event.node));
        else if (event.kind === "drop") cluster.drop(S(event.node));
        else {
          cluster.running.add(S(event.node));
          cluster.table.addMembers([S(event.node)]);
        }
        assert.ok(cluster.isOperational(), "operational");
      }
      cluster.tweak(new Set());
      cluster.complete(1);
      const states = cluster.table.toRows().flatMap(({ cells }) => cells.map((cell) => cell.state));
      assert.deepEqual(new Set(states), new Set(["UP_TO_DATE"]), "all was replicated");
      assert.deepEqual(cluster.table.tweak(cluster.candidates(), new Set()), []);
    }),
    { numRuns: 500 },
  );
});

Deno.test("copies are kept in different rooms where there are enough even ones", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      (partitions, rooms, disks, replicas) => {
        fc.pre(replicas < rooms);
        const nodes = Array.from({ length: rooms * disks }, (_, i) => ({
          nid: S(i + 1),
          devpath: [`room ${i % rooms}`, `disk ${i}`],
        }));
        const room = (nid: Nid) => (nid - 1) % rooms;
        const created = new MasterTable(partitions, replicas);
        created.create(nodes);
        const grown = new MasterTable(partitions, replicas);
        grown.create([{ nid: S(1), devpath: ["room 0", "disk 0"] }]);
        grown.addMembers(nodes.map(({ nid }) => nid));
        grown.tweak(nodes, new Set());
        for (const made of [created, grown]) {
          assert.equal(made.warning, null);
          for (const { cells } of made.toRows()) {
            const assigned = cells.filter(({ state }) => state !== "FEEDING");
            const used = new Set(assigned.map(({ nid }) => room(nid)));
            assert.equal(used.size, replicas + 1);
          }
        }
      },
    ),
  );
});

Deno.test("a topology that can't be kept is ignored, and the operator is told", () => {
  const made = new MasterTable(4, 2);
  const uneven = ["a", "a", "a", "b"].map((room, i) => ({ nid: S(i + 1), devpath: [room] }));
  made.create(uneven);
  assert.equal(
    made.warning,
    "Can't maximize resiliency: fix the topology of your storage nodes and make sure they're all " +
      "running. 2 storage device failure(s) may be enough to lose all the database.",
  );
  assert.equal(made.isOperational(() => true), true);
  made.tweak(uneven.map(({ nid }, i) => ({ nid, devpath: [`${i}`] })), new Set());
  assert.equal(made.warning, null);
});

Deno.test("a search without an end is given up in favour of a table without topology", () => {
  // The places look acceptable: no room has more than a third of the nodes. But permutations of
  // columns that keep all copies apart are rare or none, and there are 18! of them.
  const nodes = [..."126100003032653505"].map((room, i) => ({
    nid: S(i + 1),
    devpath: [room, `${i}`],
  }));
  const made = new MasterTable(44, 2);
  made.create(nodes);
  assert.notEqual(made.warning, null);
  assert.equal(made.isOperational(() => true), true);
  assert.deepEqual(made.tweak(nodes, new Set()), []);
});

Deno.test("many more nodes than partitions", () => {
  const made = table(0, ...Array.from({ length: 10 }, (_, i) => `S${91 + i}:U`));
  const nodes = Array.from({ length: 100 }, (_, i) => ({ nid: S(i + 1), devpath: [] }));
  made.addMembers(nodes.map(({ nid }) => nid));
  assert.deepEqual(made.tweak(nodes, new Set()), []);
});

Deno.test("a big cluster is tweaked in a moment", () => {
  const nodes = Array.from({ length: 200 }, (_, i) => ({
    nid: S(i + 1),
    devpath: [`room ${i % 4}`, `disk ${i}`],
  }));
  const made = new MasterTable(5000, 1);
  made.create(nodes.slice(0, 196));
  made.addMembers(nodes.map(({ nid }) => nid));
  const started = Date.now();
  made.tweak(nodes, new Set());
  assert.ok(Date.now() - started < 20_000);
  assert.equal(made.warning, null);
  assert.equal(texts(made).length, 5000);
});
