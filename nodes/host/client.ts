/**
 * The host of a client, on `node:` modules alone, so that it runs on Deno, Node and Bun. Of the
 * outside it knows clocks, timers, randomness, the network and names; files and databases are a
 * server's business (node.ts).
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { setImmediate } from "node:timers";
import { NetworkError } from "../errors.ts";
import { createClock, monotonic } from "./clock.ts";
import type { ClientHost, LogSink } from "./host.ts";
import { createNetwork } from "./network.ts";
import { reasonOf } from "./network_errors.ts";
import { setTimer } from "./timers.ts";
import { createTls } from "./tls.ts";

/** A library says nothing unasked. */
const SILENCE: LogSink = { log: () => {} };

export interface ClientHostOptions {
  /** Where log lines go; nowhere by default. */
  readonly log?: LogSink;
}

/** Makes the real host of a client. */
export function createClientHost({ log = SILENCE }: ClientHostOptions = {}): ClientHost {
  const now = createClock();
  return {
    log,
    now,
    monotonic,
    setTimer,
    defer: (callback) => {
      setImmediate(callback);
    },
    random: Math.random,
    network: (tls) => createNetwork(tls === null ? null : createTls(tls, now), log),
    resolve,
  };
}

async function resolve(name: string): Promise<string> {
  if (isIP(name) !== 0) return name;
  try {
    return (await lookup(name)).address;
  } catch (cause) {
    throw new NetworkError(`cannot find the address of ${name}: ${reasonOf(cause)}`, { cause });
  }
}
