/**
 * A client with a process of its own that commits one huge transaction, and looks at its memory.
 *
 * Arguments: URL OBJECTS BYTES. Needs `--v8-flags=--expose-gc`, so that garbage is not counted.
 * Prints one line of JSON: the oids, when all was sent and committed in milliseconds, and by how
 * many bytes what is alive grew at most.
 */

import { randomBytes } from "node:crypto";
import { connect, type Oid } from "../../mod.ts";

/** Objects between two looks at the memory. */
const LOOK_EVERY = 5000;
/** Committed before, so that what is needed by the first of anything is not counted. */
const FIRST_OBJECTS = 1000;

const [url = "", objects, bytes] = Deno.args;
const collectGarbage: unknown = Reflect.get(globalThis, "gc");
if (typeof collectGarbage !== "function") throw new Error("run this with --v8-flags=--expose-gc");

await using client = await connect(url);
await commitObjects(FIRST_OBJECTS);
console.log(JSON.stringify(await commitObjects(Number(objects))));

async function commitObjects(count: number) {
  const oids: Oid[] = [];
  const before = liveBytes();
  let most = before;
  const look = () => most = Math.max(most, liveBytes());
  const start = performance.now();
  await using tx = await client.begin();
  while (oids.length < count) {
    const oid = await client.newOid();
    oids.push(oid);
    await tx.store(oid, { data: contentOf(oid), owned: true });
    if (oids.length % LOOK_EVERY === 0) look();
  }
  const sentMs = performance.now() - start;
  await tx.vote();
  look();
  await tx.finish();
  look();
  const committedMs = performance.now() - start;
  return { oids: oids.map(Number), sentMs, committedMs, grownBytes: most - before };
}

/** Random bytes, which begin with the oid. */
function contentOf(oid: Oid): Uint8Array {
  const data = new Uint8Array(randomBytes(Number(bytes)));
  new DataView(data.buffer).setBigUint64(0, oid);
  return data;
}

function liveBytes(): number {
  if (typeof collectGarbage === "function") collectGarbage();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
