/** `neo check-config`: what it finds wrong, all of it at once, and what it leaves alone. */

import assert from "node:assert/strict";
import { ConfigurationError } from "../../nodes/errors.ts";
import { ADMIN } from "../../tools/commands/admin.ts";
import { MASTER } from "../../tools/commands/master.ts";
import { STORAGE } from "../../tools/commands/storage.ts";
import { checkFile, type FileReport } from "../../tools/config_check/file.ts";
import { readSection } from "../../tools/config_file.ts";
import { keyOf, sectionValues } from "../../tools/options.ts";
import { ROOT } from "../support/cluster.ts";

function check(text: string): Promise<FileReport> {
  const resolve = (name: string) => Promise.resolve(name);
  return checkFile(text, "neo.conf", resolve);
}

/** Everything that is wrong with a file. */
async function mistakes(text: string): Promise<string[]> {
  const { mistakes, sections } = await check(text);
  return [
    ...mistakes,
    ...sections.flatMap(({ section, mistakes }) => mistakes.map((text) => `[${section}] ${text}`)),
  ];
}

const GOOD = `[DEFAULT]
cluster: main
masters: 127.0.0.1:10000
base: /tmp
[master]
bind: 127.0.0.1:10000
autostart: 2
[storage]
adapter: SQLite
database: %(base)s/one.sqlite
[storage-2]
adapter: MySQL
database: neo:secret@two
logfile: %(base)s/two.log
disable_drop_partitions: yes
[admin]
bind: 127.0.0.1:9999
`;

Deno.test("of a good file it says what each node would run with, and where that is from", async () => {
  const report = await check(GOOD);
  assert.deepEqual(await mistakes(GOOD), []);
  assert.deepEqual(report.sections.map(({ section, role }) => `${section} ${role}`), [
    "master master",
    "storage storage",
    "storage-2 storage",
    "admin admin",
  ]);
  const settings = report.sections.map(({ settings }) =>
    settings.map(({ key, value, from }) => `${key}=${value} ${from}`)
  );
  assert.ok(settings[0]?.includes("autostart=2 [master]"));
  assert.ok(settings[0]?.includes("partitions=100 default"));
  assert.ok(settings[1]?.includes("database=/tmp/one.sqlite [storage]"));
  assert.ok(settings[1]?.includes("masters=127.0.0.1:10000 [DEFAULT]"));
  assert.ok(settings[2]?.includes("database=neo:***@two [storage-2]"), "no password is shown");
  assert.ok(settings.flat().every((setting) => !setting.startsWith("file=")));
});

const MISTAKES: Readonly<Record<string, [(text: string) => string, RegExp]>> = {
  "a misspelt key": [
    (text) => text.replace("autostart", "autostrat"),
    /^\[master\] no node reads 'autostrat' \(did you mean 'autostart'\?\): correct or remove it$/,
  ],
  "a key with the dashes of the command line": [
    (text) => text.replace("disable_drop_partitions", "disable-drop-partitions"),
    /^\[storage-2\] no node reads 'disable-drop-partitions' \(did you mean 'disable_drop_partitions/,
  ],
  "a key of DEFAULT that nobody knows": [
    (text) => text.replace("base: /tmp", "base: /tmp\nfoo: 1"),
    /^\[DEFAULT\] no node reads 'foo': remove it$/,
  ],
  "a number that is none": [
    (text) => text.replace("autostart: 2", "autostart: two"),
    /^\[master\] argument -A\/--autostart: invalid int value: 'two'$/,
  ],
  "a choice that is none": [
    (text) => text.replace("adapter: MySQL", "adapter: mysql"),
    /^\[storage-2\] argument -a\/--adapter: invalid choice: 'mysql' \(choose from /,
  ],
  "a truth value that is none": [
    (text) => text.replace("partitions: yes", "partitions: maybe"),
    /^\[storage-2\] disable_drop_partitions: Not a boolean: maybe$/,
  ],
  "a value that is missing": [
    (text) => text.replace("database: neo:secret@two", ""),
    /^\[storage-2\] argument -d\/--database is required$/,
  ],
  "an empty value": [
    (text) => text.replace("bind: 127.0.0.1:9999", "bind:"),
    /^\[admin\] argument -b\/--bind: value is empty$/,
  ],
  "a reference to nothing": [
    (text) => text.replace("%(base)s", "%(nothing)s"),
    /^\[storage\] database: expected %% or %\(key\)s of a key that is there, found %\(nothing\)s$/,
  ],
  "a directory that is not there": [
    (text) => text.replace("%(base)s", "/nowhere"),
    /^\[storage\] database: there is no directory \/nowhere: create it$/,
  ],
  "a certificate that is not there": [
    (text) => text.replace("[admin]", "[admin]\nca: /nowhere/ca.pem"),
    /^\[admin\] ca: there is no file \/nowhere\/ca\.pem: create it, or correct its name$/,
  ],
  "a node that alone would use TLS": [
    (text) => text.replace("[admin]", `[admin]\nca: ${ROOT}LICENSE`),
    /^\[admin\] To enable encryption, 3 files must be provided/,
  ],
  "too many partitions": [
    (text) => text.replace("autostart: 2", "partitions: 100000"),
    /^\[master\] partitions must be at most 32768$/,
  ],
  "more replicas than can be counted": [
    (text) => text.replace("autostart: 2", "replicas: 99999999999999999999"),
    /^\[master\] replicas must be at most 4294967295$/,
  ],
  "less than no storages to start with": [
    (text) => text.replace("autostart: 2", "autostart: -1"),
    /^\[master\] autostart must be a positive integer$/,
  ],
  "a section for nothing": [
    (text) => text + "[other]\nx: 1\n",
    /^\[other\] it does not say which kind of node it is for: give it a name that begins with/,
  ],
  "two nodes at one address": [
    (text) => text.replace("127.0.0.1:9999", "127.0.0.1:10000"),
    /^\[admin\] has the same bind 127\.0\.0\.1:10000 as \[master\]: give one of them another port$/,
  ],
  "two nodes with one database": [
    (text) =>
      text.replace("adapter: MySQL", "adapter: SQLite").replace(
        "neo:secret@two",
        "/tmp/one.sqlite",
      ),
    /^\[storage-2\] has the same database \/tmp\/one\.sqlite as \[storage\]: give each its own$/,
  ],
  "a storage that knows no master": [
    (text) => text.replace("[storage]", "[storage]\nmasters: 127.0.0.1:1"),
    /^\[storage\] masters has none of the masters of its cluster in this file: add 127\.0\.0\.1:10000$/,
  ],
};

for (const [what, [change, expected]] of Object.entries(MISTAKES)) {
  Deno.test(`it finds ${what}`, async () => {
    const changed = change(GOOD);
    assert.notEqual(changed, GOOD);
    const found = await mistakes(changed);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0] ?? "", expected);
  });
}

