/** The generator: what it refuses, when gen/ is stale, and that one dialect is not the only one. */

import assert from "node:assert/strict";
import { fileURLToPath, pathToFileURL } from "node:url";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import * as p from "../../gen/packets.ts";
import { tid } from "../../nodes/codec/ids.ts";
import type { Dialect } from "../../nodes/codec/packet.ts";
import { Reader } from "../../nodes/codec/reader.ts";
import { Writer } from "../../nodes/codec/writer.ts";
import { Connection } from "../../nodes/wire/connection.ts";
import { generate, staleFiles } from "../../tools/generator/main.ts";
import { readProtocol } from "../../tools/generator/schema.ts";
import { SimulatedWorld } from "../sim/world.ts";
import { header } from "../support/codec.ts";
import { Sink } from "./sink.ts";

const ROOT = new URL("../../", import.meta.url);
const text = Deno.readTextFileSync(new URL("protocol.schema.json", ROOT));

/** A part of the schema that a test changes. */
interface Tree {
  [key: string]: Tree;
}

/** The schema with changes. */
function changed(change: (schema: Tree) => void): string {
  const schema = JSON.parse(text);
  change(schema);
  return JSON.stringify(schema);
}

/** The part of the schema at a path; the path must exist. */
function at(tree: Tree, ...path: string[]): Tree {
  let found = tree;
  for (const key of path) found = found[key] ?? assert.fail(`no ${key} in ${path.join(".")}`);
  return found;
}

function put(tree: Tree, path: readonly string[], value: unknown): void {
  const last = path.at(-1) ?? assert.fail("an empty path");
  Object.assign(at(tree, ...path.slice(0, -1)), { [last]: value });
}

const DIALECT = "neo-1.11";

const REFUSALS: [string, (schema: Tree) => void, RegExp][] = [
  [
    "a field of an unknown type",
    (s) =>
      put(at(s, "$defs"), ["AskPack", "properties", "args", "prefixItems"], [
        { field: "tid", $ref: "#/$defs/tide" },
      ]),
    /AskPack\.tid: tide is not the name of a type/,
  ],
  [
    "a field without a type",
    (s) =>
      put(at(s, "$defs"), ["AskPack", "properties", "args", "prefixItems"], [
        { field: "tid", type: "string" },
      ]),
    /AskPack\.tid: neither a container nor a reference/,
  ],
  [
    "a packet as a field's type",
    (s) =>
      put(at(s, "$defs"), ["AskPack", "properties", "args", "prefixItems"], [
        { field: "tid", $ref: "#/$defs/Ping" },
      ]),
    /AskPack\.tid: Ping is not the name of a type/,
  ],
  [
    "two packets of one code",
    (s) => put(s, ["$defs", "Ping", "packet", "dialects", DIALECT, "code"], 4),
    /AskPrimary: its code is that of Ping/,
  ],
  [
    "an answer that is none",
    (s) => put(s, ["$defs", "Ping", "packet", "answer"], "AskPack"),
    /Ping: AskPack is not an answer/,
  ],
  [
    "an answer that does not exist",
    (s) => put(s, ["$defs", "Ping", "packet", "answer"], "Pang"),
    /Ping: Pang is not an answer/,
  ],
  [
    "a request without an answer",
    (s) => put(s, ["$defs", "Ping", "packet", "answer"], null),
    /Ping: a request has an answer/,
  ],
  [
    "a notification with an answer",
    (s) => put(s, ["$defs", "NotifyReady", "packet", "answer"], "Pong"),
    /NotifyReady: a request has an answer, and only a request/,
  ],
  [
    "an unknown flow",
    (s) => put(s, ["$defs", "AskPack", "packet", "flows"], [{ flow: "clientToMoon" }]),
    /AskPack: unknown flow clientToMoon/,
  ],
  [
    "an answer in a flow",
    (s) => put(s, ["$defs", "Pong", "packet", "flows"], [{ flow: "clientToMaster" }]),
    /Pong: an answer in flow clientToMaster/,
  ],
  [
    "a packet of an unknown dialect",
    (s) => put(s, ["$defs", "AskPack", "packet", "dialects"], { "neo-1.1": { code: 1 } }),
    /AskPack: unknown dialect neo-1\.1/,
  ],
  [
    "a packet of no dialect",
    (s) => put(s, ["$defs", "AskPack", "packet", "dialects"], {}),
    /AskPack: no dialect has it/,
  ],
  [
    "an answer whose code has no answer bit",
    (s) => put(s, ["$defs", "AnswerPack", "packet", "dialects", DIALECT, "code"], 0x1234),
    /AnswerPack: an answer's code has the answer bit/,
  ],
  [
    "a request whose code has the answer bit",
    (s) => put(s, ["$defs", "AskPack", "packet", "dialects", DIALECT, "code"], 0x9234),
    /AskPack: an answer's code has the answer bit, and only an answer's/,
  ],
  [
    "a code of more than 16 bits",
    (s) => put(s, ["$defs", "AskPack", "packet", "dialects", DIALECT, "code"], 0x10000),
    /code/,
  ],
  [
    "a kind of packet that is none",
    (s) => put(s, ["$defs", "AskPack", "packet", "kind"], "question"),
    /kind/,
  ],
  [
    "a scalar that takes no byte",
    (s) => put(s, ["$defs", "bool", "scalar", "wire", DIALECT, "minBytes"], 0),
    /minBytes/,
  ],
  [
    "an enumeration's value that does not fit",
    (s) => put(s, ["$defs", "NodeType", "enumeration", "wire", DIALECT, "values", "ADMIN"], 128),
    /ADMIN/,
  ],
  [
    "a struct without fields",
    (s) => put(s, ["$defs", "Cell", "prefixItems"], []),
    /expected array to have >=1 items/,
  ],
  [
    "a first byte that is none",
    (s) => put(s, ["dialects", DIALECT, "handshake"], "0000000x"),
    /handshake/,
  ],
  [
    "two dialects of nearly one name",
    (s) => put(s, ["dialects", "neo_1.11"], at(s, "dialects", DIALECT)),
    /two dialects differ in their punctuation only/,
  ],
];

