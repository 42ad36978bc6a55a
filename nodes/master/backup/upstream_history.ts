/**
 * Asking an upstream storage whether it has a transaction, as any client could.
 */

import {
  AskTransactionInformation,
  type Codecs,
  RequestIdentification,
} from "../../../gen/packets.ts";
import type { Nid, Tid } from "../../codec/ids.ts";
import type { Receiver } from "../../codec/packet.ts";
import type { Endpoint } from "../../cluster/endpoint.ts";
import { NeoError, NetworkError } from "../../errors.ts";
import type { Address } from "../../host/host.ts";
import { PeerError } from "../../wire/refusal.ts";
import { encodeText } from "../../wire/text.ts";

export interface HistoryOptions {
  readonly endpoint: Endpoint;
  /** The name of the cluster. */
  readonly cluster: string;
  /** The id and time under which its primary master has told the storages of this client. */
  readonly nid: Nid;
  readonly idTimestamp: number | null;
  /** The storages that have the transaction's partition. */
  readonly addresses: readonly Address[];
}

/** A storage tells a reader nothing unasked. */
const SILENT: Receiver<Codecs> = () => false;

/**
 * Whether a transaction is in the database. Rejects with a NeoError when no storage can tell.
 */
export async function hasTransaction(options: HistoryOptions, tid: Tid): Promise<boolean> {
  let problem: NeoError | null = null;
  for (const address of options.addresses) {
    try {
      return await ask(options, address, tid);
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      problem = error;
    }
  }
  throw problem ??
    new NetworkError("expected a storage that has the backup's last transaction, found none");
}

async function ask(
  { endpoint, cluster, nid, idTimestamp }: HistoryOptions,
  address: Address,
  tid: Tid,
): Promise<boolean> {
  const connection = await endpoint.dial(address, "upstream S");
  try {
    connection.start(SILENT);
    await connection.ask(RequestIdentification, {
      nodeType: "CLIENT",
      nid,
      address: null,
      cluster: encodeText(cluster),
      devpath: [],
      idTimestamp,
    });
    await connection.ask(AskTransactionInformation, { tid });
    return true;
  } catch (error) {
    if (error instanceof PeerError && error.code === "TID_NOT_FOUND") return false;
    throw error;
  } finally {
    connection.close();
  }
}
