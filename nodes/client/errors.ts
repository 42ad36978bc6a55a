/**
 * The errors of the client that a caller can tell apart, each a class. A {@link TransientError}
 * goes away when the transaction is run again; `transact` does so by itself.
 */

import { hexId, type Oid, type Tid } from "../codec/ids.ts";
import { ConfigurationError, ConnectionClosedError, NeoError } from "../errors.ts";
import { PeerError } from "../wire/refusal.ts";

/** A URL that names no cluster, or has an option that is unknown or has an impossible value. */
export class InvalidUrlError extends ConfigurationError {}

/** The cluster can't do what was asked of it; the message says why. */
export class StorageError extends NeoError {}

/** No storage answers that has what was asked for; it may be back later. */
export class UnavailableError extends StorageError {}

/** A moment that is newer than the last transaction: what will have been committed then? */
export class FutureError extends StorageError {}

/** There is no such object, revision or transaction. */
export class NotFoundError extends StorageError {}

/** There has never been an object of this oid. */
export class DoesNotExistError extends NotFoundError {}

/** The object was deleted, or its creation undone, at the revision that was asked for. */
export class CreationUndoneError extends NotFoundError {
  /** @param serial the revision that is the deletion */
  constructor(readonly serial: Tid, message: string) {
    super(message);
  }
}

/** The database behind a storage lacks the operation, such as while it imports another one. */
export class UnsupportedError extends StorageError {}

/** A write on a client that was opened for reading, or on a cluster that is a backup. */
export class ReadOnlyError extends StorageError {}

/** The transaction can't be undone; the message says why. */
export class UndoError extends StorageError {}

/** The client was closed. */
export class ClosedError extends NeoError {}

/** Something took longer than it was allowed to. */
export class DeadlineError extends NeoError {}

/** Nothing was committed; the same transaction may succeed when it is run again. */
export abstract class TransientError extends NeoError {}

/** The connection to the primary master was lost on the way. */
export class MasterLostError extends TransientError {}

/** Too many storages were lost on the way, or could not be reached. */
export class StorageLostError extends TransientError {}

/** What a conflict was about. */
export interface ConflictDetails {
  readonly oid: Oid;
  /** The revision that the transaction was based on. */
  readonly base: Tid;
  /** The revision that another transaction committed. */
  readonly committed: Tid;
}

/** Another transaction has changed an object that this one changes. */
export class ConflictError extends TransientError {
  readonly oid: Oid;
  readonly base: Tid;
  readonly committed: Tid;

  constructor(
    { oid, base, committed }: ConflictDetails,
    { reason = "run the transaction again", cause }: {
      readonly reason?: string;
      readonly cause?: unknown;
    } = {},
  ) {
    super(
      `object ${hexId(oid)}: expected revision ${hexId(base)}, ` +
        `found ${hexId(committed)} by another transaction: ${reason}`,
      { cause },
    );
    this.oid = oid;
    this.base = base;
    this.committed = committed;
  }
}

/** Another transaction has changed an object that this one only relied on. */
export class ReadConflictError extends ConflictError {}

/**
 * The transaction may or may not have been committed: nobody could be asked before the wait was
 * ended. `client.outcome(ttid)` tells later.
 */
export class UnknownOutcomeError extends NeoError {
  constructor(readonly ttid: Tid, options?: { cause?: unknown }) {
    super(
      `the outcome of transaction ${hexId(ttid)} is unknown: ask for it when a master answers`,
      options,
    );
  }
}

/** What operations on a closed client end with. */
export function closedError(): ClosedError {
  return new ClosedError("the client was closed: open another one");
}

/** The client's error for what a peer answered; `subject` is what was asked for. */
export function fromPeer(error: PeerError, subject: string): NeoError {
  const options = { cause: error };
  switch (error.code) {
    case "OID_NOT_FOUND":
    case "TID_NOT_FOUND":
      return new NotFoundError(`${subject}: expected to be found, found nothing`, options);
    case "OID_DOES_NOT_EXIST":
      return new DoesNotExistError(
        `${subject}: expected to exist, found no record at all`,
        options,
      );
    case "READ_ONLY_ACCESS":
      return new ReadOnlyError(
        `${subject}: the cluster only serves reads: ${error.message}`,
        options,
      );
    case "BACKEND_NOT_IMPLEMENTED":
      return new UnsupportedError(`${subject}: ${error.message}`, options);
    case "INCOMPLETE_TRANSACTION":
      return new StorageLostError(
        `${subject}: the storages that missed it can't be dropped, ` +
          "since the cluster needs them: run it again when they are back",
        options,
      );
    default:
      return new StorageError(`${subject}: protocol error: ${error.message}`, options);
  }
}

/** The client's error for a request to the primary master that failed. */
export function fromMaster(error: unknown, subject: string): unknown {
  if (error instanceof PeerError) return fromPeer(error, subject);
  if (error instanceof ConnectionClosedError) {
    return new MasterLostError(
      `${subject}: the connection to the primary master was lost: run the transaction again`,
      { cause: error },
    );
  }
  return error;
}
