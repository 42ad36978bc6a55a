/**
 * Asks processes to write out their logs. Nodes of NEO 1.11 take a real-time signal for that, and
 * nodes of NEO/ts another one; a process that waits for neither would be killed by either, so that
 * it is asked first which it takes.
 */

import { ConfigurationError } from "../../nodes/errors.ts";
import { messageOf } from "../files.ts";

const SIGUSR2 = 12;

/** NEO's RTMIN, as glibc numbers it. */
const SIGRTMIN = 34;

/** Sends the signal that makes this process write out its log. Throws a ConfigurationError. */
export function requestFlush(pid: number): void {
  try {
    const caught = caughtSignals(pid);
    // A client of NEO 1.11 in Zope takes both, and means something else by SIGUSR2.
    if (caught !== null && hasSignal(caught, SIGRTMIN)) return killRealTime(pid);
    if (caught === null || hasSignal(caught, SIGUSR2)) return Deno.kill(pid, "SIGUSR2");
  } catch (cause) {
    throw new ConfigurationError(`can't signal process ${pid}: ${messageOf(cause)}`, { cause });
  }
  throw new ConfigurationError(
    `process ${pid} takes no signal to write out its log: it is no node, or not one with a log file`,
  );
}

function hasSignal(mask: bigint, signal: number): boolean {
  return (mask >> BigInt(signal - 1)) % 2n === 1n;
}

/** The signals that a process has handlers for, as bits; null where the system does not tell. */
function caughtSignals(pid: number): bigint | null {
  if (Deno.build.os !== "linux") return null;
  const found = /^SigCgt:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return found?.[1] === undefined ? null : BigInt(`0x${found[1]}`);
}

/** The runtime can't send real-time signals; the system's command can. */
function killRealTime(pid: number): void {
  const { success, stderr } = new Deno.Command("kill", { args: [`-${SIGRTMIN}`, `${pid}`] })
    .outputSync();
  if (!success) throw new ConfigurationError(new TextDecoder().decode(stderr).trim());
}
