/**
 * `neo log` on logs that somebody has made up: nothing in them is run, each costs no more than its
 * size, and what can be read of it is shown.
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
import BZip2 from "bzip2-wasm";
import * as p from "../../gen/packets.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { inDirectory } from "../support/directory.ts";
import { shown, TestLog } from "./log_support.ts";

const bzip2 = new BZip2();
await bzip2.init();

/** The text of a log, as a hostile one could have it. */
function protocolText(text: string): Uint8Array {
  return Buffer.from(bzip2.compress(new TextEncoder().encode(text), 9));
}

const HOSTILE: Readonly<Record<string, string>> = {
  "a program": "import os\nos.mkdir('DIRECTORY/ran')\n",
  "a program after a description": "protocol = {}\n__import__('os').mkdir('DIRECTORY/ran')\n",
  "a description that is none": `protocol = {"format":"NEO/ts protocol description 1"}`,
  "a description without end": `protocol = {"format":`,
  "far too much": `protocol = {"x":"${"x".repeat(3 << 20)}"}`,
  "deep nesting": `protocol = ${'{"list":'.repeat(100_000)}1${"}".repeat(100_000)}`,
};

for (const [what, text] of Object.entries(HOSTILE)) {
  Deno.test(`a log with ${what} as its protocol is read, and nothing of it is run`, () =>
    inDirectory(async (directory) => {
      const path = `${directory}/x.log`;
      {
        using log = new TestLog(path, protocolText(text.replace("DIRECTORY", directory)));
        log.packet("<", p.SetClusterState, { state: "VERIFYING" });
      }
      const [line] = await shown([path], { dateFormat: "", nodeColumn: false, shown: "raw" });
      assert.match(line ?? "", /SetClusterState .*<EnumItem VERIFYING \(1\)>/);
      assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["x.log"]);
    }));
}

/** The description of a made-up protocol. */
function described(parts: { readonly structs?: unknown; readonly packets: unknown }): string {
  const format = "NEO/ts protocol description 1";
  const all = { format, dialect: "x", nodeIds: {}, enumerations: {}, structs: {}, ...parts };
  return `protocol = ${JSON.stringify(all)}\n`;
}

Deno.test("a description is followed where it is another one, and never beyond the packet", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/x.log`;
    const self = { structs: { S: [["s", "S"]], E: [] } };
    const packets = {
      "1": ["Renamed", [["a", "u32"]]],
      "2": ["Endless", [["a", "S"]]],
      "3": ["Many", [["a", { list: "E" }]]],
      "4": ["Inherited", [["a", "constructor"]]],
      "5": ["Odd", [["a", "toString"]]],
    };
    {
      using log = new TestLog(path, protocolText(described({ ...self, packets })));
      const bytes = new Uint8Array(4).fill(0xff);
      for (let code = 1; code <= 5; code++) {
        log.recorder.packet("<", "?", { id: 0, code, bytes, start: 0, end: 4 });
      }
      log.recorder.packet("<", "?", { id: 0, code: 0, bytes, start: 0, end: 4 });
    }
    const lines = await shown([path], { dateFormat: "", nodeColumn: false, shown: "raw" });
    assert.deepEqual(lines.map((line) => line.replace(/ +/g, " ")), [
      "PACKET #0x0000 Renamed < ? \t| (4294967295,)",
      ...["Endless", "Many", "Inherited", "Odd"].flatMap((name) => [
        `PACKET #0x0000 ${name} < ?`,
        "PACKET Can't decode packet",
      ]),
      "PACKET #0x0000 UnknownPacket[0] < ?",
    ]);
  }));

/** Structs of many structs of many structs, and at last of nothing. */
function endless(): Record<string, unknown> {
  const fieldsOf = (type: string) => Array.from({ length: 30 }, (_, at) => [`f${at}`, type]);
  const levels = Array.from({ length: 12 }, (_, at) => [`S${at + 1}`, fieldsOf(`S${at}`)]);
  return { S0: [], ...Object.fromEntries(levels) };
}

const MANY = 400_000;

