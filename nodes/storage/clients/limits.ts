/** What one answer to a client may have in it at most: it must fit in a packet. */

/** Tids in one answer. */
export const MAX_TIDS = 1 << 22;

/** Revisions in one answer of an object's history. */
export const MAX_HISTORY = 1 << 22;
