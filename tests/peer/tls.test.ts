/**
 * Nodes that do not agree on TLS, or on the authority, do not get together: of two such nodes ours
 * says why in its log, goes on, and the master never sees the other as a node.
 */
import assert from "node:assert/strict";
import { makeCertificates } from "../support/certificates.ts";
import { Cluster, type Maker } from "../support/cluster.ts";
import { inDirectory, ours, peerGroup, real } from "./peer.ts";

/** How long our node may take to complain; an attempt is made each second. */
const COMPLAINT_MS = 15_000;

/** Which TLS files a node has: none, those of the cluster's authority, or of another one. */
type Identity = "none" | "cluster" | "other";

interface Meeting {
  readonly master: Maker;
  readonly masterHas: Identity;
  readonly storage: Maker;
  readonly storageHas: Identity;
  /** Which node says in its log why they don't get together; it is one of ours. */
  readonly complains: "master" | "storage";
  readonly complaint: RegExp;
}

function refuse(meeting: Meeting) {
  return () =>
    inDirectory(async (directory) => {
      const filesOf = async (identity: Identity) => {
        if (identity === "none") return null;
        await Deno.mkdir(`${directory}/${identity}`);
        return await makeCertificates(`${directory}/${identity}`);
      };
      await using cluster = await Cluster.start({
        directory,
        master: meeting.master,
        storages: [],
        ctl: real,
        tls: await filesOf(meeting.masterHas),
        operational: false,
      });
      await cluster.waitForState("RECOVERING");
      const storage = cluster.startStorage({
        number: 1,
        maker: meeting.storage,
        tls: await filesOf(meeting.storageHas),
      });
      const witness = meeting.complains === "master" ? cluster.node("master") : storage;
      await witness.waitForOutput(meeting.complaint, COMPLAINT_MS);
      const { stdout } = await cluster.ctl("print", "node", "storage");
      assert.equal(stdout, "Empty list!\n");
      for (const node of cluster.nodes.values()) assert.ok(node.running, node.tail());
    });
}

// NEO's own nodes log most of these below the level that reaches the console.
if (ours !== real) {
  const NEO_STORAGE = { master: ours, storage: real, complains: "master" } as const;
  const OUR_STORAGE = { master: real, storage: ours, complains: "storage" } as const;
  const OURS_BOTH = { master: ours, storage: ours } as const;
  peerGroup("TLS", {
    "NEO's storage with it, our master without": refuse({
      ...NEO_STORAGE,
      masterHas: "none",
      storageHas: "cluster",
      complaint: /it speaks TLS, and this node was started without/,
    }),
    "NEO's storage without it, our master with": refuse({
      ...NEO_STORAGE,
      masterHas: "cluster",
      storageHas: "none",
      complaint: /refused 127\.0\.0\.1:\d+: .*TLS/,
    }),
    "NEO's storage of another authority, our master": refuse({
      ...NEO_STORAGE,
      masterHas: "cluster",
      storageHas: "other",
      complaint: /refused 127\.0\.0\.1:\d+: .*(certificate|TLS)/,
    }),
    "our storage with it, NEO's master without": refuse({
      ...OUR_STORAGE,
      masterHas: "none",
      storageHas: "cluster",
      complaint: /master 127\.0\.0\.1:\d+: .*TLS/,
    }),
    "our storage without it, NEO's master with": refuse({
      ...OUR_STORAGE,
      masterHas: "cluster",
      storageHas: "none",
      complaint: /master 127\.0\.0\.1:\d+ .*TLS/,
    }),
    "our storage of another authority, NEO's master": refuse({
      ...OUR_STORAGE,
      masterHas: "cluster",
      storageHas: "other",
      complaint: /master 127\.0\.0\.1:\d+: .*(certificate|TLS)/,
    }),
    "our storage with it, our master without": refuse({
      ...OURS_BOTH,
      masterHas: "none",
      storageHas: "cluster",
      complains: "master",
      complaint: /it speaks TLS, and this node was started without/,
    }),
    "our storage without it, our master with": refuse({
      ...OURS_BOTH,
      masterHas: "cluster",
      storageHas: "none",
      complains: "master",
      complaint: /refused 127\.0\.0\.1:\d+: .*TLS/,
    }),
  });
}
