/** Opening clients: by URL, under TLS, in time or not, for reading only; and closing them. */

import assert from "node:assert/strict";
import {
  ClosedError,
  ConfigurationError,
  connect,
  DeadlineError,
  type Invalidation,
  InvalidUrlError,
  NetworkError,
  ReadOnlyError,
  StorageError,
} from "../../mod.ts";
import { makeCertificates } from "../support/certificates.ts";
import { withCluster } from "../support/in_process.ts";
import { freePorts } from "../support/ports.ts";
import { change, create, latest } from "./support.ts";
import { bytes, text } from "./texts.ts";

Deno.test("connecting", async (t) => {
  await withCluster({}, async (cluster) => {
    const { port } = cluster.master;
    await t.step("goes by host names and past masters that are down", async () => {
      const [nobody] = freePorts(1);
      await using client = await connect(
        `neo://test@127.0.0.1:${nobody},localhost:${port}?cache_size=1MB&compress=zlib=9`,
      );
      assert.equal(client.cacheStatistics.maxBytes, 1 << 20);
    });
    await t.step("takes what is given as an option before the URL", async () => {
      await using client = await connect(`${cluster.url}?cache_size=1MB`, { cacheBytes: 5000 });
      assert.equal(client.cacheStatistics.maxBytes, 5000);
    });
    await t.step("finds a master in the file that keeps them", async () => {
      const [nobody] = freePorts(1);
      const file = await Deno.makeTempFile();
      try {
        await Deno.writeTextFile(file, JSON.stringify([["127.0.0.1", port]]));
        await using client = await connect(
          `neo://test@127.0.0.1:${nobody}?dynamic_master_list=${file}`,
        );
        await client.sync();
      } finally {
        await Deno.remove(file);
      }
    });
    await t.step("is refused under another cluster's name", async () => {
      await assert.rejects(connect(`neo://other@127.0.0.1:${port}`), {
        name: "StorageError",
        message: /refuses this client: invalid cluster name/,
      });
    });
    await t.step("ends by its signal", async () => {
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      await assert.rejects(connect(cluster.url, { signal }), reason);
    });
    await t.step("says what is wrong with its options", async () => {
      for (const options of [{ cacheBytes: -1 }, { connectTimeoutMs: NaN }, { compress: 10 }]) {
        await assert.rejects(connect(cluster.url, options), ConfigurationError);
      }
      await assert.rejects(connect("neo://test@no-such-host.invalid:1"), NetworkError);
      await assert.rejects(connect(cluster.url, { ca: "PEM" }), InvalidUrlError);
      await assert.rejects(connect(cluster.url.replace("neo", "neos")), InvalidUrlError);
      const missing = `${cluster.url}?ca=/nowhere/ca&cert=/nowhere/cert&key=/nowhere/key`;
      await assert.rejects(connect(missing), /expected a PEM file at \/nowhere\/ca, found none/);
    });
    await t.step("may be for reading only", async () => {
      await using writer = await connect(cluster.url);
      const oid = await create(writer, "kept");
      await using client = await connect(`${cluster.url}?read_only=true`);
      assert.equal(text((await client.load(oid)).data), "kept");
      assert.equal(await client.transact(async (tx) => text((await tx.load(oid)).data)), "kept");
      for (
        const write of [
          () => client.begin(),
          () => client.newOid(),
          () => change(client, oid, "not this"),
          () => client.pack(client.lastTid),
          () => client.undo(client.lastTid),
        ]
      ) await assert.rejects(write, ReadOnlyError);
    });
  });
});

Deno.test("a master that is not there is waited for no longer than wanted", async () => {
  const [nobody] = freePorts(1);
  const url = `neo://test@127.0.0.1:${nobody}`;
  await assert.rejects(connect(url, { connectTimeoutMs: 50 }), {
    name: "DeadlineError",
    message: `expected a primary master within 50 ms, found none among: 127.0.0.1:${nobody}`,
  });
  const gone = new AbortController();
  const waiting = connect(url, { signal: gone.signal });
  const reason = new Error("enough");
  gone.abort(reason);
  await assert.rejects(waiting, reason);
});

Deno.test("under TLS, both ends show who they are", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const { ca, cert, key } = await makeCertificates(directory);
    const tls = {
      ca: await Deno.readTextFile(ca),
      cert: await Deno.readTextFile(cert),
      key: await Deno.readTextFile(key),
    };
    await withCluster({ tls }, async (cluster) => {
      const secure = cluster.url.replace("neo:", "neos:");
      await using client = await connect(`${secure}?ca=${ca}&cert=${cert}&key=${key}`);
      const oid = await create(client, "secret");
      await using other = await connect(secure, tls);
      assert.equal(await latest(other, oid), "secret");
      await assert.rejects(connect(cluster.url, { connectTimeoutMs: 500 }), DeadlineError);
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a client tells of every commit, its own included, until it is closed", async () => {
  await withCluster({}, async (cluster) => {
    await using client = await connect(cluster.url);
    await using other = await connect(cluster.url);
    const heard: Invalidation[] = [];
    const end = client.onInvalidate((invalidation) => heard.push(invalidation));
    client.onInvalidate(() => {
      throw new Error("a listener's mistake is its own");
    });
    const told = client.invalidations();
    const oid = await create(client, "one");
    const first = (await client.load(oid)).serial;
    await other.sync();
    const second = await change(other, oid, "two");
    await client.sync();
    assert.deepEqual(heard, [{ tid: first, oids: [oid] }, { tid: second, oids: [oid] }]);
    end();
    await change(other, oid, "three");
    await client.sync();
    assert.equal(heard.length, 2);
    await client.close();
    const all: Invalidation[] = [];
    for await (const invalidation of told) all.push(invalidation);
    assert.deepEqual(all.map(({ oids }) => oids), [[oid], [oid], [oid]]);
    await assert.rejects(client.sync(), ClosedError);
    await client.close();
  });
});

Deno.test("what is under way when a client is closed ends with a ClosedError", async () => {
  await withCluster({}, async (cluster) => {
    const client = await connect(cluster.url, { cacheBytes: 0 });
    const oid = await create(client, "kept");
    const { serial } = await client.load(oid);
    await using tx = await client.begin();
    await tx.store(oid, { data: bytes("not this"), serial });
    const pending = [client.load(oid), client.sync(), client.newOid(), tx.vote()];
    const closed = Promise.allSettled(pending);
    await client.close();
    for (const result of await closed) {
      // The oid may have been in store.
      if (result.status === "fulfilled") assert.equal(result, (await closed)[2]);
      else assert.ok(result.reason instanceof ClosedError, String(result.reason));
    }
    assert.ok(!(await closed).every(({ status }) => status === "fulfilled"));
    await assert.rejects(client.transaction(serial), ClosedError);
    assert.throws(() => client.transactions(), ClosedError);
    await assert.rejects(
      tx.vote(),
      (error) => error instanceof ClosedError || error instanceof StorageError,
    );
  });
});
