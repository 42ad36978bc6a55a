/**
 * The client of NEO/ts: transactions, time travel and undo on a cluster that survives machines.
 *
 * A function given to `transact` works on a snapshot; what it stores is committed when it ends, and
 * on a conflict it is run again:
 *
 * ```ts
 * import { connect } from "./mod.ts"; // or its URL
 *
 * await using client = await connect("neo://main@127.0.0.1:10000");
 * const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
 * const decode = (data: Uint8Array) => JSON.parse(new TextDecoder().decode(data));
 *
 * const oid = await client.transact((tx) => tx.create(encode({ visits: 1 })));
 * await client.transact(async (tx) => {
 *   const { visits } = decode((await tx.load(oid)).data);
 *   tx.store(oid, encode({ visits: visits + 1 }));
 * });
 * console.log(decode((await client.load(oid)).data));
 *
 * // Looking back, and undoing.
 * const [latest, first] = await client.history(oid, { last: 2 });
 * if (latest !== undefined && first !== undefined) {
 *   console.log(decode((await client.loadSerial(oid, first.tid)).data));
 *   await client.undo(latest.tid, { description: "one visit too many" });
 * }
 * console.log(decode((await client.load(oid)).data));
 * ```
 *
 * The two phases of a commit can also be gone through one by one:
 *
 * ```ts
 * import { ConflictError, connect } from "./mod.ts";
 *
 * await using client = await connect("neo://main@127.0.0.1:10000");
 * const oid = await client.newOid();
 * await using tx = await client.begin({ user: "me", description: "a new object" });
 * try {
 *   await tx.store(oid, { data: new TextEncoder().encode("hello") });
 *   await tx.vote();
 *   const tid = await tx.finish();
 *   console.log((await client.load(oid)).serial === tid);
 * } catch (error) {
 *   if (!(error instanceof ConflictError)) throw error;
 *   console.log(`${error.oid} was changed by ${error.committed}`);
 * }
 * ```
 *
 * @module
 */

import { openDynamicMasterList } from "./nodes/cluster/dynamic_master_list.ts";
import type { MasterList } from "./nodes/cluster/master_list.ts";
import { type Client, openClient } from "./nodes/client/client.ts";
import { InvalidUrlError } from "./nodes/client/errors.ts";
import type { ConnectOptions } from "./nodes/client/options.ts";
import { type ClusterUrl, parseClusterUrl } from "./nodes/client/url.ts";
import { ConfigurationError } from "./nodes/errors.ts";
import { createClientHost } from "./nodes/host/client.ts";
import { readTextFile, writeTextFile } from "./nodes/host/files.ts";
import type { TlsIdentity } from "./nodes/host/host.ts";

/**
 * Connects to a cluster, named by a URL such as `neo://name@host:port,host:port?read_only=true`.
 * Its options are `compress`, `read_only`, `cache_size` and `dynamic_master_list` (the path of a
 * file that keeps the known masters), and for TLS `ca`, `cert` and `key` (paths of PEM files),
 * which `neos://` demands. What is given as an option wins over what the URL says.
 *
 * Rejects with an InvalidUrlError or another ConfigurationError, a DeadlineError when no primary
 * master is found in time, a StorageError when it refuses this client, or the signal's reason.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  const { log } = options;
  const parsed = parseClusterUrl(url);
  const host = createClientHost(log === undefined ? {} : { log });
  const { dynamicMasterList } = parsed;
  const keepMasters = (masters: MasterList) => {
    if (dynamicMasterList === undefined) return;
    openDynamicMasterList(
      { readTextFile, writeTextFile, log: host.log },
      dynamicMasterList,
      masters,
    );
  };
  const tls = identityOf(parsed, options);
  return await openClient(host, { ...parsed, ...options, tls, keepMasters });
}

function identityOf(url: ClusterUrl, options: ConnectOptions): TlsIdentity | null {
  const ca = options.ca ?? pemOf(url.ca);
  const cert = options.cert ?? pemOf(url.cert);
  const key = options.key ?? pemOf(url.key);
  if (ca !== undefined && cert !== undefined && key !== undefined) return { ca, cert, key };
  if (ca === undefined && cert === undefined && key === undefined && !url.secure) return null;
  throw new InvalidUrlError("expected all three of ca, cert and key for TLS, found fewer");
}

function pemOf(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const text = readTextFile(path);
  if (text === null) throw new ConfigurationError(`expected a PEM file at ${path}, found none`);
  return text;
}

export type { BeginOptions, TransactionMetadata } from "./nodes/client/begin.ts";
export type { CacheStatistics, Revision } from "./nodes/client/cache.ts";
export type { Client } from "./nodes/client/client.ts";
export {
  type Conflict,
  type ConflictResolver,
  resolver,
  type ValueConflict,
  type ValueResolver,
} from "./nodes/client/conflicts.ts";
export type {
  HistoryEntry,
  Page,
  TransactionInformation,
  TransactionRange,
  TransactionRecord,
} from "./nodes/client/history.ts";
export type { Invalidation, InvalidationListener } from "./nodes/client/invalidations.ts";
export type { Compression } from "./nodes/client/object_data.ts";
export type { CallOptions, ClientOptions, ConnectOptions } from "./nodes/client/options.ts";
export type { PastView } from "./nodes/client/past_view.ts";
export type { LoadedObject, SnapshotTransaction } from "./nodes/client/snapshot.ts";
export type { TransactFunction, TransactOptions } from "./nodes/client/transact.ts";
export type { StoredObject, Transaction } from "./nodes/client/transaction.ts";
export {
  ClosedError,
  ConflictError,
  CreationUndoneError,
  DeadlineError,
  DoesNotExistError,
  FutureError,
  InvalidUrlError,
  MasterLostError,
  NotFoundError,
  ReadConflictError,
  ReadOnlyError,
  StorageError,
  StorageLostError,
  TransientError,
  UnavailableError,
  UndoError,
  UnknownOutcomeError,
  UnsupportedError,
} from "./nodes/client/errors.ts";
export {
  hexId,
  MAX_TID,
  type Oid,
  oid,
  type Tid,
  tid,
  ZERO_OID,
  ZERO_TID,
} from "./nodes/codec/ids.ts";
export { tidFromTime, timeOfTid } from "./nodes/cluster/tid_time.ts";
export { ConfigurationError, NeoError, NetworkError } from "./nodes/errors.ts";
export type { LogLevel, LogSink } from "./nodes/host/host.ts";