for (const [name, change, reason] of REFUSALS) {
  Deno.test(`a schema is refused for ${name}`, () => {
    assert.throws(() => readProtocol(changed(change)), reason);
  });
}

Deno.test("gen/ is what the schema gives, and any difference is found", async () => {
  const files = await generate(text);
  assert.deepEqual(staleFiles(files, new URL("gen/", ROOT)), []);
  const directory = await Deno.makeTempDir();
  try {
    const url = new URL(`${pathToFileURL(directory)}/`);
    const write = (name: string, content: string) =>
      Deno.writeTextFileSync(new URL(name, url), content);
    // Nothing there yet.
    assert.deepEqual(staleFiles(files, url), [...files.keys()].sort());
    for (const [name, content] of files) write(name, content);
    assert.deepEqual(staleFiles(files, url), []);
    // One was edited.
    write("flows.ts", files.get("flows.ts") + "\n");
    assert.deepEqual(staleFiles(files, url), ["flows.ts"]);
    // One should not be there.
    write("extra.ts", "");
    assert.deepEqual(staleFiles(files, url), ["extra.ts", "flows.ts"]);
    Deno.removeSync(new URL("packets.ts", url));
    assert.deepEqual(staleFiles(files, url), ["extra.ts", "flows.ts", "packets.ts"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a change of the schema makes gen/ stale", async () => {
  const files = await generate(
    changed((s) => put(s, ["$defs", "AskPack", "packet", "processedWhenClosed"], false)),
  );
  assert.deepEqual(staleFiles(files, new URL("gen/", ROOT)), ["packets.ts"]);
});

Deno.test("the check of gen/ passes on what is committed", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fileURLToPath(new URL("tools/generator/main.ts", ROOT)), "--check"],
    cwd: fileURLToPath(ROOT),
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
});

const MADE_UP = "made-up";
/** Codes that no packet of 1.11 has. */
const CODE_SHIFT = 0x1000;

/** The schema with a second dialect: other first bytes, codes and values, and no packs. */
function withMadeUpDialect(): string {
  return changed((schema) => {
    put(schema, ["dialects", MADE_UP], {
      handshake: "4d55",
      answerBit: 0x8000,
      maxBodyBytes: 1000,
    });
    for (const [name, definition] of Object.entries(at(schema, "$defs"))) {
      const { scalar, enumeration, packet } = definition;
      if (scalar !== undefined) copyWire(scalar, (wire) => wire);
      if (enumeration !== undefined) {
        copyWire(enumeration, ({ values }) => ({
          values: Object.fromEntries(
            Object.entries(values ?? {}).map(([key], index) => [key, 2 * index + 3]),
          ),
        }));
      }
      if (packet === undefined || ["AskPack", "AnswerPack"].includes(name)) continue;
      const code = Number(at(packet, "dialects", DIALECT).code);
      put(packet, ["dialects", MADE_UP], { code: code + CODE_SHIFT });
    }
  });
}

function copyWire(keyword: Tree, copy: (wire: Tree) => unknown): void {
  put(keyword, ["wire", MADE_UP], copy(at(keyword, "wire", DIALECT)));
}

/** Writes generated files where their imports find the project; returns where they are. */
async function writeGenerated(
  files: ReadonlyMap<string, string>,
  packets: string,
): Promise<{ url: URL } & AsyncDisposable> {
  const directory = await Deno.makeTempDir();
  const url = new URL(`${pathToFileURL(directory)}/`);
  for (const [name, content] of files) {
    const imports = content
      .replaceAll(`"../nodes/`, `"${new URL("nodes/", ROOT)}`)
      .replaceAll(`"./packets.ts"`, `"${packets}"`);
    Deno.writeTextFileSync(new URL(name, url), imports);
  }
  return {
    url,
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

Deno.test("a second dialect compiles, and so do the files that it shares with the first", async () => {
  const files = await generate(withMadeUpDialect());
  assert.deepEqual([...files.keys()].sort(), [
    "flows.ts",
    "made_up.ts",
    "made_up_json.ts",
    "made_up_log.ts",
    "neo_1_11.ts",
    "neo_1_11_json.ts",
    "neo_1_11_log.ts",
    "packets.ts",
  ]);
  await using generated = await writeGenerated(files, "./packets.ts");
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "check",
      `--config=${fileURLToPath(new URL("deno.json", ROOT))}`,
      ...[...files.keys()].map((name) => fileURLToPath(new URL(name, generated.url))),
    ],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
});

Deno.test("adding a dialect changes nothing of the first one's codecs", async () => {
  const before = await generate(text);
  const after = await generate(withMadeUpDialect());
  for (const name of ["neo_1_11_json.ts", "flows.ts"]) {
    assert.equal(after.get(name), before.get(name), name);
  }
  const lines = (after.get("neo_1_11.ts") ?? "").split("\n");
  assert.deepEqual(lines, (before.get("neo_1_11.ts") ?? "").split("\n"));
});

/** The made-up dialect, on the packet types that connections know. */
async function madeUpDialect(): Promise<Dialect<p.Codecs>> {
  const files = await generate(withMadeUpDialect());
  const packets = new URL("gen/packets.ts", ROOT).href;
  await using generated = await writeGenerated(
    new Map([["made_up.ts", files.get("made_up.ts") ?? ""]]),
    packets,
  );
  const { made_up } = await import(new URL("made_up.ts", generated.url).href);
  return made_up;
}

Deno.test("a second dialect has its own codes, values and set of packets", async () => {
  const dialect = await madeUpDialect();
  assert.equal(dialect.name, MADE_UP);
  assert.deepEqual(dialect.handshake, new Uint8Array([0x4d, 0x55]));
  assert.equal(p.AskPack.codec(dialect.codecs), null);
  assert.equal(dialect.typeOf(0x0030), undefined);
  assert.equal(dialect.typeOf(0x0030 + CODE_SHIFT), undefined);
  for (const type of p.PACKET_TYPES) {
    const code = type.codec(neo_1_11.codecs)?.code ?? 0;
    if (type === p.AskPack || type === p.AnswerPack) continue;
    assert.equal(type.codec(dialect.codecs)?.code, code + CODE_SHIFT, type.name);
    assert.equal(dialect.typeOf(code + CODE_SHIFT), type);
  }
  const codec = p.SetClusterState.codec(dialect.codecs);
  assert.ok(codec);
  for (const [index, state] of p.CLUSTER_STATES.entries()) {
    const writer = new Writer();
    codec.encode(writer, { state });
    const bytes = writer.take();
    assert.deepEqual(bytes, new Uint8Array([2 * index + 3]));
    assert.deepEqual(codec.decode(new Reader("SetClusterState", bytes)), { state });
  }
  // No name has this value.
  assert.throws(() => codec.decode(new Reader("SetClusterState", new Uint8Array([4]))), {
    name: "MalformedPacketError",
  });
});

Deno.test("a connection speaks a second dialect", async () => {
  const dialect = await madeUpDialect();
  const sink = new Sink();
  const connection = new Connection(sink, {
    host: new SimulatedWorld(1).host("node"),
    dialect,
    label: "?",
    fatal: (error) => assert.fail(String(error)),
  });
  connection.start(() => false);
  await assert.rejects(connection.ask(p.AskPack, { tid: tid(1n) }), {
    message: "AskPack.(code): made-up has no such packet",
  });
  sink.events?.data(new Uint8Array([0x4d, 0x55, ...header(7, 2 + CODE_SHIFT, 0)]));
  assert.deepEqual(
    sink.writes.flatMap((bytes) => [...bytes]),
    [0x4d, 0x55, ...header(7, 0x8002 + CODE_SHIFT, 0)],
  );
  // The limits are the dialect's as well, and codes of 1.11 mean nothing.
  assert.throws(
    () => connection.notify(p.InvalidateObjects, { tid: tid(1n), oids: new Array(200).fill(1n) }),
    { name: "MalformedPacketError" },
  );
  sink.events?.data(header(8, 2, 0));
  assert.equal(connection.closed, true);
});
