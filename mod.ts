/**
 * The client of NEO/ts: transactions, time travel and undo on a cluster that survives machines.
 *
 * ```ts
 * import { connect } from "./mod.ts"; // or its URL
 *
 * await using client = await connect("neo://main@127.0.0.1:10000");
 * const oid = await client.transact((tx) => tx.create(new TextEncoder().encode("hello")));
 * const { data } = await client.load(oid);
 * console.log(new TextDecoder().decode(data));
 * ```
 *
 * @module
 */

import { type Client, openClient } from "./nodes/client/client.ts";
import { InvalidUrlError } from "./nodes/client/errors.ts";
import type { ConnectOptions } from "./nodes/client/options.ts";
import { type ClusterUrl, parseClusterUrl } from "./nodes/client/url.ts";
import { ConfigurationError } from "./nodes/errors.ts";
import { createClientHost } from "./nodes/host/client.ts";
import { readTextFile } from "./nodes/host/files.ts";
import type { TlsIdentity } from "./nodes/host/host.ts";

/**
 * Connects to a cluster, named by a URL such as `neo://name@host:port,host:port?read_only=true`.
 * What is given as an option wins over what the URL says.
 * Rejects with an InvalidUrlError or another ConfigurationError, a DeadlineError when no primary
 * master is found in time, a StorageError when it refuses this client, or the signal's reason.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  const parsed = parseClusterUrl(url);
  const { ca: _ca, cert: _cert, key: _key, secure: _secure, ...fromUrl } = parsed;
  const { ca: _pemCa, cert: _pemCert, key: _pemKey, log, ...own } = options;
  const host = createClientHost(log === undefined ? {} : { log });
  return await openClient(host, { ...fromUrl, ...own, tls: identityOf(parsed, options) });
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
export type { Conflict, ConflictResolver } from "./nodes/client/conflicts.ts";
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
export type { LoadedObject, SnapshotTransaction } from "./nodes/client/snapshot.ts";
export type { TransactFunction, TransactOptions } from "./nodes/client/transact.ts";
export type { StoredObject, Transaction } from "./nodes/client/transaction.ts";
export {
  ClosedError,
  ConflictError,
  CreationUndoneError,
  DeadlineError,
  DoesNotExistError,
  InvalidUrlError,
  MasterLostError,
  NotFoundError,
  ReadConflictError,
  ReadOnlyError,
  StorageError,
  TransientError,
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