Deno.test("it finds everything at once", async () => {
  const changes = [
    "a misspelt key",
    "a choice that is none",
    "an empty value",
    "a section for nothing",
  ];
  let text = GOOD;
  for (const name of changes) text = MISTAKES[name]?.[0](text) ?? assert.fail(name);
  assert.equal((await mistakes(text)).length, changes.length);
});

Deno.test("a file that is none, or that has no node, is refused", async () => {
  await assert.rejects(check("cluster: main\n"), ConfigurationError);
  await assert.rejects(check("[master]\nthis is no value\n"), /neo\.conf, line 2: expected/);
  await assert.rejects(check("\0".repeat(10_000)), ({ message }) => message.length < 500);
  assert.deepEqual(await mistakes("[DEFAULT]\ncluster: x\n"), [
    "there is no section for a node, such as [master]",
  ]);
});

Deno.test("autostart 0 is none, as with NEO: it makes no new database", async () => {
  const options = async (autostart: string) => {
    const section = readSection(GOOD.replace("autostart: 2", autostart), "master", "neo.conf");
    const values = sectionValues(MASTER.spec.options, section);
    return await MASTER.options(values, (name) => Promise.resolve(name));
  };
  for (
    const [text, expected] of [["autostart: 2", 2], ["autostart: 0", null], ["", null]] as const
  ) {
    const found = await options(text);
    assert.ok("autostart" in found);
    assert.equal(found.autostart, expected);
  }
});

/** Options that are for tests, and one that nobody wants in a file that is read at each start. */
const NOT_FOR_FILES = ["uuid", "reset"];

Deno.test("the example configuration has every option", () => {
  const text = Deno.readTextFileSync(`${ROOT}contrib/neo.conf`);
  const specs = [MASTER, STORAGE, ADMIN].flatMap(({ spec }) => spec.options);
  const keys = specs.filter(({ commandLineOnly, hidden }) => !commandLineOnly && !hidden).map(
    keyOf,
  );
  const missing = new Set(keys.filter((key) => !new RegExp(`^;?${key}:`, "m").test(text)));
  assert.deepEqual([...missing].sort(), [...NOT_FOR_FILES].sort());
});

Deno.test("the example files in contrib are what they say", async () => {
  const read = (name: string) => Deno.readTextFileSync(`${ROOT}contrib/${name}`);
  const text = read("neo.conf");
  const lacks = (await mistakes(text)).filter((mistake) =>
    !mistake.includes("there is no directory")
  );
  assert.deepEqual(lacks, []);
  // What is commented out is right as well, but for files that only its user has.
  const whole = text.replaceAll(/^;/gm, "").replaceAll("/etc/neo/", `${ROOT}contrib/`)
    .replaceAll("/var/lib/neo/", "/tmp/").replaceAll("/var/log/neo/", "/tmp/")
    .replaceAll(/^engine: .*$/gm, "");
  assert.deepEqual(
    (await mistakes(whole)).map((mistake) => mistake.replace(/: there is no file .*/, "")),
    ["master", "storage", "storage-2", "admin"].flatMap((section) =>
      ["ca", "cert", "key"].map((key) => `[${section}] ${key}`)
    ),
  );
});
