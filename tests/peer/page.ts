/** Runs the commands of a page of the documentation, and compares what they print. */

import assert from "node:assert/strict";
import { dirname } from "node:path";
import { ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";
import { atFreePorts, blocksOf, masked, resultsOf, scriptOf } from "./operations.ts";
import { venv } from "./peer.ts";

/** Twice as long as a slow machine needs. */
const PAGE_MS = 5 * 60_000;

/** Does what a page says, in a directory of its own. */
export async function doAsThePageSays(page: string, directory: string): Promise<void> {
  const blocks = atFreePorts(blocksOf(await Deno.readTextFile(`${ROOT}${page}`)));
  assert.ok(blocks.length > 5);
  const script = `${directory}/page.sh`;
  await Deno.writeTextFile(script, scriptOf(blocks));
  const path = `${dirname(Deno.execPath())}:${venv()}/bin:${Deno.env.get("PATH")}`;
  const { stdout, stderr } = await run(["bash", script], {
    name: page,
    cwd: ROOT,
    env: { TMPDIR: directory, PATH: path, NO_COLOR: "1" },
    family: true,
    timeoutMs: PAGE_MS,
  });
  const results = resultsOf(stdout);
  for (const [at, { commands, prints }] of blocks.entries()) {
    const { printed, status } = results[at] ?? { printed: "", status: -1 };
    assert.equal(masked(printed), masked(prints), `${commands}\n${stderr}`);
    assert.equal(status, 0, `${commands}\n${stderr}`);
  }
}
