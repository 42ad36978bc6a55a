/**
 * neoctl, NEO's and ours, on both kinds of cluster: what it prints, its exit status and its error
 * messages are those of NEO's neoctl on NEO's own nodes, but for ports, times and TIDs.
 */
import assert from "node:assert/strict";
import { Cluster, type Maker } from "../support/cluster.ts";
import type { Output } from "../support/process.ts";
import { PeerClient } from "./client.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

/** How long a node may take to end after the cluster was told to stop. */
const STOP_MS = 20_000;

/** One command: what was typed, printed on standard output, complained of, and the status. */
interface Entry {
  readonly command: string;
  readonly status: number;
  readonly stdout: string;
  /** The last line of standard error: NEO's neoctl prints a Python traceback before. */
  readonly complaint: string;
}

/** Replaces what differs between any two runs by words. */
function mask(text: string): string {
  return text
    .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?/g, "TIME")
    .replaceAll(/0x[0-9a-f]{10,16}\b/g, "TID");
}

function entry(command: string, output: Output): Entry {
  return {
    command,
    status: output.code,
    stdout: mask(output.stdout),
    complaint: mask(output.stderr.trimEnd().split("\n").at(-1) ?? ""),
  };
}

class Session {
  readonly entries: Entry[] = [];

  constructor(readonly cluster: Cluster, readonly ctl: Maker) {}

  async type(...commands: string[]): Promise<void> {
    for (const command of commands) {
      const output = await this.cluster.ctlOf(this.ctl, ...command.split(" "));
      this.entries.push(entry(command, output));
    }
  }

  /**
   * Types commands that the master refuses. It leaves the admin each time, which comes back with
   * a new timestamp.
   */
  async typeRefused(...commands: string[]): Promise<void> {
    for (const command of commands) {
      const { stdout: before } = await this.cluster.ctl("print", "node", "admin");
      await this.type(command);
      await this.cluster.waitForCtl(
        ["print", "node", "admin"],
        (now) => now.includes("RUNNING") && now !== before,
      );
    }
  }
}

const LOOK_AROUND = [
  ...["print cluster", "print primary", "print node", "print node storage", "print node MASTER"],
  ...["print node client", "print pt", "print ids"],
];

/** A cluster's life as its operator types it, from the first start to the stop. */
async function operate(nodes: Maker, ctl: Maker, directory: string): Promise<Entry[]> {
  await using cluster = await Cluster.start({
    directory,
    master: nodes,
    storages: [nodes, nodes],
    ctl: real,
    partitions: 3,
    replicas: 1,
    operational: false,
  });
  const session = new Session(cluster, ctl);
  await cluster.waitForCtl(
    ["print", "node", "storage"],
    (stdout) => stdout.match(/PENDING/g)?.length === 2,
  );
  await session.type(...LOOK_AROUND);
  await session.typeRefused("set cluster RUNNING", "add all", "tweak");
  await session.type("start");
  await cluster.waitForState("RUNNING");
  await session.type(...LOOK_AROUND, "print pt 1 2", "print pt 0 0 S2", "print pt 9");
  await session.type("print pt 0 9", "print cluster", "walk dog", "print dog");
  await session.typeRefused("set cluster VERIFYING", "kill S9", "kill M1");
  {
    await using client = await PeerClient.open(cluster);
    await client.ask("add_many", { key: "many", count: 3 });
    await session.type("print node client", "print ids");
  }
  await session.type("set cluster STOPPING");
  for (const node of cluster.nodes.values()) {
    assert.equal((await node.waitForExit(STOP_MS)).code, 0, node.tail());
  }
  await session.type("print cluster");
  return session.entries;
}

/** What a command of NEO's prints on NEO's nodes, which is what all others are compared with. */
let model: Promise<Entry[]> | null = null;

function modelOf(directory: string): Promise<Entry[]> {
  model ??= Deno.mkdir(`${directory}/model`).then(() => operate(real, real, `${directory}/model`));
  return model;
}

function render(entries: readonly Entry[]): string {
  return entries.map((e) => `$ neoctl ${e.command}\n${e.stdout}[${e.status}] ${e.complaint}\n`)
    .join("");
}

/** Ours says in one line what NEO's says at the end of a traceback. */
function withoutComplaints(entries: readonly Entry[]): Entry[] {
  return entries.map((e) => ({ ...e, complaint: "" }));
}

/** The master's or the admin's message in the representation of an error by NEO's neoctl. */
function message(complaint: string): string {
  return /'([^']*)'\)$/.exec(complaint)?.[1] ?? complaint;
}

async function ourCtlOn(nodes: Maker, directory: string): Promise<void> {
  const expected = await modelOf(directory);
  const found = await operate(nodes, ours, directory);
  assert.equal(render(withoutComplaints(found)), render(withoutComplaints(expected)));
  for (const [index, { command, complaint }] of expected.entries()) {
    const said = found[index]?.complaint ?? "";
    assert.ok(said.includes(message(complaint)), `${command}: ${said}, not ${complaint}`);
    assert.equal(said === "", complaint === "", `${command}: ${said}, not ${complaint}`);
  }
}

peerGroup("neoctl", {
  "NEO's on our nodes": () =>
    inDirectory(async (directory) => {
      const expected = await modelOf(directory);
      assert.equal(render(await operate(ours, real, directory)), render(expected));
    }),
  "ours on NEO's nodes": () => inDirectory((directory) => ourCtlOn(real, directory)),
  "ours on our nodes": () => inDirectory((directory) => ourCtlOn(ours, directory)),
});
