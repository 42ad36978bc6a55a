/** Time that flies, for tests in which a node would wait before it tries again. */

import type { NodeHost } from "../../nodes/host/host.ts";

/** How much faster time flies. */
const HURRY = 50;

/** A host on which waits are short and time passes quickly; what time it is stays true. */
export function hurrying(host: NodeHost): NodeHost {
  return {
    ...host,
    monotonic: () => host.monotonic() * HURRY,
    setTimer: (delayMs, callback, options) => host.setTimer(delayMs / HURRY, callback, options),
  };
}
