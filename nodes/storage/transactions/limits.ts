/** How much of a transaction is dealt with before others may get their turn. */

/** Objects of a transaction that are written, moved or freed at a time. */
export const PART_OBJECTS = 256;

/** Parts of a vote that are written out by one commit. */
export const COMMITTED_PARTS = 64;
