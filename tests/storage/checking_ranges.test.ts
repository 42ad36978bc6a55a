/** Checksums of what replicas have, to the byte those of NEO. */

import assert from "node:assert/strict";
import { encodeHex } from "../../nodes/host/hex.ts";
import { MAX_TID } from "../../nodes/codec/ids.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Background } from "../../nodes/storage/background.ts";
import { checkSerialRange, checkTidRange } from "../../nodes/storage/checking/ranges.ts";
import { Ledger } from "./ledger.ts";
import { transaction } from "./storage_peer.ts";
import { o, sha1, t } from "./support.ts";

const NOTHING = "00".repeat(20);
const data = new TextEncoder().encode("data");
const VALUE = { compression: false, checksum: sha1(data), data };

/** The SHA-1 of a text, in hex. */
function sha(text: string): string {
  return encodeHex(sha1(new TextEncoder().encode(text)));
}

/** An answer whose checksums are in hex. */
function inHex(answer: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? encodeHex(value) : value,
    ]),
  );
}

/** A database with transactions, and a revision of the object 1 by each. */
async function withRows(
  tids: readonly number[],
  test: (context: Parameters<typeof checkTidRange>[0]) => Promise<void>,
): Promise<void> {
  await using ledger = await Ledger.open({ partitions: 2, later: false });
  const { backend } = ledger.context;
  for (const tid of tids) {
    backend.replica.addTransaction(transaction(tid));
    await backend.replica.addObjects([{ oid: o(1), tid: t(tid), value: VALUE, valueTid: null }]);
  }
  const host = createNodeHost({ log: { log: () => {} } });
  await test({ backend, background: new Background(host) });
}

Deno.test("the vectors of NEO", async () => {
  await withRows([0, 1, 2, 3], async (context) => {
    const tids = async (partition: number) => {
      const range = { partition, length: 1000, minTid: t(0), maxTid: MAX_TID };
      const { count, checksum, maxTid } = await checkTidRange(context, range);
      return [count, encodeHex(checksum), maxTid];
    };
    assert.deepEqual(await tids(0), [2, "84320eb8dbbe583f67055c15155ab6794f11654d", t(2)]);
    assert.deepEqual(await tids(1), [2, "1f02f98cf775a9e0ce9252ff5972dce728c4ddb0", t(3)]);
    const serials = async (partition: number) => {
      const range = { partition, length: 1000, minTid: t(0), maxTid: MAX_TID, minOid: o(0) };
      const found = await checkSerialRange(context, range);
      return [
        ...[found.count, encodeHex(found.tidChecksum), found.maxTid],
        ...[encodeHex(found.oidChecksum), found.maxOid],
      ];
    };
    assert.deepEqual(await serials(0), [0, NOTHING, t(0), NOTHING, o(0)]);
    assert.deepEqual(await serials(1), [
      ...[4, "e5b47bddeae2096220298df686737d939a27d736", t(3)],
      ...["1e9093698424b5370e19acd2d5fc20dcd56a32cd", o(1)],
    ]);
  });
});

Deno.test("bounds are included, and no more rows are looked at than were asked for", async () => {
  await withRows([1, 3, 5, 7], async (context) => {
    const tids = async (length: number, min: number, max: number) => {
      const range = { partition: 1, length, minTid: t(min), maxTid: t(max) };
      return inHex(await checkTidRange(context, range));
    };
    assert.deepEqual(await tids(9, 3, 5), { count: 2, checksum: sha("3,5"), maxTid: t(5) });
    assert.deepEqual(await tids(1, 2, 7), { count: 1, checksum: sha("3"), maxTid: t(3) });
    assert.equal((await tids(9, 8, 9)).count, 0);
    const range = { partition: 1, length: 2, minTid: t(1), minOid: o(2), maxTid: t(7) };
    assert.deepEqual(inHex(await checkSerialRange(context, range)), {
      ...{ count: 2, tidChecksum: sha("3,5"), maxTid: t(5) },
      ...{ oidChecksum: sha("1,1"), maxOid: o(1) },
    });
  });
});

Deno.test("many rows are hashed as one, in slices", async () => {
  const tids = Array.from({ length: 3000 }, (_, at) => 2 * at + 1);
  await withRows(tids, async (context) => {
    const expected = sha(tids.join(","));
    const range = { partition: 1, length: 40_000, minTid: t(0), maxTid: MAX_TID };
    const found = inHex(await checkTidRange(context, range));
    assert.deepEqual(found, { count: 3000, checksum: expected, maxTid: t(5999) });
    const serials = await checkSerialRange(context, { ...range, minOid: o(0) });
    const { tidChecksum, count } = inHex(serials);
    assert.deepEqual([count, tidChecksum], [3000, expected]);
  });
});
