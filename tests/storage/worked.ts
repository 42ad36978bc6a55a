/** The processor time of the thread that runs the tests. */

/** How long this thread has worked so far: waiting for the processor or the disk is not counted. */
export function workedMs(): number {
  const [nanoseconds] = Deno.readTextFileSync("/proc/thread-self/schedstat").split(" ");
  return Number(nanoseconds) / 1e6;
}
