/**
 * A master that sends anything at all, before operation and in it: what makes no sense costs it the
 * connection, with a line in the log, and the storage serves the next master as if nothing had been.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as p from "../../gen/packets.ts";
import { nid, type Tid } from "../../nodes/codec/ids.ts";
import type { PacketType } from "../../nodes/codec/packet.ts";
import { NeoError } from "../../nodes/errors.ts";
import { ARBITRARY_PACKETS, arbitraryFlow, type ArbitraryPacket } from "../support/arbitrary.ts";
import { C1, type Client, node, o, S1, S2, S3, Stage, t } from "./support.ts";

const PARTITIONS = 3;
const PACKETS = 10;
const RUNS = 40;

/** Values that could be right: they come further than arbitrary ones. */
const PLAUSIBLE = {
  u32: fc.oneof(fc.nat(PARTITIONS), fc.nat(2 ** 32 - 1)),
  ptid: fc.integer({ min: 1, max: 4 }),
  nid: fc.constantFrom(S1, S2, S3, C1, nid(-0x0fffffff), nid(0x10000000)),
  oid: fc.bigInt({ min: 0n, max: 5n }),
  tid: fc.oneof(fc.bigInt({ min: 90n, max: 110n }), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
};

interface Sample {
  readonly type: PacketType<unknown, p.Codecs>;
  readonly packet: unknown;
}

/** All that a master may send in a phase and now and then what it may not, but for orders. */
function packetsIn(flow: string): fc.Arbitrary<Sample> {
  // A storage obeys an order to end, to erase its database or to cut it off.
  const isOrder = ({ type }: ArbitraryPacket) =>
    [p.NotifyNodeInformation.name, p.Truncate.name].includes(type.name);
  const sample = ({ type, packet }: ArbitraryPacket) =>
    packet.map((value) => ({ type, packet: value }));
  const pick = (packets: readonly ArbitraryPacket[]) =>
    fc.oneof(...packets.filter((packet) => !isOrder(packet)).map(sample));
  return fc.oneof(
    { weight: 10, arbitrary: pick(arbitraryFlow(flow, PLAUSIBLE)) },
    { weight: 1, arbitrary: pick(ARBITRARY_PACKETS) },
  );
}

/** Another master, that knows what it does, comes after the one that there was. */
async function nextMaster(stage: Stage): Promise<void> {
  stage.master.close();
  await stage.next();
}

/** The storage takes a table, and operates. */
async function begin(stage: Stage): Promise<void> {
  stage.notices.all();
  stage.sendTable();
  await stage.verify();
  await stage.operate();
}

/** Whether a commit goes through, and is found again. */
async function serves(stage: Stage, tid: Tid): Promise<void> {
  const client = await stage.client();
  await client.store(tid, { oid: o(1), data: `at ${tid}`, serial: tid });
  await client.vote(tid, [o(1)]);
  await stage.finish(tid);
  assert.deepEqual(await client.load(o(1)), { data: `at ${tid}`, serial: tid });
  client.connection.close();
}

for (const phase of ["Initialization", "Operation"] as const) {
  Deno.test(`whatever a master sends, a storage survives: ${phase.toLowerCase()}`, async () => {
    await using stage = await Stage.identified({ partitions: PARTITIONS, hurries: true });
    const packets = fc.array(packetsIn(`masterToStorage${phase}`), { maxLength: PACKETS });
    let ended = false;
    stage.node.ended.then(() => ended = true, () => ended = true);
    let time = 2 ** 40;
    await fc.assert(
      fc.asyncProperty(packets, async (samples) => {
        await nextMaster(stage);
        if (phase === "Operation") await begin(stage);
        for (const { type, packet } of samples) stage.master.notify(type, packet);
        await stage.settled().catch((error) => assert.ok(error instanceof NeoError));
        await nextMaster(stage);
        assert.equal(ended, false, "the storage has ended");
        const harm = stage.lines.splice(0).filter((line) => /^(ERROR|CRITICAL)/.test(line));
        assert.deepEqual(harm, []);
      }),
      { numRuns: RUNS, seed: 1, endOnFailure: true },
    );
    await begin(stage);
    await serves(stage, t(++time));
  });
}

/** What ends a storage of NEO 1.11, or makes one refuse a master; `cost` is what the log says. */
interface Fault {
  readonly name: string;
  readonly send: (stage: Stage, client: Client) => unknown;
  /** A line of the log where the master is left; null where what it says does no harm. */
  readonly cost: RegExp | null;
}

const FAULTS: readonly Fault[] = [
  {
    name: "news that are older than the last",
    send: ({ master }) =>
      master.notify(p.NotifyNodeInformation, { timestamp: 1, nodes: [node("CLIENT", C1)] }),
    cost: null,
  },
  {
    name: "news of this storage without the time of its identification",
    send: (stage) => stage.tellNodes({ ...node("STORAGE", S1), idTimestamp: null }),
    cost: null,
  },
  {
    name: "the end of a node that it never told of",
    send: (stage) => stage.tellNodes(node("STORAGE", S3, "UNKNOWN")),
    cost: null,
  },
  {
    name: "the end of a storage that has cells",
    send: (stage) => {
      stage.change({ offset: 0, nid: S2, state: "UP_TO_DATE" });
      stage.tellNodes(node("STORAGE", S2, "UNKNOWN"));
    },
    cost: null,
  },
  {
    name: "a cell of a node that it never told of",
    send: (stage) => stage.change({ offset: 0, nid: S3, state: "UP_TO_DATE" }),
    cost: /S3 is no storage that is known here/,
  },
  {
    name: "a change of the table that is not the next one",
    send: ({ master }) => master.notify(p.NotifyPartitionChanges, { ptid: 9, changes: [] }),
    cost: /wrong partition table id/,
  },
  {
    name: "a second order to start",
    send: ({ master }) => master.notify(p.StartOperation, { backup: false }),
    cost: /unexpected packet: StartOperation/,
  },
  {
    name: "a lock of a transaction that is not known",
    send: ({ master }) => master.ask(p.AskLockInformation, { ttid: t(900), tid: t(900) }),
    cost: /unknown ttid 0000000000000384/,
  },
  {
    name: "a lock at a tid before the transaction's own",
    send: async ({ master }, client) => {
      await client.store(t(900), { oid: o(1), data: "one" });
      await client.vote(t(900), [o(1)]);
      await master.ask(p.AskLockInformation, { ttid: t(900), tid: t(899) });
    },
    cost: /refused AskLockInformation/,
  },
  {
    name: "a lock of a transaction that is locked already",
    send: async ({ master }, client) => {
      await client.store(t(900), { oid: o(1), data: "one" });
      await client.vote(t(900), [o(1)]);
      await master.ask(p.AskLockInformation, { ttid: t(900), tid: t(900) });
      await master.ask(p.AskLockInformation, { ttid: t(900), tid: t(900) });
    },
    cost: /refused AskLockInformation/,
  },
  {
    name: "a lock at a tid that another transaction has got",
    send: async (stage, client) => {
      await client.store(t(90), { oid: o(4), data: "two" });
      await client.vote(t(90), [o(4)]);
      await stage.finish(t(90), t(102));
      await client.store(t(91), { oid: o(3), data: "three" });
      await client.vote(t(91), [o(3)]);
      await stage.finish(t(91), t(102));
    },
    cost: null,
  },
  {
    name: "a pack of an object that is being checked",
    send: async ({ master }, client) => {
      const check = { ttid: t(900), oid: o(1), serial: t(100) };
      await client.connection.ask(p.AskCheckCurrentSerial, check);
      assert.deepEqual(await master.ask(p.AskPack, { tid: t(200) }), { status: true });
    },
    cost: null,
  },
  {
    name: "an error of a code that does not exist",
    send: ({ master }) => master.notify(p.ErrorPacket, { code: 12, message: new Uint8Array(0) }),
    cost: null,
  },
  {
    name: "an answer that nobody asked for",
    send: ({ master }) => master.notify(p.AnswerLastTransaction, { tid: t(1) }),
    cost: /Unexpected answer: AnswerLastTransaction/,
  },
  {
    name: "orders about partitions that do not exist",
    send: ({ master }) => {
      const source = { upstreamName: new Uint8Array(0), address: null };
      const range = { minTid: t(0), maxTid: t(100) };
      master.notify(p.CheckPartition, { partition: PARTITIONS, source, ...range });
      master.notify(p.Replicate, {
        tid: t(100),
        upstreamName: new Uint8Array(0),
        sources: new Map([[PARTITIONS, null]]),
      });
    },
    cost: null,
  },
];

for (const { name, send, cost } of FAULTS) {
  Deno.test(`a storage is told by its master: ${name}`, async () => {
    await using stage = await Stage.operating({ partitions: PARTITIONS, hurries: true });
    const client = await stage.client();
    await stage.commit(client, t(100), [{ oid: o(1), data: "old" }]);
    const before = stage.master;
    try {
      await send(stage, client);
    } catch (error) {
      assert.ok(error instanceof NeoError);
    }
    await stage.settled().catch((error) => assert.ok(error instanceof NeoError));
    if (cost === null) {
      assert.equal(before.closed, false, stage.lines.join("\n"));
      stage.master.close();
    } else {
      assert.ok(stage.lines.some((line) => cost.test(line)), stage.lines.join("\n"));
    }
    await stage.next();
    await begin(stage);
    const other = await stage.client();
    assert.deepEqual(await other.load(o(1)), { data: "old", serial: t(100) });
    assert.ok(!stage.lines.some((line) => /^(ERROR|CRITICAL)/.test(line)), stage.lines.join("\n"));
  });
}
