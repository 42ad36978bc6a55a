/** Waiting for a promise no longer than a signal or a time allows. */

import type { ClientHost } from "../host/host.ts";

/** Settles as `promise` does; rejects with the signal's reason when it is aborted first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}

/**
 * Settles as `promise` does; rejects with `late()` after `timeoutMs`, unless that is infinite.
 * Meanwhile the process is kept alive, since somebody waits.
 */
export function inTime<T>(
  host: ClientHost,
  promise: Promise<T>,
  { timeoutMs, late }: { readonly timeoutMs: number; late(): Error },
): Promise<T> {
  if (timeoutMs === Infinity) return promise;
  return new Promise((resolve, reject) => {
    const timer = host.setTimer(timeoutMs, () => reject(late()), { keepsProcess: true });
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
