/** Waiting for a promise no longer than a signal or a time allows. */

import type { ClientHost } from "../host/host.ts";
import { DeadlineError } from "./errors.ts";

/** Settles as `promise` does; rejects as `assertNotAborted` throws when it is aborted first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const aborted = () => reject(reasonOf(signal));
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}

/** Throws a DeadlineError when the signal's time is over, its reason when it was aborted else. */
export function assertNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

function reasonOf({ reason }: AbortSignal): unknown {
  // What `AbortSignal.timeout` gives, also within `AbortSignal.any`.
  if (!(reason instanceof DOMException) || reason.name !== "TimeoutError") return reason;
  const message = "expected an end before the signal's deadline, found none: allow more time";
  return new DeadlineError(message, { cause: reason });
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
