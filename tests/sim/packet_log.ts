/** Names the packets in streams of bytes, for the log of events: `AskObject#7 1f0c2a3b`. */

import { neo_1_11 } from "../../gen/neo_1_11.ts";
import { type Frame, Framer } from "../../nodes/wire/framing.ts";

export class PacketLog {
  readonly #framer = new Framer(() => null);
  #isOpen = false;

  /** The packets that end in these bytes, which follow those that were given before. */
  packets(bytes: Uint8Array): string[] {
    const found: string[] = [];
    this.#framer.push(bytes);
    if (!this.#isOpen && this.#framer.takeRaw(neo_1_11.handshake.length) === null) return found;
    this.#isOpen = true;
    for (;;) {
      const frame = this.#framer.next();
      if (frame === null) return found;
      const name = neo_1_11.typeOf(frame.code)?.name ?? `0x${frame.code.toString(16)}`;
      found.push(`${name}#${frame.id} ${fingerprint(frame)}`);
    }
  }
}

/** FNV-1a of a packet's body: the same for the same bytes, and hardly ever for others. */
function fingerprint({ bytes, start, end }: Frame): string {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
