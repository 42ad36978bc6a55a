/** Connection strings as NEO has them: `[user[:password]@]database[socket]`. */

import { ConfigurationError } from "../../../errors.ts";
import type { SqlServerAddress } from "../../../host/host.ts";

/** The last `@` that lets the rest make sense ends the password. */
const FORM = /^(?:([^:]+)(?::(.*))?@)?([^~./]+)([~./].*)?$/s;

/**
 * Reads a connection string. A socket's path is as it stands there, `~` included. Throws a
 * ConfigurationError.
 */
export function parseMysqlAddress(text: string): SqlServerAddress {
  const [, user = null, password = null, database, socket = null] = FORM.exec(text) ?? [];
  if (database === undefined) {
    throw new ConfigurationError(
      `expected a database as [user[:password]@]database[/path/of/socket], found ${text}; ` +
        "for a file, choose the adapter SQLite",
    );
  }
  return { user, password, database, socket };
}
