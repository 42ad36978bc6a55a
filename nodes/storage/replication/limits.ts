/** The limits of replication, in one place. */

/**
 * Rows that are asked for at once: first, where objects turn out to be small, and where they are
 * very big.
 */
export const FIRST_FETCH_COUNT = 100;
export const FETCH_COUNT = 1000;
export const LEAST_FETCH_COUNT = 4;

/**
 * Bytes of object data that are asked for at once, as far as the last chunk tells; they are
 * committed together. Clients may wait for as long as that takes.
 */
export const CHUNK_BYTES = 1 << 22;

/** Rows that are sent at once at most, whatever a storage asks for. */
export const MAX_FETCH_COUNT = 10_000;

/** Small rows that are read at once, and rows that are written at once. */
export const READ_COUNT = 16;
export const WRITE_COUNT = 64;

/** Rows that are deleted in a slice of work without a look at the clock. */
export const DELETE_COUNT = 64;

/** How long a source that failed is left alone. */
export const RETRY_MS = 1000;
