/** Which of the storages that could be asked is asked. */

import assert from "node:assert/strict";
import { Failures } from "../../nodes/client/storages.ts";
import { FAILURE_AGE_MS } from "../../nodes/client/limits.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { createClientHost } from "../../nodes/host/client.ts";

const [S1, S2, S3] = [1, 2, 3].map((number) => nodeId("STORAGE", number));

Deno.test("storages that failed are asked last, the longest ago first, until that is old", () => {
  let nowMs = 5000;
  const chances = [0.9, 0.1, 0.5];
  const host = {
    ...createClientHost(),
    monotonic: () => nowMs,
    random: () => chances.shift() ?? 0,
  };
  assert.ok(S1 !== undefined && S2 !== undefined && S3 !== undefined);
  const failures = new Failures(host);
  const order = () => {
    const keys = [S1, S2, S3].map((nid) => ({ nid, key: failures.sortKey(nid) }));
    return keys.sort((a, b) => a.key - b.key).map(({ nid }) => nid);
  };
  // At random, so that all get their share.
  assert.deepEqual(order(), [S2, S3, S1]);
  failures.add(S2);
  nowMs += 1000;
  failures.add(S1);
  assert.deepEqual(order(), [S3, S2, S1]);
  // Who was connected to again is as good as any.
  failures.remove(S1);
  assert.equal(order().at(-1), S2);
  nowMs += FAILURE_AGE_MS;
  chances.push(0.3, 0.1, 0.2);
  assert.deepEqual(order(), [S2, S3, S1]);
});
