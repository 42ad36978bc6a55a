/** A raw connection to an admin node, as neoctl has one. */

import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import type { Address, ClientHost } from "../../nodes/host/host.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import type { ErrorName } from "../../nodes/wire/refusal.ts";

/** Connects as neoctl does: there is no identification. */
export async function connectControl(host: ClientHost, admin: Address): Promise<Connection> {
  const endpoint = new Endpoint({
    host,
    network: host.network(null),
    fatal: (error) => {
      throw error;
    },
  });
  const connection = await endpoint.dial(admin, "A");
  connection.start(() => false);
  return connection;
}

/** Resolves when the connection is over. */
export function closed(connection: Connection): Promise<void> {
  return new Promise((resolve) => connection.onClose(resolve));
}

/** What a refusal looks like to `assert.rejects`. */
export function refused(code: ErrorName, message: string) {
  return { name: "PeerError", code, message };
}
