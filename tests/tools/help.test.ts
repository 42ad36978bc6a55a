/** What `neo` and its commands say of themselves: complete, in one style, and fit for a terminal. */

import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { neo } from "../support/neo.ts";

const WIDTH = 80;

/** The names of all commands, as the help of `neo` lists them. */
async function commands(): Promise<string[]> {
  const { code, stdout } = await neo("--help");
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: neo <command> \[options\]\n/);
  return [...stdout.matchAll(/^ {2}([a-z-]+) {2,}[a-z]/gm)].map(([, name = ""]) => name);
}

Deno.test("each command tells its arguments and options, in lines that fit", async () => {
  const names = await commands();
  assert.ok(names.length >= 14, names.join());
  await Promise.all(names.map(async (name) => {
    const { code, stdout, stderr } = await neo(name, "--help");
    assert.deepEqual([code, stderr], [0, ""], name);
    assert.match(stdout, new RegExp(`^Usage: neo ${name} \\[options\\]`));
    assert.doesNotMatch(stdout, /words|\(default: \)|undefined/, name);
    const [before = ""] = stdout.split("\nAvailable commands:\n");
    const lines = before.split("\n");
    for (const line of lines) assert.ok(line.length <= WIDTH, `${name}: ${line}`);
    // A line that was broken twice leaves a word alone.
    const [, , ...description] = lines.slice(0, lines.indexOf("Options:") - 1);
    for (const line of description.slice(0, -1)) {
      assert.ok(line.length > WIDTH / 2, `${name}: ${line}`);
    }
    assert.equal((await neo("help", name)).stdout, stdout);
  }));
});

Deno.test("unknown commands and options are refused in one line that tells where to look", async () => {
  const refused = async (words: readonly string[], message: RegExp) => {
    const { code, stdout, stderr } = await neo(...words);
    assert.deepEqual([code, stdout], [2, ""], words.join(" "));
    assert.match(stderr, message);
  };
  await refused(["frob"], /^neo: error: there is no command 'frob' \(see neo --help\)\n$/);
  await refused(["help", "frob"], /^neo: error: there is no command 'frob' \(see neo --help\)\n$/);
  await refused(["constructor"], /^neo: error: there is no command/);
  for (const name of await commands()) {
    const known = new RegExp(`^neo ${name}: error: .*--frob.* \\(see neo ${name} --help\\)\\n$`);
    await refused([name, "--frob"], known);
  }
});

Deno.test("neo --version tells the version", async () => {
  const { code, stdout } = await neo("--version");
  assert.deepEqual([code, stdout], [0, `neo ${config.version}\n`]);
});
