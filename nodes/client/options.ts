/** What a client is opened with. */

import type { MasterList } from "../cluster/master_list.ts";
import type { Address, LogSink, TlsIdentity } from "../host/host.ts";
import type { ConflictResolver } from "./conflicts.ts";
import type { Compression } from "./object_data.ts";

/** How a client behaves. */
export interface ClientOptions {
  /** Bytes of object data that are cached; 20 MiB where absent. */
  readonly cacheBytes?: number;
  /** Whether objects are compressed, or zlib's level from 1 to 9; true where absent. */
  readonly compress?: Compression;
  /** Whether writes are refused before anything is sent; false where absent. */
  readonly readOnly?: boolean;
  /** Unites changes that are in conflict; where absent, each conflict ends its transaction. */
  readonly resolveConflict?: ConflictResolver;
  /** How long an operation waits for a primary master, in milliseconds; 30 s where absent. */
  readonly connectTimeoutMs?: number;
  /** Ends the wait for the first connection. */
  readonly signal?: AbortSignal;
}

/** What the public `connect` takes besides a URL. */
export interface ConnectOptions extends ClientOptions {
  /** PEM texts for TLS, all three or none, instead of paths in the URL. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Where log lines go; nowhere where absent. */
  readonly log?: LogSink;
}

/** What a client needs to find its cluster. */
export interface ClusterOptions extends ClientOptions {
  readonly cluster: string;
  /** At least one master that lives; the others are learnt from it. Hosts may be names. */
  readonly masters: readonly Address[];
  readonly tls: TlsIdentity | null;
  /** Keeps the masters that are learnt of, such as in a file. */
  readonly keepMasters?: (masters: MasterList) => void;
}

/** How a call may be ended early. */
export interface CallOptions {
  /**
   * Ends the wait: the call rejects with the signal's reason, or with a DeadlineError when that is
   * the end of an `AbortSignal.timeout`.
   */
  readonly signal?: AbortSignal | undefined;
}
