/**
 * What nodes must not do whatever happens around them: end without a reason, meet an error in their
 * own code, or take replicas for corrupted that are not.
 */

import { DatabaseError } from "../../../nodes/errors.ts";
import { type NodeEnd, wantsReset } from "../running_nodes.ts";

/** How a node's log begins to say that its own code has failed. */
const OWN_ERROR = / ERROR connection: while /;
/** Nothing alters data in a simulated world, so that there is nothing for a check to find. */
const CORRUPTED = / NotifyPartitionCorrupted#/;

/** After these, nodes end in order. */
const ENDING_ORDERS = ["kill storage", "drop storage", "stop"] as const;

/**
 * Throws when nodes ended without a reason. `happened` tells whether there was a fault of a kind.
 */
export function assertEndedWithReason(
  ends: readonly NodeEnd[],
  happened: (kind: string) => boolean,
): void {
  const isOrdered = ENDING_ORDERS.some(happened);
  for (const end of ends) {
    const { host, error } = end;
    if (error === null && isOrdered) continue;
    if (wantsReset(end) && happened("pack")) continue;
    // A full disk is the only one that fails.
    if (error instanceof DatabaseError && happened("disk full")) continue;
    throw new Error(`${host} has ended without a reason: ${error ?? "in order"}`, { cause: error });
  }
}

/** Throws when the log of a run has something that must never be in it. */
export function assertCleanLog(lines: readonly string[]): void {
  const line = lines.find((line) => OWN_ERROR.test(line) || CORRUPTED.test(line));
  if (line !== undefined) throw new Error(`this must not happen: ${line}`);
}
