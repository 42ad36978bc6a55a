/**
 * A live cluster of NEO's nodes is replaced by ours node by node, and then back, while one of NEO's
 * clients commits: every commit that was acknowledged is still there, and the pauses are short.
 */
import assert from "node:assert/strict";
import { Cluster, type Maker, ROOT } from "../support/cluster.ts";
import { Child } from "../support/process.ts";
import { inDirectory, ours, peerGroup, real, venv } from "./peer.ts";

const PARTITIONS = 6;
const REPLICAS = 1;

/** Storages first, then masters: the primary one last, which the other one takes over from. */
const ORDER = ["storage1", "storage2", "storage3", "spare1", "admin", "master"] as const;

/** How long no commit may be acknowledged; about 1 s is normal, when the primary master ends. */
const LONGEST_PAUSE_SECONDS = 15;

/** How long the client may take for its first commit, and to list all that it can see. */
const CLIENT_MS = 60_000;

/** How many commits there have to be between two replacements. */
const COMMITS_BETWEEN = 20;

interface Commit {
  readonly number: string;
  readonly tid: string;
  readonly seconds: number;
}

/** A real client that never stops to commit; see committer.py. */
class Committer implements AsyncDisposable {
  readonly child: Child;

  constructor(cluster: Cluster) {
    this.child = Child.start(
      [`${venv()}/bin/python`, `${ROOT}tests/peer/committer.py`, cluster.masters, cluster.name],
      { name: "committer" },
    );
  }

  /** All commits that were acknowledged by now. */
  get commits(): Commit[] {
    return [...this.child.stdout.matchAll(/^(\d+) ([0-9a-f]{16}) ([\d.]+)$/gm)].map(
      ([, number = "", tid = "", seconds]) => ({ number, tid, seconds: Number(seconds) }),
    );
  }

  /** Resolves when `count` more commits have been acknowledged. */
  async more(count: number): Promise<void> {
    const { length } = this.child.stdout;
    const line = "[^\\n]*\\n";
    const next = new RegExp(`^[^]{${length}}${line}(${line}){${count}}`);
    await this.child.waitForOutput(next, CLIENT_MS);
  }

  /** Ends the loop. Resolves with the texts of all transactions that can be seen, by their tid. */
  async finish(): Promise<Map<string, string>> {
    await this.child.writeLine("enough");
    await this.child.waitForOutput(/^done$/m, CLIENT_MS);
    return new Map(
      [...this.child.stdout.matchAll(/^has ([0-9a-f]{16}) (.*)$/gm)]
        .map(([, tid = "", text = ""]) => [tid, text]),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child.kill();
  }
}

/** The longest time between two commits one after the other, in seconds. */
function longestPause(commits: readonly Commit[]): number {
  return Math.max(
    ...commits.slice(1).map(({ seconds }, at) => seconds - (commits[at]?.seconds ?? 0)),
  );
}

/** Waits until nothing is missing that was there before a node was replaced. */
async function whole(cluster: Cluster): Promise<void> {
  await cluster.waitForCtl(
    ["print", "node"],
    (text) => text.match(/\| RUNNING/g)?.length === ORDER.length + 1 && !text.includes("DOWN"),
  );
  await cluster.waitForCtl(
    ["print", "pt"],
    (text) => text.match(/UP_TO_DATE/g)?.length === PARTITIONS * (REPLICAS + 1),
  );
}

async function replaceAll(cluster: Cluster, committer: Committer, maker: Maker): Promise<void> {
  for (const name of ORDER) {
    const before = committer.commits.length;
    await cluster.replace(name, maker);
    await whole(cluster);
    await committer.more(COMMITS_BETWEEN);
    const pause = longestPause(committer.commits.slice(before - 1));
    console.log(`${name} is ${maker.name}: longest pause ${pause.toFixed(2)} s`);
    assert.ok(pause < LONGEST_PAUSE_SECONDS, `no commit for ${pause} s`);
  }
}

async function replaceOneByOne(directory: string): Promise<void> {
  await using cluster = await Cluster.start({
    directory,
    master: real,
    spares: [real],
    storages: [real, real, real],
    admin: real,
    ctl: real,
    partitions: PARTITIONS,
    replicas: REPLICAS,
    storagesStay: true,
  });
  await using committer = new Committer(cluster);
  await committer.more(COMMITS_BETWEEN);
  await replaceAll(cluster, committer, ours);
  await replaceAll(cluster, committer, real);
  const commits = committer.commits;
  const seen = await committer.finish();
  for (const { number, tid } of commits) assert.equal(seen.get(tid), number, `${number} at ${tid}`);
  console.log(`${commits.length} commits, longest pause ${longestPause(commits).toFixed(2)} s`);
  await cluster.stop();
}

peerGroup("a live cluster", {
  "is replaced by ours node by node, and back": () => inDirectory(replaceOneByOne),
});
