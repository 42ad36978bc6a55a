/** What tests of transactions of many objects have in common. */

import type { Tid } from "../../nodes/codec/ids.ts";
import type { TransactionMetadata } from "../../nodes/storage/backend/backend.ts";
import type { Ledger } from "./ledger.ts";
import { o } from "./values.ts";

/** The metadata of a transaction of so many objects. */
export function metadata(count: number): TransactionMetadata {
  const nothing = new Uint8Array(0);
  const oids = Array.from({ length: count }, (_, at) => o(at));
  return { user: nothing, description: nothing, extension: nothing, oids };
}

/** Resolves when a transaction has been unlocked. */
export function unlocked(ledger: Ledger, ttid: Tid): Promise<void> {
  const transaction = ledger.transactions.get(ttid);
  ledger.transactions.unlock(ttid);
  return new Promise((resolve) => {
    const look = () => transaction?.ended ? resolve() : setTimeout(look, 0);
    look();
  });
}
