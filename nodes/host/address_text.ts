/** Addresses as people read them. */

import type { Address } from "../host/host.ts";

/** `127.0.0.1:10000`, `[::1]:10000`. */
export function addressText({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
