/** Waiting for a time, on the host's clock. */

import type { ClientHost } from "../host/host.ts";

/** Resolves `delayMs` from now; rejects with the signal's reason when it is aborted first. */
export function delay(host: ClientHost, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = host.setTimer(delayMs, () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, { keepsProcess: true });
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
