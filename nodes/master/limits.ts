/** The limits of the primary master, in one place. */

/** Oids that one request may ask for. */
export const MAX_NEW_OIDS = 1 << 20;

/** Requests to begin a transaction that may wait for storages to be ready. */
export const MAX_DELAYED_BEGINS = 1 << 16;

/** Failed votes that may wait for other transactions to end. */
export const MAX_DELAYED_VOTES = 1 << 16;
