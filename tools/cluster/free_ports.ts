/**
 * Free ports for nodes that have to know each other's before any of them runs. They are drawn from
 * a range that the system does not hand out by itself, so that they are likely still free when the
 * nodes get there; with a seed the same ports are tried again.
 */

import { ConfigurationError } from "../../nodes/errors.ts";

const FIRST_PORT = 16384;
const LAST_PORT = 32767;

/** Ports that are tried before it is said that there are none. */
const MAX_TRIES = 1000;

/** Numbers in [0, 1): the same ones for the same seed. */
export function randomNumbers(seed: string | undefined): () => number {
  if (seed === undefined) return Math.random;
  let state = 0;
  for (const char of seed) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x9e37_79b1);
  // The generator known as mulberry32.
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ports of `hostname` that nothing listens on. Throws a ConfigurationError. */
export function freePorts(count: number, hostname: string, random: () => number): number[] {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries === MAX_TRIES) {
      throw new ConfigurationError(
        `expected ${count} free ports of ${hostname} from ${FIRST_PORT} to ${LAST_PORT}, ` +
          `found ${ports.size}: end what listens there, or choose another --bind_ip`,
      );
    }
    const port = FIRST_PORT + Math.floor(random() * (LAST_PORT - FIRST_PORT + 1));
    if (!ports.has(port) && isFree(hostname, port)) ports.add(port);
  }
  return [...ports];
}

function isFree(hostname: string, port: number): boolean {
  try {
    Deno.listen({ hostname, port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    const reason = error instanceof Error ? error.message : error;
    throw new ConfigurationError(
      `can't listen on ${hostname}: ${reason}: choose another --bind_ip`,
    );
  }
}
