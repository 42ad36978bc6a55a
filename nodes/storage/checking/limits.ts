/** The limits of checks, in one place. */

/** Rows that are compared at once. */
export const CHECK_COUNT = 40_000;

/** Rows that are read in a slice of work without a look at the clock. */
export const READ_COUNT = 256;

/** Orders that wait at most; one more is refused. */
export const MAX_ORDERS = 100_000;
