/** The limits of the client, in one place. */

/** Bytes of object data that the cache keeps, unless an option says otherwise. */
export const DEFAULT_CACHE_BYTES = 20 << 20;

/** What an item of the cache costs besides its data, about: many small ones count too. */
export const CACHE_ITEM_BYTES = 200;

/** Accesses after which an unused item of the cache sinks by one level. */
export const CACHE_LIFE_TIME = 10_000;

/** Items without data that the cache remembers, so as to know what is asked for again. */
export const MAX_CACHE_HISTORY = 100_000;

/** How long an operation waits for a primary master, unless an option says otherwise. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 30_000;

/** For how long a storage that failed is only read from when no other can be. */
export const FAILURE_AGE_MS = 600_000;

/** Oids that are asked for at once: at least, and when many wait for one. */
export const MIN_OIDS = 100;
export const MAX_OIDS = 1000;

/**
 * Object data that are shorter are not compressed: about 10 µs of work would save less than a
 * database's overhead per row.
 */
export const MIN_COMPRESS_BYTES = 128;

/** Bytes of one object, so that its packet (64 MiB) has room for the other fields. */
export const MAX_OBJECT_BYTES = (64 << 20) - 1024;

/** Bytes of one object after decompression. */
export const MAX_INFLATED_BYTES = 1 << 30;

/** Bytes of one transaction that are stored and not yet answered; `store` waits above. */
export const MAX_IN_FLIGHT_BYTES = 16 << 20;

/** Writes of one transaction that are sent and not yet answered; `store` waits above. */
export const MAX_IN_FLIGHT_WRITES = 10_000;

/** Changes that `transact` sends before it looks at what became of them, and bytes of them. */
export const MAX_STORE_GROUP = 100;
export const STORE_GROUP_BYTES = 128 << 10;

/** Bytes that the function given to `transact` may store: they are kept until the commit. */
export const MAX_TRANSACT_BYTES = 1 << 30;

/** How often `transact` runs its function again, unless an option says otherwise. */
export const DEFAULT_RETRIES = 10;

/**
 * The pause before `transact` runs its function again: doubles each time, up to the greatest. After
 * a conflict it stays short: who pauses for long among many that do not will be in conflict again.
 */
export const MIN_BACKOFF_MS = 5;
export const MAX_CONFLICT_BACKOFF_MS = 20;
export const MAX_BACKOFF_MS = 1000;

/** Invalidations that wait for one slow reader; beyond, it is told that anything may be stale. */
export const MAX_QUEUED_INVALIDATIONS = 10_000;

/** Transactions that an iteration asks for at once; it reads no more ahead of its reader. */
export const ITERATION_CHUNK = 100;

/**
 * For how long a storage is asked again for a transaction that is known to be committed, and which
 * it has still to unlock; and the pauses, which double each time.
 */
export const MAX_UNLOCK_WAIT_MS = 30_000;
export const MIN_UNLOCK_PAUSE_MS = 1;
export const MAX_UNLOCK_PAUSE_MS = 200;

/** The pause of one who follows after a failure: doubles each time, up to the greatest. */
export const MIN_FOLLOW_PAUSE_MS = 20;
export const MAX_FOLLOW_PAUSE_MS = 1000;

/** How far a time may be ahead of this client's clock and still count as the present. */
export const MAX_CLOCK_SKEW_MS = 1000;

/** Revisions of an object that are asked for at once by one who looks for older ones. */
export const HISTORY_CHUNK = 100;

/** Requests about transactions or objects that are under way at once, for one operation. */
export const MAX_PARALLEL_READS = 100;
