/**
 * Signals. The runtime receives only the classic ones, and lets the real-time ones, with which NEO
 * 1.11 flushes, rotates and dumps its logs, kill the process; an operator's log rotation must not
 * do that, so they are ignored where the system's C library can be reached. Nodes take SIGUSR2
 * (write out the log), SIGHUP (begin a new log file) and SIGQUIT (tell the state) instead. SIGUSR1
 * is no choice: the runtime takes it for a request to open a debugger, which nobody may open on a
 * server, so that it is ignored, too.
 */

import type { SignalName, SignalSubscription } from "./host.ts";

/** NEO's RTMIN to RTMIN+3, as glibc numbers them. */
const REAL_TIME_SIGNALS = [34, 35, 36, 37];

const SIGUSR1 = 10;

/** When the runtime begins to take SIGUSR1 depends on how busy the machine is: half a second. */
const DEBUGGER_LOOK_MS = 1000;
const DEBUGGER_LOOKS = 60;

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
  return [...REAL_TIME_SIGNALS, SIGUSR1].every((signal) => ignore(signal) !== null);
}

/**
 * Makes SIGUSR1 harmless again once the runtime takes it, which is some time after its start.
 * `setTimer` calls back later.
 */
export function keepDebuggerShut(
  setTimer: (delayMs: number, callback: () => void) => void,
  looks = DEBUGGER_LOOKS,
): void {
  setTimer(DEBUGGER_LOOK_MS, () => {
    if (looks > 1 && ignore(SIGUSR1) === "was ignored") keepDebuggerShut(setTimer, looks - 1);
  });
}

/** Ignores a signal; null when that is not possible here. */
function ignore(signal: number): "was ignored" | "was taken" | null {
  try {
    const library = Deno.dlopen("libc.so.6", {
      signal: { parameters: ["i32", "pointer"], result: "pointer" },
    });
    const before = library.symbols.signal(signal, Deno.UnsafePointer.create(IGNORE));
    library.close();
    return Deno.UnsafePointer.value(before) === IGNORE ? "was ignored" : "was taken";
  } catch {
    return null;
  }
}
