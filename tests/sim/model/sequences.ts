/** Random sequences of commands, each on a cluster of its own. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { SimulatedCluster } from "../cluster.ts";
import { optionsOf } from "../runs/options.ts";
import { assertAtRest } from "../runs/rest.ts";
import { Crash, Pack, Sync } from "./cluster.ts";
import { History, Iterate, Load, LoadBefore, LoadSerial, UndoLog } from "./reading.ts";
import { CLIENTS, Model, Scene, SLOTS } from "./scene.ts";
import { Abort, Check, Create, Delete, Finish, Store, Undo } from "./writing.ts";

/** Objects that there are from the beginning. */
const OBJECTS = 3;
const OPTIONS = { storages: 2, partitions: 3, replicas: 1 } as const;

const slot = fc.nat(SLOTS - 1);
const client = fc.nat(CLIENTS - 1);
const number = fc.nat(9);
const stale = fc.nat(4).map((number) => number === 0);
const text = fc.oneof(
  { weight: 9, arbitrary: fc.string({ maxLength: 30 }) },
  { weight: 1, arbitrary: fc.string({ maxLength: 30 }).map((text) => text.repeat(100)) },
);
const node = fc.constantFrom("master" as const, "storage1" as const, "storage2" as const);

const finish = slot.map((slot) => new Finish(slot));
const store = fc.tuple(slot, number, stale, text).map((args) => new Store(...args));

const COMMANDS = [
  fc.tuple(slot, text).map((args) => new Create(...args)),
  store,
  store,
  fc.tuple(slot, number, stale).map((args) => new Delete(...args)),
  fc.tuple(slot, number, stale).map((args) => new Check(...args)),
  fc.tuple(slot, number).map((args) => new Undo(...args)),
  finish,
  finish,
  finish,
  slot.map((slot) => new Abort(slot)),
  fc.tuple(client, number).map((args) => new Load(...args)),
  fc.tuple(client, number, number, fc.boolean()).map((args) => new LoadBefore(...args)),
  fc.tuple(client, number, number).map((args) => new LoadSerial(...args)),
  fc.tuple(client, number, fc.nat(2), fc.integer({ min: 1, max: 4 }))
    .map((args) => new History(...args)),
  fc.tuple(client, fc.nat(3), fc.integer({ min: 1, max: 6 })).map((args) => new UndoLog(...args)),
  client.map((client) => new Iterate(client)),
  // What turns everything over should not come too often.
  fc.oneof(
    { weight: 4, arbitrary: client.map((client) => new Sync(client)) },
    { weight: 2, arbitrary: fc.tuple(client, number).map((args) => new Pack(...args)) },
    { weight: 1, arbitrary: node.map((node) => new Crash(node)) },
  ),
];

/** Runs commands on a new cluster. Throws where it differs from the model. */
async function play(seed: number, commands: Iterable<fc.AsyncCommand<Model, Scene>>) {
  const cluster = await SimulatedCluster.start({ ...OPTIONS, seed });
  const clients = [
    await cluster.client("client1", { cacheBytes: 0 }),
    await cluster.client("client2", { cacheBytes: 1000 }),
    await cluster.client("client3"),
  ];
  assert.equal(clients.length, CLIENTS);
  const model = new Model();
  const scene = new Scene(cluster, clients);
  for (let object = 0; object < OBJECTS; object++) await new Create(0, "new").run(model, scene);
  await new Finish(0).run(model, scene);
  await fc.asyncModelRun(() => ({ model, real: scene }), commands);
  for (const slot of [...model.open.keys()]) await new Abort(slot).run(model, scene);
  await cluster.untilComplete();
  await new Iterate(0).run(model, scene);
  for (const oid of model.store.oids.keys()) await new Load(0, oid).run(model, scene);
  for (const client of clients) await client.close();
  const faults = model.counts.has("crashes") ? "power" : "none";
  await assertAtRest(cluster, optionsOf(seed, { ...OPTIONS, faults }));
  return model.counts;
}

/**
 * Runs sequences of commands until one differs from the model; resolves with what was done how
 * often. Rejects with the shortest sequence found that differs, or at once with any.
 */
export async function playSequences({ seed, runs, shrinks }: {
  readonly seed: number;
  readonly runs: number;
  readonly shrinks: boolean;
}): Promise<Record<string, number>> {
  const sums = new Map<string, number>();
  const property = fc.asyncProperty(
    fc.nat(1_000_000),
    fc.commands(COMMANDS, { maxCommands: 100, size: "max" }),
    async (seed, commands) => {
      for (const [what, count] of await play(seed, commands)) {
        sums.set(what, (sums.get(what) ?? 0) + count);
      }
    },
  );
  await fc.assert(property, { seed, numRuns: runs, endOnFailure: !shrinks });
  return Object.fromEntries(sums);
}
