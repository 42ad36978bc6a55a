/** NEO's configuration files, as Python's ConfigParser reads them. */

import assert from "node:assert/strict";
import { ConfigurationError } from "../../nodes/errors.ts";
import { readSection } from "../../tools/config_file.ts";

const TEXT = `
# a comment
[DEFAULT]
cluster: test
masters: 127.0.0.1:10000
 127.0.0.1:10001
[storage]
Database = ~/%(cluster)s.sqlite ; where it is
percent: 100%%
empty:
[other]
cluster = another
`;

Deno.test("a section has its own values and those of DEFAULT", () => {
  const section = readSection(TEXT, "storage", "neo.conf");
  assert.equal(section.get("cluster"), "test");
  assert.equal(section.get("masters"), "127.0.0.1:10000\n127.0.0.1:10001");
  assert.equal(section.get("database"), "~/test.sqlite");
  assert.equal(section.get("percent"), "100%");
  assert.equal(section.get("empty"), "");
  assert.equal(readSection(TEXT, "other", "neo.conf").get("cluster"), "another");
});

for (
  const [what, text, section, message] of [
    [
      "a section that is not there",
      TEXT,
      "admin",
      /No section: 'admin' \(there is: storage, other\)/,
    ],
    ["DEFAULT", TEXT, "DEFAULT", /No section: 'DEFAULT'/],
    ["a line that is none", "[a]\nnonsense", "a", /neo.conf, line 2: expected \[section\]/],
    ["a key before the first section", "a: b", "a", /line 1: expected a \[section\]/],
    ["a lone %", "[a]\nb: 50%", "a", /b: expected %% or %\(key\)s/],
    ["an unknown reference", "[a]\nb: %(c)s", "a", /b: expected/],
    ["a reference to itself", "[a]\nb: %(b)s", "a", /refers to itself/],
  ] as const
) {
  Deno.test(`${what} is refused`, () => {
    assert.throws(
      () => readSection(text, section, "neo.conf"),
      (error) => error instanceof ConfigurationError && message.test(error.message),
    );
  });
}
