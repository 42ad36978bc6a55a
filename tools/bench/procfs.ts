/** What Linux tells of a process: its CPU time and its resident memory. */

/** Kernel ticks per second; the same on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;

/**
 * CPU time (user and system, all threads) that a process has used, in milliseconds, in steps
 * of 10. Throws when there is no such process.
 */
export function cpuMs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, which may itself hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [utime, stime] = [Number(fields[11]), Number(fields[12])];
  if (!Number.isFinite(utime) || !Number.isFinite(stime)) {
    throw new Error(`expected CPU times in /proc/${pid}/stat, found ${stat}`);
  }
  return (utime + stime) * 1000 / TICKS_PER_SECOND;
}

/** Resident memory of a process in bytes. Throws when there is no such process. */
export function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  if (found === null) throw new Error(`expected VmRSS in /proc/${pid}/status, found none`);
  return Number(found[1]) * 1024;
}
