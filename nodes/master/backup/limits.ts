/** The limits of a backup cluster's master, in one place. */

/**
 * Upstream transactions of one partition that are remembered while some cell lacks them. Of more,
 * only the last is: then a cell counts as complete up to where it was replicated, and no further.
 */
export const MAX_LATE_TIDS = 1024;

/**
 * Changed objects that clients have not been told of yet, because some cell lacks them. With more,
 * clients are disconnected once all cells have them, and find out by connecting again.
 */
export const MAX_UNTOLD_OBJECTS = 1 << 20;

/** How often a backup that is behind says so in the log. */
export const PROGRESS_LOG_MS = 60_000;

/** How long an upstream storage may take to say whether it has a transaction. */
export const HISTORY_TIMEOUT_MS = 30_000;

/** The pause before an upstream cluster is tried again that was reached and can't be followed. */
export const RETRY_MS = 5000;
