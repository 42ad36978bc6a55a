/** The end of a command before its work is done: on SIGINT or SIGTERM it cleans up first. */

import { ConfigurationError } from "../nodes/errors.ts";

/** Runs something that ends early when its signal is aborted. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort(new ConfigurationError("stopped before the end"));
  const names = ["SIGINT", "SIGTERM"] as const;
  for (const name of names) Deno.addSignalListener(name, stop);
  try {
    return await run(controller.signal);
  } finally {
    for (const name of names) Deno.removeSignalListener(name, stop);
  }
}
