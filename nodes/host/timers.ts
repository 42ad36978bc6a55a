/**
 * Timers on Node's `setTimeout`, which takes a delay beyond 2^31 ms for none at all: long delays
 * are waited for in parts. A timer is never early, because its owner compares clocks when it fires.
 */

import { clearTimeout, setTimeout } from "node:timers";
import type { ClientHost, Timer } from "./host.ts";

/** The longest delay that `setTimeout` takes. */
const MAX_PART_MS = 2 ** 31 - 1;

export const setTimer: ClientHost["setTimer"] = (delayMs, callback, options): Timer => {
  if (Number.isNaN(delayMs)) throw new RangeError("expected a delay in ms, found NaN");
  const arm = (remainingMs: number) => {
    const partMs = Math.max(0, Math.min(remainingMs, MAX_PART_MS));
    const timeout = setTimeout(() => {
      if (remainingMs > partMs) pending = arm(remainingMs - partMs);
      else callback();
    }, Math.ceil(partMs));
    if (!options?.keepsProcess) timeout.unref();
    return timeout;
  };
  let pending = arm(delayMs);
  return { cancel: () => clearTimeout(pending) };
};
