/** Giving up waiting for something that goes on by itself. */

/** Settles as `promise` does, or resolves with null as soon as the signal is aborted. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const aborted = () => resolve(null);
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", aborted));
  });
}
