/** Several sources as one database: where their objects come to lie, and what is refused. */

import assert from "node:assert/strict";
import { MAX_ID, type Oid, oid } from "../../nodes/codec/ids.ts";
import { DatabaseError } from "../../nodes/errors.ts";
import { referencesOf } from "../../nodes/pickle/references.ts";
import {
  decodePlacements,
  encodePlacements,
  place,
} from "../../nodes/storage/backend/importer/mapping.ts";
import type { SourceOptions } from "../../nodes/storage/backend/importer/options.ts";
import { plainFrom } from "../../nodes/storage/backend/importer/stored.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { ascii, HISTORY, record, Scene } from "./importer_scene.ts";
import { o, t } from "./values.ts";

Deno.test("several databases become one, transactions with the same tid as well", async () => {
  await using scene = new Scene()
    .source("root", HISTORY, { mounts: { other: 2 } })
    .source("other", [
      [5, [0, record("other root")], [1, record("mounted", 2)], [2, record("end", 1)]],
      [20, [2, record("new end", 1, 2)]],
    ], { oid: 1 });
  const backend = await scene.open();
  const refs = async (id: number) => {
    const found = await backend.objects.load(o(id), { at: null, before: null });
    return found?.value ? referencesOf(plainFrom(found.value)).map(({ oid }) => oid) : null;
  };
  for (const _ of ["before", "after"]) {
    // The objects of the other database begin at 4; the mount point is its object 1.
    assert.deepEqual(await refs(0), [1n, 5n]);
    assert.deepEqual(await refs(5), [6n]);
    assert.deepEqual(await refs(6), [5n, 6n]);
    const both = await backend.transactions.load(t(20));
    assert.deepEqual(both?.oids, [1n, 2n, 6n]);
    assert.equal(new TextDecoder().decode(both?.description), "root 20");
    const tids = await backend.transactions.newest({ offsets: [0, 1, 2], first: 0, count: 9 });
    assert.deepEqual(tids, [50n, 40n, 30n, 20n, 10n, 5n]);
    await scene.import();
  }
});

Deno.test("databases that do not hang together are refused", () => {
  const measure = { nextOid: o(10), lastTid: t(1) };
  const source = (name: string, oid: number, mounts: Readonly<Record<string, number>> = {}) => ({
    ...{ name, path: name, oid: o(oid) },
    mountPoints: new Map(Object.entries(mounts).map(([target, at]) => [target, o(at)])),
  });
  const placed = (...sources: SourceOptions[]) =>
    place(sources, new Map(sources.map(({ name }) => [name, measure])));
  assert.throws(() => placed(source("a", 1)), /expected one ZODB to be the root.*found none/);
  assert.throws(() => placed(source("a", 0), source("b", 0)), /found a, b/);
  assert.throws(() => placed(source("a", 0), source("b", 1)), /nothing mounts the ZODB b/);
  assert.throws(() => placed(source("a", 0, { c: 1 })), /expected the name of another section/);
  assert.throws(
    () => placed(source("a", 0, { b: 1 }), source("b", 11)),
    /last of which is 9, found 11/,
  );
  const huge = { nextOid: oid(MAX_ID), lastTid: t(1) };
  assert.throws(
    () => place([source("a", 0, { b: 1 }), source("b", 1)], new Map([["a", huge], ["b", huge]])),
    /b: expected room for its oids/,
  );
  const ring = placed(source("a", 0, { b: 4 }), source("b", 1, { a: 5, b: 6 }));
  assert.deepEqual(ring.map(({ shift }) => shift), [0n, 10n]);
  const mounts: (readonly [Oid, Oid])[][] = ring.map(({ mounts }) => [...mounts]);
  assert.deepEqual(mounts, [[[4n, 11n]], [[5n, 0n], [6n, 11n]]]);
  assert.deepEqual(decodePlacements(encodePlacements(ring)), ring);
  const wrongMount = encodePlacements(ring).replace("I4\nI11\n", "S'x'\nI11\n");
  for (const text of ["", ".", "(d", "(dS'a'\nI1\ns.", "N.", wrongMount]) {
    assert.throws(() => decodePlacements(text), DatabaseError, text);
  }
});

Deno.test("a reference to an oid that the whole has no room for is refused", async () => {
  const far = ascii("cmodule\nName\n.U\x08\x7f\xff\xff\xff\xff\xff\xff\xffQ.");
  await using scene = new Scene()
    .source("root", [[10, [1, record("root")]]], { mounts: { other: 1 } })
    .source("other", [[5, [1, far]]], { oid: 1 });
  const { objects } = await scene.open();
  assert.throws(() => objects.load(o(3), { at: null, before: null }), Refusal);
});

Deno.test("an empty source is refused", async () => {
  await using scene = new Scene().source("root", []);
  await assert.rejects(scene.open(), /Can not import empty storage/);
});
