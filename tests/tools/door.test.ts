import assert from "node:assert/strict";
import door from "../../tools/lint/door.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What the plugin says of a source, as `rule: message`. */
function findings(room: string, source: string): string[] {
  return Deno.lint.runPlugin(door, `${ROOT}${room}`, source)
    .map(({ id, message }) => `${id}: ${message}`);
}

const OUTSIDE: Readonly<Record<string, string>> = {
  "Deno.readTextFileSync('x');": "Deno",
  "let file: Deno.FsFile;": "Deno",
  "const { args } = Deno;": "Deno",
  "globalThis.name;": "globalThis",
  "process.exit();": "process",
  "await fetch('http://localhost');": "fetch",
  "crypto.getRandomValues(bytes);": "crypto",
  "performance.now();": "performance",
  "setTimeout(() => {}, 1);": "setTimeout",
  "setInterval(() => {}, 1);": "setInterval",
  "setImmediate(() => {});": "setImmediate",
  "use({ setTimeout });": "setTimeout",
  "Date.now();": "Date.now",
  "Date['now']();": "Date.now",
  "new Date();": "new Date()",
  "Date();": "Date()",
  "const { now } = Date;": "another name for Date",
  "Math.random();": "Math.random",
  "const maths = Math;": "another name for Math",
  "import fs from 'node:fs';": "node:fs",
  "import { readFile } from 'node:fs/promises';": "node:fs/promises",
  "import net from 'node:net';": "node:net",
  "import tls from 'node:tls';": "node:tls",
  "import dns from 'node:dns';": "node:dns",
  "import http from 'node:http';": "node:http",
  "import http2 from 'node:http2';": "node:http2",
  "import https from 'node:https';": "node:https",
  "import { DatabaseSync } from 'node:sqlite';": "node:sqlite",
  "import { spawn } from 'node:child_process';": "node:child_process",
  "import { pid } from 'node:process';": "node:process",
  "import os from 'node:os';": "node:os",
  "import { setTimeout as wait } from 'node:timers';": "node:timers",
  "import { Worker } from 'node:worker_threads';": "node:worker_threads",
  "import { monitorEventLoopDelay } from 'node:perf_hooks';": "node:perf_hooks",
  "import { randomBytes } from 'node:crypto';": "randomBytes of node:crypto",
  "import * as hashes from 'node:crypto';": "* of node:crypto",
  "import { createGzip } from 'node:zlib';": "createGzip of node:zlib",
  "await import('node:fs');": "node:fs",
  "export * from 'node:net';": "node:net",
  "export { createServer } from 'node:net';": "node:net",
};

const INNOCENT = `
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import type { ClientHost } from "../host/host.ts";

interface Door {
  performance: number;
  fetch(oid: bigint): void;
}

export function look(host: ClientHost, door: Door): Date {
  queueMicrotask(() => door.fetch(1n));
  host.setTimer(Math.max(1, door.performance), () => {});
  const table = { process: 1, setTimeout: 2 };
  assert.ok(table.process + table.setTimeout);
  assert.ok(deflateSync(Buffer.from(createHash("sha1").update("").digest())));
  return new Date(host.now());
}
`;

for (const room of ["nodes/wire/a.ts", "nodes/storage/backend/a.ts", "gen/a.ts", "mod.ts"]) {
  Deno.test(`door: ${room} reaches outside by no way`, () => {
    for (const [source, what] of Object.entries(OUTSIDE)) {
      const found = findings(room, source);
      assert.ok(found.includes(`door/outside: ${what} reaches outside.`), `${source}: ${found}`);
    }
  });
}

Deno.test("door: what only computes may be used anywhere", () => {
  for (const room of ["nodes/wire/a.ts", "nodes/master/a.ts", "mod.ts"]) {
    assert.deepEqual(findings(room, INNOCENT), []);
  }
});

Deno.test("door: tools, tests and the host may reach outside", () => {
  const source = Object.keys(OUTSIDE).filter((each) => !each.includes("Deno")).join("\n");
  for (const room of ["tools/a.ts", "tests/sim/a.ts", "nodes/host/a.ts"]) {
    assert.deepEqual(findings(room, source), [], room);
  }
});

Deno.test("door: only the servers' part of the host needs Deno", () => {
  const source = "Deno.pid;";
  for (const name of ["client", "network", "tls"]) {
    assert.equal(findings(`nodes/host/${name}.ts`, source).length, 1, name);
  }
  for (const name of ["node", "sqlite", "database_lock", "signals"]) {
    assert.deepEqual(findings(`nodes/host/${name}.ts`, source), [], name);
  }
});

Deno.test("door: the client imports nothing third-party", () => {
  const rooms = ["mod.ts", "gen/a.ts", "nodes/errors.ts"].concat(
    ["codec", "wire", "cluster", "client", "host"].map((name) => `nodes/${name}/a.ts`),
  );
  const specifiers = ["npm:zod", "zod", "jsr:@std/assert", "https://example.org/x.ts", "/x.ts"];
  for (const room of rooms) {
    for (const specifier of specifiers) {
      assert.deepEqual(
        findings(room, `import { a } from "${specifier}";`),
        [`door/third-party: The client imports "${specifier}", which is not its own.`],
      );
    }
    assert.deepEqual(findings(room, 'export * from "./b.ts"; import { a } from "../c.ts";'), []);
  }
  for (const room of ["nodes/storage/backend/a.ts", "tools/a.ts"]) {
    assert.deepEqual(findings(room, 'import { z } from "zod";'), []);
  }
});

Deno.test("door: it is shut", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["lint", "--json"],
    cwd: ROOT,
    stderr: "null",
  }).output();
  const report: unknown = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(typeof report === "object" && report !== null && "diagnostics" in report);
  assert.ok(Array.isArray(report.diagnostics));
  const found = report.diagnostics.filter(({ code }) => /^door\//.test(code));
  assert.deepEqual(found.map(({ code, filename }) => `${code} ${filename}`), []);
});

Deno.test("door: behind the client are only its own files and Node's modules", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", `${ROOT}nodes/host/client.ts`],
  }).output();
  const graph: unknown = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(typeof graph === "object" && graph !== null && "modules" in graph);
  assert.ok(Array.isArray(graph.modules) && graph.modules.length > 5);
  for (const { specifier } of graph.modules) {
    assert.ok(specifier.startsWith("node:") || specifier.startsWith(`file://${ROOT}`), specifier);
  }
});
