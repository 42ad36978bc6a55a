/**
 * The two clocks. Unix time needs more than the milliseconds of `Date.now`, since every
 * transaction id holds it in steps of 14 ns, and must follow when somebody sets the system's
 * clock, which `performance.timeOrigin` does not: the fine clock is anchored again when they part.
 */

import { performance } from "node:perf_hooks";

/** How far the fine clock may be from the system's before it is anchored again. */
const MAX_DRIFT_MS = 2;

/** Milliseconds from an arbitrary start; never goes back. */
export function monotonic(): number {
  return performance.now();
}

/** Makes a clock of Unix time in milliseconds with a fraction. */
export function createClock(): () => number {
  let originMs = Date.now() - performance.now();
  return () => {
    const systemMs = Date.now();
    const fineMs = originMs + performance.now();
    if (Math.abs(fineMs - systemMs) <= MAX_DRIFT_MS) return fineMs;
    originMs += systemMs - fineMs;
    return systemMs;
  };
}
