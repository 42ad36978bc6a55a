/** Asking other nodes: the answer is one event, and a node that refuses is disconnected. */

import type { Codecs } from "../../gen/packets.ts";
import type { RequestType } from "../codec/packet.ts";
import { PeerError } from "../wire/refusal.ts";
import type { KnownNode } from "./nodes.ts";
import type { Turn } from "./turn.ts";

/**
 * Asks a node. `answered` is called before anything that arrives later is handled. A request that
 * is refused calls `refused`, and ends the connection where that is absent; the end of the
 * connection is no news here, since who minds is told of it anyway.
 */
export function askNode<T, A>(
  turn: Turn,
  { connection }: KnownNode,
  type: RequestType<T, A, Codecs>,
  packet: T,
  answered: (answer: A) => void,
  refused?: (error: PeerError) => void,
): void {
  connection?.ask(type, packet, (answer) => turn.run(() => answered(answer))).catch((error) => {
    if (!(error instanceof PeerError)) return;
    if (refused === undefined) connection.abort();
    else turn.runOwn(() => refused(error));
  });
}
