/** Connection strings as NEO has them: `[user[:password]@]database[socket]`. */

import { ConfigurationError } from "../../../errors.ts";
import type { SqlServerAddress } from "../../../host/host.ts";

/** The last `@` that lets the rest make sense ends the password. */
const FORM = /^(?:([^:]+)(?::(.*))?@)?([^~./]+)([~./].*)?$/s;

/**
 * Reads a connection string, which in errors is shown without its password. A socket's path is as
 * it stands there, `~` included. Throws a ConfigurationError.
 */
export function parseMysqlAddress(text: string): SqlServerAddress {
  const [, user = null, password = null, database, socket = null] = FORM.exec(text) ?? [];
  // What begins with a password and lacks the database looks like the name of one.
  if (database === undefined || database.includes("@")) throw notMysqlAddress(text);
  return { user, password, database, socket };
}

/** What a text is refused with that is no connection string, or can't be meant as one. */
export function notMysqlAddress(text: string): ConfigurationError {
  return new ConfigurationError(
    "expected a database as [user[:password]@]database[/path/of/socket], " +
      `found ${text.replace(/:.*@/s, ":…@")}; for a file, choose the adapter SQLite`,
  );
}
