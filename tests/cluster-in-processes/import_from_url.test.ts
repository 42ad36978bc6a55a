/** mod.ts as others get it: imported from a URL, with no configuration and no import map. */

import assert from "node:assert/strict";
import { ROOT } from "../support/cluster.ts";
import { NEO } from "../support/neo.ts";
import { freePorts } from "../support/ports.ts";
import { Child, run } from "../support/process.ts";

const WAIT_MS = 60_000;

/** The checkout over HTTP. Whatever is asked for is noted in `asked`. */
function serveCheckout(asked: Set<string>): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    asked.add(pathname);
    try {
      const text = await Deno.readTextFile(ROOT + pathname.slice(1));
      return new Response(text, { headers: { "content-type": "application/typescript" } });
    } catch {
      return new Response("not found", { status: 404 });
    }
  });
}

Deno.test("a program imports mod.ts from a URL, and uses a cluster", async () => {
  const directory = await Deno.makeTempDir({ prefix: "neo-url-" });
  const [master, admin] = freePorts(2).map((port) => `127.0.0.1:${port}`);
  assert.ok(master !== undefined && admin !== undefined);
  const asked = new Set<string>();
  const server = serveCheckout(asked);
  const places = ["--data", `${directory}/data`, "--master", master, "--admin", admin];
  await using cluster = Child.start([...NEO, "cluster", ...places], { name: "neo cluster" });
  try {
    await cluster.waitForOutput(/Ctrl-C stops/, WAIT_MS);
    const script = `${directory}/program.ts`;
    await Deno.writeTextFile(
      script,
      `import { connect } from "http://127.0.0.1:${server.addr.port}/mod.ts";
await using client = await connect("neo://main@${master}");
const oid = await client.transact((tx) => tx.create(new TextEncoder().encode("from a URL")));
console.log(new TextDecoder().decode((await client.load(oid)).data));
`,
    );
    const command = [Deno.execPath(), "run", "--no-config", "--no-lock", "--check", "-A", script];
    const { code, stdout, stderr } = await run(command, {
      name: "program",
      timeoutMs: WAIT_MS,
      env: { DENO_DIR: `${directory}/cache`, NO_COLOR: "1" },
    });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "from a URL\n");
    assert.ok(asked.has("/nodes/client/client.ts"));
    const servers = [...asked].filter((path) =>
      /^\/(tools|nodes\/(master|storage|admin))/.test(path)
    );
    assert.deepEqual(servers, [], "a client needs nothing of the servers");
    cluster.signal("SIGINT");
    assert.equal((await cluster.waitForExit(WAIT_MS)).code, 0);
  } finally {
    await server.shutdown();
    await cluster.kill();
    await Deno.remove(directory, { recursive: true });
  }
});
