/** Whether the upstream cluster has a transaction: a storage is asked, as any client could. */

import {
  AskTransactionInformation,
  type Codecs,
  RequestIdentification,
} from "../../../gen/packets.ts";
import type { Nid, Tid } from "../../codec/ids.ts";
import type { Receiver } from "../../codec/packet.ts";
import type { Endpoint } from "../../cluster/endpoint.ts";
import { NeoError, NetworkError } from "../../errors.ts";
import type { Address, ClientHost } from "../../host/host.ts";
import { PeerError } from "../../wire/refusal.ts";
import { encodeText } from "../../wire/text.ts";
import { HISTORY_TIMEOUT_MS } from "./limits.ts";

/** The upstream cluster lacks a transaction that the backup has. */
export class DivergedError extends NeoError {
  constructor(reason: string) {
    super(
      `${reason}, which this backup has: it was truncated, or is another database. ` +
        "Leave backup mode to keep what is here, or truncate that to follow it again",
    );
  }
}

export interface HistoryOptions {
  readonly host: ClientHost;
  readonly endpoint: Endpoint;
  /** The name of the cluster. */
  readonly cluster: string;
  /** The id and time under which its primary master has told the storages of this client. */
  readonly nid: Nid;
  readonly idTimestamp: number | null;
  /** The storages that have the transaction's partition. */
  readonly addresses: readonly Address[];
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

/** A storage tells a reader nothing unasked. */
const SILENT: Receiver<Codecs> = () => false;

/**
 * Whether a transaction is in the database. Rejects with a NeoError when no storage can tell.
 */
export async function hasTransaction(options: HistoryOptions, tid: Tid): Promise<boolean> {
  const { signal } = options;
  let problem: NeoError | null = null;
  for (const address of options.addresses) {
    try {
      return await ask(options, address, tid);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NeoError)) throw error;
      problem = error;
    }
  }
  throw problem ??
    new NetworkError("expected a storage that has the backup's last transaction, found none");
}

async function ask(
  { host, endpoint, cluster, nid, idTimestamp, signal }: HistoryOptions,
  address: Address,
  tid: Tid,
): Promise<boolean> {
  const connection = await endpoint.dial(address, "upstream S", signal);
  const close = () => connection.close();
  const timer = host.setTimer(HISTORY_TIMEOUT_MS, close);
  signal.addEventListener("abort", close);
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
    timer.cancel();
    signal.removeEventListener("abort", close);
    connection.close();
  }
}
