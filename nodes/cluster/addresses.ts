/** Addresses as people write them: `host:port`, `[v6]:port`; and as keys of tables. */

import { ConfigurationError } from "../errors.ts";
import type { Address } from "../host/host.ts";

export { addressText } from "../wire/text.ts";

/** Whether two addresses are the same. */
export function sameAddress(a: Address | null, b: Address | null): boolean {
  return a?.host === b?.host && a?.port === b?.port;
}

/**
 * Reads `host:port`, `[v6]:port`, or a host alone, which gets `defaultPort`. The host may be a
 * name. Throws a ConfigurationError for anything else.
 */
export function parseAddress(text: string, defaultPort: number): Address {
  const found = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text);
  // More than one colon and no brackets: an IPv6 address alone.
  const host = found === null ? text : found[1] ?? found[2] ?? "";
  const port = found?.[3] === undefined ? defaultPort : Number(found[3]);
  if (host === "" || /[\s/[\]]/.test(host) || port > 65535) {
    throw new ConfigurationError(
      `expected an address such as 127.0.0.1:10000 or [::1]:10000, found ${JSON.stringify(text)}`,
    );
  }
  return { host, port };
}

/** Reads addresses that are separated by white space. */
export function parseAddresses(text: string, defaultPort: number): Address[] {
  return text.split(/\s+/).filter((part) => part !== "")
    .map((part) => parseAddress(part, defaultPort));
}
