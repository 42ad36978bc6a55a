/**
 * Signals. The runtime receives only the classic ones, and lets the real-time ones, with which NEO
 * 1.11 flushes, rotates and dumps its logs, kill the process; an operator's log rotation must not
 * do that, so they are ignored where the system's C library can be reached. Nodes take SIGUSR2
 * (write out the log) and SIGHUP (begin a new log file) instead. SIGUSR1 is no choice: the runtime
 * takes it for a request to open a debugger, which nobody may open on a server, so that it is
 * ignored, too.
 */

import type { SignalName, SignalSubscription } from "./host.ts";

/** SIGUSR1, and NEO's RTMIN to RTMIN+3 as glibc numbers them. */
const IGNORED_SIGNALS = [10, 34, 35, 36, 37];

/** `SIG_IGN` of the C library. */
const IGNORE = 1n;

/** Calls back at each of these signals. */
export function onSignal(
  names: readonly SignalName[],
  callback: (name: SignalName) => void,
): SignalSubscription {
  const listeners = names.map((name) => ({ name, listener: () => callback(name) }));
  for (const { name, listener } of listeners) Deno.addSignalListener(name, listener);
  return {
    cancel() {
      for (const { name, listener } of listeners.splice(0)) {
        Deno.removeSignalListener(name, listener);
      }
    },
  };
}

/** Makes the signals harmless that nodes do not take. Returns whether that was possible. */
export function ignoreStraySignals(): boolean {
  try {
    const library = Deno.dlopen("libc.so.6", {
      signal: { parameters: ["i32", "pointer"], result: "pointer" },
    });
    for (const signal of IGNORED_SIGNALS) {
      library.symbols.signal(signal, Deno.UnsafePointer.create(IGNORE));
    }
    library.close();
    return true;
  } catch {
    return false;
  }
}
