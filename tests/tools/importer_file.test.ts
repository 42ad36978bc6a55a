/** importer.conf, as NEO 1.11 has it. */

import assert from "node:assert/strict";
import { parseImporterFile } from "../../tools/importer_file.ts";

const STORAGE = "storage =\n  <filestorage>\n    path /data/root.fs\n  </filestorage>";
const MAIN = "[neo]\ndatabase = neo@zodb/run/my.sock\n";

const parse = (text: string) => parseImporterFile(text, "importer.conf");

Deno.test("a whole file is read", () => {
  const { importer, own } = parse(`# Our databases.
[neo]
adapter: SQLite
database: ~/neo.sqlite
compress: zlib=9

[root]
storage =
  <filestorage 1>
    # a comment
    path /data/with a space/root.fs
    create false
  </filestorage>
Catalog = 1234
second = 5

[catalog]
storage = <filestorage>
  path catalog.fs
  </filestorage>
oid = 7
`);
  assert.deepEqual(own, {
    ...{ adapter: "SQLite", database: "~/neo.sqlite", engine: undefined, wait: 0 },
  });
  assert.deepEqual(importer, {
    compress: 9,
    writeBack: false,
    sources: [
      {
        ...{ name: "root", path: "/data/with a space/root.fs", oid: 0n },
        mountPoints: new Map([["catalog", 1234n], ["second", 5n]]),
      },
      { name: "catalog", path: "catalog.fs", oid: 7n, mountPoints: new Map() },
    ],
  });
});

Deno.test("what is not said is as with NEO", () => {
  const { importer, own } = parse(`${MAIN}[root]\n${STORAGE}\n`);
  assert.deepEqual([own.adapter, own.database], ["MySQL", "neo@zodb/run/my.sock"]);
  assert.deepEqual([importer.compress, importer.writeBack], [true, false]);
  const written = parse(`${MAIN}writeback: true\ncompress: false\n[root]\n${STORAGE}\n`);
  assert.deepEqual([written.importer.compress, written.importer.writeBack], [false, true]);
});

Deno.test("keys that others refer to, or that all sections inherit, are no mistakes", () => {
  const text = `[DEFAULT]\nbase = /data\n[neo]\ndatabase = %(name)s\nname = x@y\n`;
  const storage = STORAGE.replace("/data", "%(base)s");
  // What all sections inherit is a mount point as well: it has no place here but in NEO's.
  assert.throws(() => parse(`${text}[root]\n${storage}\n`), /expected an oid for base/);
  const { own } = parse(`${text.replace(/^.*\n.*\n/, "")}[root]\n${STORAGE}\n`);
  assert.equal(own.database, "x@y");
});

Deno.test("mistakes are told in one line that says where", () => {
  const storage = (text: string) => `${MAIN}[root]\nstorage = ${text}\n`;
  const wrong: [string, RegExp][] = [
    ["", /expected a section that says where to import to/],
    [MAIN, /and one for each ZODB/],
    [`[neo]\n[root]\n${STORAGE}\n`, /section neo: expected a value for database/],
    [`${MAIN}[root]\noid = 0\n`, /section root: expected a value for storage/],
    [`${MAIN}writeback = yes\n[root]\n${STORAGE}\n`, /expected true or false for writeback/],
    [`${MAIN}wait = soon\n[root]\n${STORAGE}\n`, /expected seconds for wait, found 'soon'/],
    [`${MAIN}compress = lzma\n[root]\n${STORAGE}\n`, /zlib=9 for compress, found 'lzma'/],
    [
      `${MAIN}compres = false\n[root]\n${STORAGE}\n`,
      /section neo: there is no key 'compres' \(did you mean 'compress'\?\): correct or remove it$/,
    ],
    [
      `${MAIN}[a]\n${STORAGE}\nb = 1\n[b]\n${STORAGE.replace("/data/", "/data/../data/")}\n`,
      /importer\.conf: the sections a and b both import \/data\/root\.fs: expected it in one/,
    ],
    [`${MAIN}writeback = true\n[a]\n${STORAGE}\n[b]\n${STORAGE}\n`, /Can not forward new/],
    [`${MAIN}[root]\n${STORAGE}\nother = x\n`, /section root: expected an oid for other/],
    [storage("<zeoclient>\n  server x\n  </zeoclient>"), /found <zeoclient>: stop the ZEO/],
    [storage("<relstorage>\n  </relstorage>"), /found <relstorage>: convert it/],
    [storage("Data.fs"), /expected <filestorage>.* found 'Data.fs'/],
    [storage("<filestorage>\n  </filestorage>"), /expected the path/],
    [storage("<filestorage>\n  path x\n  blob-dir y\n  </filestorage>"), /no room for blobs/],
    [storage("<filestorage>\n  path x\n  color y\n  </filestorage>"), /there is no key color/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(() => parse(text), { name: "ConfigurationError", message }, text);
  }
});
