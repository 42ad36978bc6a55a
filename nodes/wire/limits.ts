/** The limits of connections, in one place. */

/** Requests of one peer that wait for their answer; one more ends the connection. */
export const MAX_UNANSWERED_REQUESTS = 1 << 18;

/** Bytes of a packet's header: id, code, length. */
export const HEADER_BYTES = 10;

/**
 * Bytes of a packet of a peer that nothing was accepted from yet: whoever can connect could send
 * it, and lists take many times their bytes in memory.
 */
export const MAX_FIRST_BODY_BYTES = 1 << 16;

/** How long a peer may take to send the bytes that open a connection. */
export const HANDSHAKE_TIMEOUT_MS = 60_000;

/** Bytes of packets that are handed to the network without waiting for the end of the turn. */
export const WRITE_BYTES = 1 << 18;

/** Bytes that may wait for a peer that does not read; more end the connection. */
export const MAX_UNSENT_BYTES = 1 << 29;
