/** A connection on a socket that is none: tests see each write, and say what comes in which chunk. */

import assert from "node:assert/strict";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import type { Socket, SocketEvents } from "../../nodes/host/host.ts";
import { Connection } from "../../nodes/wire/connection.ts";
import { SimulatedWorld } from "../sim/world.ts";

/** A socket that only keeps what is written. */
export class Sink implements Socket {
  readonly local = { host: "10.0.0.1", port: 1 };
  readonly remote = { host: "10.0.0.2", port: 2 };
  readonly writes: Uint8Array[] = [];
  bufferedBytes = 0;
  isFull = false;
  ended = "";
  paused = false;
  events: SocketEvents | null = null;

  start(events: SocketEvents): void {
    this.events = events;
  }

  write(chunk: Uint8Array): boolean {
    this.writes.push(chunk);
    if (this.isFull) this.bufferedBytes += chunk.length;
    return !this.isFull;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended ||= "end";
  }

  destroy(): void {
    this.ended ||= "destroy";
  }
}

/** A connection of a node on a {@link Sink}, which must not fail for a reason of its own. */
export function onSink(
  { dialed = false } = {},
): { sink: Sink; connection: Connection; log(): readonly string[] } {
  const sink = new Sink();
  const world = new SimulatedWorld(1);
  const connection = new Connection(sink, {
    host: world.host("node"),
    dialect: neo_1_11,
    label: "?",
    dialed,
    fatal: (error) => assert.fail(String(error)),
  });
  return { sink, connection, log: () => world.eventLog };
}
