/** How much of a transaction is dealt with before others may get their turn. */

/** Objects of a transaction that are written, moved or freed at a time. */
export const PART_OBJECTS = 256;
