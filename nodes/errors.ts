/**
 * The closed family of errors. Every message says what was expected, what was found and what to
 * do; `cause` keeps the error below. Which of them a peer gets to see, and as which protocol error
 * code, is decided in one place: `nodes/wire/refusal.ts`.
 */

/** The root of the family: anything else that is thrown is a defect of this program. */
export abstract class NeoError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A user's mistake in an option, a file or an environment: shown as one line, exit status 1. */
export class ConfigurationError extends NeoError {}

/** A connection that could not be opened, or an address that could not be bound. */
export class NetworkError extends NeoError {}

/** A database that cannot be opened or used as it is. The message says what to do. */
export class DatabaseError extends NeoError {}

/** A database server that can't be reached, or no more: trying again may help. */
export class DatabaseLostError extends DatabaseError {}

/** A file that cannot be read or written, or does not hold what it should. */
export class FileError extends NeoError {}

/** A thread of this process that could not do what it was asked for. */
export class ThreadError extends NeoError {}

/** Bytes that are no packet of the protocol; costs their sender the connection. */
export class MalformedPacketError extends NeoError {
  constructor(readonly packet: string, readonly field: string, reason: string) {
    super(`${packet}.${field}: ${reason}`);
  }
}

/** A request that ended because its connection did. */
export class ConnectionClosedError extends NeoError {}
