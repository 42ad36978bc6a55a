/**
 * Free TCP ports for nodes that have to know each other's address before they start. They are
 * taken below the range from which the system picks the ports of outgoing connections, so that
 * none of those can slip in between the look and the use.
 */

const FIRST_PORT = 16_384;
const LAST_PORT = 32_767;
const MAX_TRIES = 1_000;

/** `count` different ports of 127.0.0.1 that nobody listens on. */
export function freePorts(count: number): number[] {
  const listeners: Deno.Listener[] = [];
  try {
    for (let tries = 0; listeners.length < count; tries += 1) {
      if (tries === MAX_TRIES) throw new Error(`no ${count} free ports after ${tries} tries`);
      const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
      try {
        listeners.push(Deno.listen({ hostname: "127.0.0.1", port }));
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      }
    }
    return listeners.map((listener) => {
      if (listener.addr.transport !== "tcp") throw new Error("a TCP listener was expected");
      return listener.addr.port;
    });
  } finally {
    for (const listener of listeners) listener.close();
  }
}
