/** `neo cluster` as a newcomer uses it: it runs, shows an object, stops, and keeps the data. */

import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import { oid } from "../../nodes/codec/ids.ts";
import { makeCertificates } from "../support/certificates.ts";
import { NEO } from "../support/neo.ts";
import { freePorts } from "../support/ports.ts";
import { Child, run } from "../support/process.ts";

const START_MS = 60_000;
const STOP_MS = 30_000;

interface Place {
  readonly directory: string;
  readonly master: string;
  readonly arguments: readonly string[];
}

async function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "neo-cluster-" });
  const [master, admin] = freePorts(2).map((port) => `127.0.0.1:${port}`);
  assert.ok(master !== undefined && admin !== undefined);
  try {
    const places = ["--data", `${directory}/data`, "--master", master, "--admin", admin];
    await use({ directory, master, arguments: ["cluster", ...places] });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function start(words: readonly string[]): Child {
  return Child.start([...NEO, ...words], { name: "neo cluster" });
}

Deno.test("neo cluster shows an object, stops on SIGINT, and keeps its data", async () => {
  await withPlace(async (place) => {
    let number: string | undefined;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const options = signal === "SIGINT" ? ["--storages", "2", "--replicas", "1"] : [];
      await using cluster = start([...place.arguments, "--demo", ...options]);
      const stored = await cluster.waitForOutput(/stored object ([0-9a-f]{16}): hello/, START_MS);
      await cluster.waitForOutput(/loaded it back, .*: hello[^]*Ctrl-C stops/, START_MS);
      number ??= stored[1];
      {
        await using client = await connect(`neo://main@${place.master}`);
        const { data } = await client.load(oid(BigInt(`0x${number}`)));
        assert.match(new TextDecoder().decode(data), /^hello from NEO/);
      }
      cluster.signal(signal);
      assert.deepEqual(await cluster.waitForExit(STOP_MS), { code: 0, signal: null });
    }
  });
});

Deno.test("neo cluster runs under TLS", async () => {
  await withPlace(async (place) => {
    const node = await makeCertificates(place.directory);
    const files = ["--ca", node.ca, "--cert", node.cert, "--key", node.key];
    await using cluster = start([...place.arguments, "--demo", ...files]);
    await cluster.waitForOutput(/loaded it back/, START_MS);
    assert.match(cluster.stdout, /clients connect to +neos:\/\/main@/);
    cluster.signal("SIGINT");
    assert.equal((await cluster.waitForExit(STOP_MS)).code, 0);
  });
});

Deno.test("neo cluster says in one line why it can't be", async () => {
  await withPlace(async (place) => {
    const refused = async (words: readonly string[], message: RegExp) => {
      const argv = [...NEO, ...place.arguments, ...words];
      const { code, stderr } = await run(argv, { name: "neo cluster", timeoutMs: START_MS });
      assert.notEqual(code, 0);
      assert.match(stderr.trim().split("\n").at(-1) ?? "", message);
      assert.doesNotMatch(stderr, /^ +at /m, "a stack was shown");
    };
    await refused(["--storages", "0"], /error: --storages/);
    await refused(["--replicas", "1"], /1 replicas need at least 2 storages/);
    const [hostname = "", port] = place.master.split(":");
    const taken = Deno.listen({ hostname, port: Number(port) });
    await refused([], /master has ended: .*in use/);
    taken.close();
    await refused(["--partitions", "7"], /was created with partitions 12, not 7/);
  });
});
