/** What a transaction may say of itself depends on the columns of the database. */

import { Refusal } from "../../wire/refusal.ts";
import type { BackendLimits, TransactionMetadata } from "../backend/backend.ts";

/** Refuses what the database has no room for: it would take the write for a failure, and end. */
export function requireRoom(metadata: TransactionMetadata, limits: BackendLimits): void {
  const { user, description, extension, oids } = metadata;
  const longest = Math.max(user.length, description.length, extension.length);
  if (longest <= limits.textBytes && oids.length <= limits.oids) return;
  throw new Refusal(
    "PROTOCOL_ERROR",
    `this database has room for ${limits.textBytes} bytes of each text of a transaction and for ` +
      `${limits.oids} oids; found ${longest} bytes and ${oids.length} oids`,
    false,
  );
}
