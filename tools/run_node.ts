/**
 * Runs one node as this process: starts it, stops it in order on SIGTERM and SIGINT, and turns
 * its end into an exit status.
 */

import type { RunningNode } from "../nodes/cluster/node.ts";
import type { NodeHost } from "../nodes/host/host.ts";
import { createNodeHost } from "../nodes/host/node.ts";
import { logSink } from "./log.ts";
import type { OptionValues } from "./options.ts";

/** Runs the node that `start` gives. Returns the exit status once it has ended. */
export async function runNode(
  values: OptionValues,
  start: (host: NodeHost) => Promise<RunningNode>,
): Promise<number> {
  const host = createNodeHost({ log: logSink(values) });
  const stopping = stopRequested(host, values.flag("until-input-ends"));
  const starting = start(host);
  // A node that is still starting is ended as it is: it has acknowledged nothing.
  const node = await Promise.race([starting, stopping]);
  if (node === undefined) return 0;
  void stopping.then(() => node.stop());
  await node.ended;
  return 0;
}

/** Resolves when this process is asked to stop. */
function stopRequested(host: NodeHost, untilInputEnds: boolean): Promise<undefined> {
  return new Promise((resolve) => {
    const stop = () => resolve(undefined);
    host.onSignal(["SIGTERM", "SIGINT"], stop);
    if (untilInputEnds) void drainInput().then(stop);
  });
}

async function drainInput(): Promise<void> {
  for await (const _chunk of Deno.stdin.readable) {
    // What the parent writes does not matter: only that it is there.
  }
}