/** A time that no calendar has, after the other fields of a node. */
function nodeOfNoTime(): Uint8Array {
  const body = new Uint8Array(26);
  const view = new DataView(body.buffer);
  view.setUint32(4, 1);
  view.setFloat64(18, 1e300);
  return body;
}

function manyNodes(): Uint8Array {
  const body = new Uint8Array(8 + MANY);
  new DataView(body.buffer).setUint32(4, MANY);
  return body;
}

const COSTLY: Readonly<
  Record<string, { structs?: unknown; packet: unknown; body: Uint8Array; expected: RegExp[] }>
> = {
  "structs without end that are made of nothing": {
    structs: endless(),
    packet: ["X", [["a", "S12"]]],
    body: new Uint8Array(4),
    expected: [/ X +< \?$/, / Can't decode packet$/],
  },
  "structs of themselves, where object data are looked for": {
    structs: { S: Array.from({ length: 1000 }, (_, at) => [`f${at}`, "S"]) },
    packet: ["X", [["a", { option: "S" }]]],
    body: new Uint8Array(1),
    expected: [/ X +< \? \t\| \(None,\)$/],
  },
  "more nodes than a call has arguments": {
    packet: ["NotifyNodeInformation", [["t", "u32"], ["nodes", { list: "bool" }]]],
    body: manyNodes(),
    expected: [
      / NotifyNodeInformation /,
      ...new Array<RegExp>(MANY).fill(/ ! None \| None \| {2}\| None \| None$/),
    ],
  },
  "a time that is none": {
    structs: {
      N: [["a", "bool"], ["b", { option: "u32" }], ["c", "u32"], ["d", "u32"], ["e", "timestamp"]],
    },
    packet: ["NotifyNodeInformation", [["t", "u32"], ["nodes", { list: "N" }]]],
    body: nodeOfNoTime(),
    expected: [/ NotifyNodeInformation /, / \| 1e\+300$/],
  },
};

for (const [what, { structs = {}, packet, body, expected }] of Object.entries(COSTLY)) {
  Deno.test(`a log with ${what} is shown at once`, () =>
    inDirectory(async (directory) => {
      const path = `${directory}/x.log`;
      {
        const text = described({ structs, packets: { "1": packet } });
        using log = new TestLog(path, protocolText(text));
        const { length } = body;
        log.recorder.packet("<", "?", { id: 0, code: 1, bytes: body, start: 0, end: length });
      }
      const lines = await shown([path], { shown: "decompressed" });
      assert.equal(lines.length, expected.length);
      for (const [at, line] of lines.entries()) assert.match(line, expected[at] ?? /^$/);
    }));
}

/** Makes a log file by SQL. */
function made(directory: string, sql: string): string {
  const path = `${directory}/x.log`;
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
  return path;
}

Deno.test("of rows of any types what can be read is shown", () =>
  inDirectory(async (directory) => {
    const path = made(
      directory,
      `CREATE TABLE log (date, name, level, msg);
      CREATE TABLE packet (date, name, msg_id, code, peer, body);
      INSERT INTO log VALUES ('x', NULL, 20, 'text'), (NULL, NULL, 20, 'null'), (1, NULL, 'a', NULL),
        (2, x'6f', 1e300, x'ff00'), (3, NULL, 20, 'plain'), (9e999, NULL, 20, 'far');
      INSERT INTO packet VALUES (4, NULL, 'q', 'constructor', NULL, 'text'),
        (5, NULL, -5, 9223372036854775807, 7, x'00');`,
    );
    const lines = await shown([path], { dateFormat: "", nodeColumn: false, shown: "raw" });
    assert.ok(lines.includes("INFO      plain") && lines.includes("INFO      far"), `${lines}`);
    assert.equal(lines.filter((line) => /^PACKET .*UnknownPacket/.test(line)).length, 2);
  }));

Deno.test("a log whose table is a view without end is refused", () =>
  inDirectory(async (directory) => {
    const path = made(
      directory,
      `CREATE VIEW log AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)
      SELECT 1.0 AS date, NULL AS name, 20 AS level, 'x' AS msg FROM c`,
    );
    await assert.rejects(shown([path]), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /x\.log is not a log of NEO: it has views/);
      return true;
    });
  }));
