/** How the commands read their options: command line, file, defaults, and what they refuse. */

import assert from "node:assert/strict";
import { ConfigurationError } from "../../nodes/errors.ts";
import { parseCommandLine, UsageError } from "../../tools/options.ts";

const SPEC = {
  name: "neo test",
  description: "A command.",
  section: "test",
  options: [
    { flags: "-f, --file <file>", kind: "path", help: "", commandLineOnly: true },
    { flags: "-s, --section <name>", kind: "text", help: "", commandLineOnly: true },
    { flags: "-c, --cluster <name>", kind: "text", help: "", required: true },
    { flags: "-m, --masters <addresses>", kind: "text", help: "", default: "127.0.0.1:10000" },
    { flags: "-p, --partitions <count>", kind: "integer", help: "" },
    { flags: "-w, --wait <seconds>", kind: "number", help: "", default: "0" },
    { flags: "-a, --adapter <name>", kind: "text", help: "", choices: ["MySQL", "SQLite"] },
    { flags: "--dedup", kind: "flag", help: "" },
    { flags: "--disable-drop-partitions", kind: "flag", help: "" },
  ],
} as const;

function parse(args: string, file: string | null = null) {
  const line = parseCommandLine(SPEC, args.split(" "), () => file, (path) => path);
  assert.ok(line !== null);
  return line.values;
}

function refusal(args: string, file: string | null = null): ConfigurationError {
  try {
    parse(args, file);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  assert.fail(`${args} was accepted`);
}

Deno.test("options have short, long and abbreviated forms", () => {
  for (const args of ["-c x", "--cluster x", "--cluster=x", "--clu x", "--c=x"]) {
    assert.equal(parse(args).text("cluster"), "x", args);
  }
});

Deno.test("the command line is stronger than the file, and the file than the default", () => {
  const file = "[DEFAULT]\ncluster: d\nmasters: d:1\n[test]\ncluster: s\ndedup: yes\nwait: 1.5\n" +
    "disable_drop_partitions: on\nunknown: ignored\n";
  const values = parse("-f neo.conf -p 7", file);
  assert.equal(values.text("cluster"), "s");
  assert.equal(values.text("masters"), "d:1");
  assert.equal(values.integer("partitions"), 7);
  assert.equal(values.number("wait"), 1.5);
  assert.equal(values.flag("dedup"), true);
  assert.equal(values.flag("disable-drop-partitions"), true);
  assert.equal(parse("-f neo.conf -c mine", file).text("cluster"), "mine");
  assert.equal(parse("-c x").text("masters"), "127.0.0.1:10000");
  assert.equal(parse("-c x").flag("dedup"), false);
  assert.equal(parse("-c x --dedup").flag("dedup"), true);
});

Deno.test("a mistake is told in argparse's words", () => {
  const cases: [string, RegExp][] = [
    ["-p 1", /^argument -c\/--cluster is required$/],
    ["-c x -m ", /^argument -m\/--masters: value is empty$/],
    ["-c x -p many", /^argument -p\/--partitions: invalid int value: 'many'$/],
    ["-c x -w long", /^argument -w\/--wait: invalid float value: 'long'$/],
    [
      "-c x -a foo",
      /^argument -a\/--adapter: invalid choice: 'foo' \(choose from 'MySQL', 'SQLite'\)$/,
    ],
    ["-c x --zz", /unknown option '--zz'/],
    ["-c x --d", /^ambiguous option: --d could match --dedup, --disable-drop-partitions$/],
    ["-c x surplus", /too many arguments/],
    ["-c", /argument missing/],
  ];
  for (const [args, message] of cases) {
    const error = refusal(args);
    assert.ok(error instanceof UsageError, args);
    assert.match(error.message, message);
  }
});

Deno.test("a mistake in the file is told, and a file that is not there", () => {
  assert.match(refusal("-f neo.conf", "[test]\ncluster: x\ndedup: maybe").message, /Not a boolean/);
  assert.match(refusal("-f neo.conf -c x").message, /No section: 'test' \(there is no file/);
  assert.match(refusal("-f neo.conf -s other", "[test]\n").message, /No section: 'other'/);
});
