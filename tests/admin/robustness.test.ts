/**
 * A master and a neoctl that send anything at all: what makes no sense costs them the connection,
 * with a line in the log, and the admin goes on to serve.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import * as p from "../../gen/packets.ts";
import { startAdmin } from "../../nodes/admin/node.ts";
import type { RunningNode } from "../../nodes/cluster/node.ts";
import { nid } from "../../nodes/codec/ids.ts";
import { NeoError } from "../../nodes/errors.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { ARBITRARY_PACKETS, arbitraryFlow, type ArbitraryPacket } from "../support/arbitrary.ts";
import { connectControl } from "../support/control.ts";
import { hurrying } from "../support/hurry.ts";
import { LOOPBACK } from "../support/running_admin.ts";
import { A1, M1, S1, S2, ScriptedMaster, storage } from "../support/scripted_master.ts";

const PACKETS = 10;
const RUNS = 50;

/** Values that could be right: they come further than arbitrary ones. */
const PLAUSIBLE = {
  u32: fc.oneof(fc.nat(3), fc.nat(2 ** 32 - 1)),
  ptid: fc.integer({ min: 1, max: 12 }),
  nid: fc.constantFrom(S1, S2, A1, M1, nid(-0x0fffffff), nid(0x10000000)),
};

/** What a sender may send and now and then what it may not, but for an order to end. */
function packetsOf(flow: string) {
  const sample = ({ type, packet }: ArbitraryPacket) =>
    packet.map((value) => ({ type, packet: value }));
  const isOrder = ({ type }: ArbitraryPacket) => type === p.NotifyClusterInformation;
  const pick = (packets: readonly ArbitraryPacket[]) =>
    fc.oneof(...packets.filter((packet) => !isOrder(packet)).map(sample));
  const packet = fc.oneof(
    { weight: 10, arbitrary: pick(arbitraryFlow(flow, PLAUSIBLE)) },
    { weight: 1, arbitrary: pick(ARBITRARY_PACKETS) },
  );
  return fc.array(packet, { maxLength: PACKETS });
}

/** An admin in a hurry, what it logs, and the master that it follows. */
class Scene implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly host = hurrying(createNodeHost({
    log: { log: (level, _module, message) => this.lines.push(`${level} ${message}`) },
  }));
  ended = false;

  private constructor(readonly master: ScriptedMaster, private node: RunningNode | null) {}

  static async start(): Promise<Scene> {
    const host = createNodeHost({ log: { log: () => {} } });
    const scene = new Scene(await ScriptedMaster.start(host), null);
    scene.node = await startAdmin(scene.host, {
      cluster: "test",
      masters: [scene.master.address],
      bind: LOOPBACK,
      tls: null,
      dynamicMasterList: null,
      nid: null,
    });
    const over = () => scene.ended = true;
    scene.node.ended.then(over, over);
    await scene.master.followed();
    return scene;
  }

  connect(): Promise<Connection> {
    assert.ok(this.node);
    return connectControl(this.host, this.node.address);
  }

  /** Sends packets, and waits until they are handled or the connection is lost. */
  async send(to: Connection, packets: readonly { type: unknown; packet: unknown }[]) {
    for (const { type, packet } of packets) {
      to.notify(ARBITRARY_PACKETS.find((known) => known.type === type)?.type ?? p.Ping, packet);
    }
    await to.ask(p.Ping, {}).catch((error) => assert.ok(error instanceof NeoError));
  }

  /** Checks that the admin follows its master and answers a neoctl, and has met no defect. */
  async serves(): Promise<void> {
    await this.master.followed();
    const control = await this.connect();
    assert.deepEqual(await control.ask(p.AskPrimary, {}), { nid: M1 });
    const { nodes } = await control.ask(p.AskNodeList, { nodeType: "STORAGE" });
    assert.deepEqual(nodes, [storage(S1, 24_001), storage(S2, 24_002)]);
    control.close();
    assert.equal(this.ended, false);
    const harm = this.lines.splice(0).filter((line) => /^CRITICAL|while handling/.test(line));
    assert.deepEqual(harm, []);
  }

  async [Symbol.asyncDispose]() {
    await this.node?.stop();
    this.master[Symbol.dispose]();
  }
}

Deno.test("whatever a master sends, an admin survives", async () => {
  await using scene = await Scene.start();
  await fc.assert(
    fc.asyncProperty(packetsOf("masterToAdmin"), async (packets) => {
      await scene.send(await scene.master.admin(), packets);
      scene.master.dropConnections();
      await scene.serves();
    }),
    { numRuns: RUNS, seed: 1, endOnFailure: true },
  );
});

Deno.test("whatever a neoctl sends, an admin survives, and keeps its master", async () => {
  await using scene = await Scene.start();
  const master = await scene.master.admin();
  await fc.assert(
    fc.asyncProperty(packetsOf("controlToAdmin"), async (packets) => {
      const control = await scene.connect();
      await scene.send(control, packets);
      control.close();
      await scene.serves();
      assert.equal(master.closed, false, "the admin has left its master");
    }),
    { numRuns: RUNS, seed: 1, endOnFailure: true },
  );
});
