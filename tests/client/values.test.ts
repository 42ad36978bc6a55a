/** What objects hold: anything, from nothing to as much as a packet can carry. */

import assert from "node:assert/strict";
import { type Client, connect, NotFoundError, type Oid, StorageError } from "../../mod.ts";
import { MAX_OBJECT_BYTES } from "../../nodes/client/limits.ts";
import { withCluster } from "../support/in_process.ts";
import { bytes } from "./texts.ts";

/** What one call of the platform's random numbers gives at most. */
const RANDOM_BYTES = 1 << 16;

function randomData(length: number): Uint8Array {
  const data = new Uint8Array(length);
  for (let at = 0; at < length; at += RANDOM_BYTES) {
    crypto.getRandomValues(data.subarray(at, at + RANDOM_BYTES));
  }
  return data;
}

/** By name. */
const VALUES: Readonly<Record<string, Uint8Array>> = {
  "nothing": new Uint8Array(0),
  "one byte": new Uint8Array(1),
  "a text": bytes("text"),
  "bytes that zlib shrinks": new Uint8Array(100_000).fill(7),
  "bytes that zlib does not shrink": randomData(100_000),
};

/** As much as a packet can carry, and more than that, but for zlib. */
const GREATEST = { asTheyAre: randomData(MAX_OBJECT_BYTES), compressed: MAX_OBJECT_BYTES + 1 };

for (const dedup of [false, true]) {
  for (const compress of [true, false]) {
    const how = `${dedup ? "equal data kept once" : "each its own data"}, ` +
      `${compress ? "compressed" : "as they are"}`;
    Deno.test(`objects are loaded as they were stored (${how})`, async (t) => {
      await withCluster({ dedup }, async (cluster) => {
        await using writer = await connect(cluster.url, { compress });
        await using reader = await connect(cluster.url, { cacheBytes: 0 });
        const greatest = compress ? new Uint8Array(GREATEST.compressed) : GREATEST.asTheyAre;
        for (const [name, data] of Object.entries({ ...VALUES, "the greatest": greatest })) {
          await t.step(name, async () => {
            const oids = await storeTwice(writer, data);
            await reader.sync();
            for (const oid of oids) assert.ok(isEqual((await reader.load(oid)).data, data));
            await deleteOne(writer, oids);
            await reader.sync();
            const [deleted, kept] = oids;
            await assert.rejects(reader.load(deleted), NotFoundError);
            assert.ok(isEqual((await reader.load(kept)).data, data));
          });
        }
        await t.step("not more than that", async () => {
          const tooMuch = new Uint8Array(GREATEST.asTheyAre.length + 1);
          tooMuch.set(GREATEST.asTheyAre);
          await assert.rejects(storeTwice(writer, tooMuch), StorageError);
        });
      });
    });
  }
}

/** Stores the same data in two objects. */
async function storeTwice(client: Client, data: Uint8Array): Promise<[Oid, Oid]> {
  const oids: [Oid, Oid] = [await client.newOid(), await client.newOid()];
  await using tx = await client.begin();
  for (const oid of oids) await tx.store(oid, { data, owned: true });
  await tx.finish();
  return oids;
}

/** Deletes the first one and packs its data away, which the other one may share. */
async function deleteOne(client: Client, [deleted]: readonly [Oid, Oid]): Promise<void> {
  await client.transact((tx) => tx.delete(deleted));
  await client.pack(client.lastTid);
}

/** Much faster than to tell in which of 64 million bytes two arrays differ. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
