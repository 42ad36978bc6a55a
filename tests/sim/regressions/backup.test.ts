/** Seeds whose runs have found faults of backups, and pass now. */

import assert from "node:assert/strict";
import { optionsOf } from "../runs/options.ts";
import { play } from "../runs/run.ts";

Deno.test("a backup goes on when the only cell that followed is dropped for a new one", async () => {
  const counts = await play(optionsOf(20055, {}));
  assert.equal(counts["fault: backup: tweak"], 1);
});
