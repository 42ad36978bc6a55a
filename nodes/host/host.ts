/**
 * The door to the outside: every clock, timer, random number, socket, file, database, signal and
 * log line that a node uses comes through a Host, so that a whole cluster can also run in one
 * process on simulated ones, and a run can be replayed from its seed.
 *
 * This file holds types only. `client.ts` implements what the client needs on `node:` modules,
 * `node.ts` adds what servers need, and the tests bring a simulated host.
 */

/** A numeric IP address in text form (`127.0.0.1`, `::1`) and a TCP port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A timer that has not fired yet; cancelling it twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * What a socket tells its owner. All are called in order, never from inside a call of the socket's
 * methods, and none after `closed`.
 */
export interface SocketEvents {
  /** Bytes arrived; the chunk belongs to the callee and is never written to again. */
  data(chunk: Uint8Array): void;
  /** After `write` returned false: all that was buffered has been handed to the network. */
  drained(): void;
  /**
   * The stream is over, for whatever reason, `end` and `destroy` of the owner included. `cause` is
   * null for these and for a peer that ended or reset the connection.
   */
  closed(cause: Error | null): void;
}

/** One TCP connection, in the clear or under TLS; TLS peers are already authenticated. */
export interface Socket {
  readonly local: Address;
  readonly remote: Address;
  /** Starts delivery; what arrived before is delivered first. Called exactly once. */
  start(events: SocketEvents): void;
  /**
   * Sends bytes, which must not be changed afterwards. Returns false when so much is buffered
   * that the caller should wait for `drained`. Does nothing on a closed socket.
   */
  write(chunk: Uint8Array): boolean;
  /** Bytes accepted by `write` that the network has not taken. */
  readonly bufferedBytes: number;
  /**
   * Stops (and starts again) the delivery of data, so that back-pressure reaches the peer. A
   * paused socket does not notice its peer's end.
   */
  pause(): void;
  resume(): void;
  /** Sends what is buffered, then closes. Data that arrives meanwhile is still delivered. */
  end(): void;
  /** Closes at once; what is buffered is lost. */
  destroy(): void;
}

/** A listening socket. */
export interface Listener {
  /** The address that peers use: the real port where 0 was asked. */
  readonly address: Address;
  /** Stops listening; accepted connections live on. */
  close(): void;
}

/** PEM texts of a node's TLS identity; `ca` may hold several certificates and CRLs. */
export interface TlsIdentity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Connects and listens, always in the clear or always under mutual TLS. */
export interface Network {
  /**
   * Opens a connection. Rejects with a NetworkError when the peer cannot be reached or,
   * under TLS, when either side refuses the other.
   */
  connect(address: Address): Promise<Socket>;
  /**
   * Listens. `refused` is told of each peer that did not get through the TLS handshake.
   * Rejects with a NetworkError when the address cannot be bound.
   */
  listen(address: Address, events: {
    accepted(socket: Socket): void;
    refused(remote: Address, reason: string): void;
  }): Promise<Listener>;
}

export type LogLevel = "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

/** A whole packet as it crossed a connection: `bytes[start, end)` is its body. */
export interface PacketFrame {
  readonly id: number;
  readonly code: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Where log lines go; `module` is the room that speaks, such as `storage`. */
export interface LogSink {
  log(level: LogLevel, module: string, message: string): void;
  /**
   * Records a packet that was received (`<`) or sent (`>`), and keeps nothing of the frame's
   * bytes; absent where nobody wants to know of packets.
   */
  packet?(direction: "<" | ">", peer: string, frame: PacketFrame): void;
  /** Tells who this node is from now on. */
  identified?(cluster: string, nid: number): void;
  /** Writes out what was only kept in memory. */
  flush?(): void;
}

/** What a client needs of the outside. */
export interface ClientHost {
  /** Unix time in milliseconds, with a fraction. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /**
   * Calls back once, `delayMs` or a little more from now. A pending timer keeps no process alive,
   * unless `keepsProcess` says so: for a pause that somebody waits for, while no socket is open.
   */
  setTimer(
    delayMs: number,
    callback: () => void,
    options?: { readonly keepsProcess: boolean },
  ): Timer;
  /**
   * Calls back once after everything that is ready to run now. It waits for no timer; those that
   * are due already may come first.
   */
  defer(callback: () => void): void;
  /** A number in [0, 1). */
  random(): number;
  /**
   * A network with the given TLS identity, or in the clear. Throws a ConfigurationError when the
   * identity is unusable.
   */
  network(tls: TlsIdentity | null): Network;
  /**
   * The first numeric address of a host name; numeric addresses come back unchanged. Rejects with
   * a NetworkError when there is none.
   */
  resolve(name: string): Promise<string>;
  readonly log: LogSink;
}

export type SqlValue = null | number | bigint | string | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue>>;

/**
 * A prepared statement, kept for the life of its database. Integers are read as `bigint`; a whole
 * `number` is written as an integer. Everything throws a DatabaseError when SQLite refuses it.
 */
export interface SqlStatement {
  run(...parameters: SqlValue[]): { readonly changes: number };
  get(...parameters: SqlValue[]): SqlRow | undefined;
  /** All rows at once: bound the work with LIMIT. */
  all(...parameters: SqlValue[]): SqlRow[];
}

/** An open SQLite database that this process has for itself. */
export interface SqlDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
  /**
   * Resolves when everything that was committed before the call is on disk. All that wait at
   * the same time share one flush. Rejects when the disk failed: then nothing may be acknowledged
   * any more.
   */
  durable(): Promise<void>;
  /**
   * Checkpoints, so that the main file holds everything, then closes and frees the lock. Throws a
   * DatabaseError when another program's reading kept the main file from being complete.
   */
  close(): void;
}

/**
 * Reads in an SQLite database before anything in its file is changed, and says why it is to be left
 * alone; null where it is not.
 */
export type DatabaseLook = (database: Pick<SqlDatabase, "prepare">) => string | null;

/**
 * What a file is opened for: to be read, to be made (there must be none yet) or to be changed as
 * well.
 */
export type FileAccess = "read" | "create" | "change";

/** An open file. Everything throws a FileError when the system refuses it. */
export interface RandomFile {
  readonly path: string;
  /** Its size now, in bytes. */
  readonly size: number;
  /** Fills `into` from a position on, in bytes. Returns how many bytes there were. */
  read(into: Uint8Array, position: number): number;
  /** Writes all bytes. */
  write(bytes: Uint8Array, position: number): void;
  /** Cuts what is beyond `size` bytes. */
  truncate(size: number): void;
  /** Returns when everything that was written is on disk. */
  flush(): void;
  close(): void;
}

/** Big binary files. Everything throws a FileError. */
export interface FileSystem {
  /** Opens a file; null when there is none, unless it is to be created. */
  open(path: string, access: FileAccess): RandomFile | null;
  /** Puts a file in another's place, in one step that a crash cannot cut in two. */
  rename(from: string, to: string): void;
  /** Removes a file, if it is there. */
  remove(path: string): void;
  /**
   * Takes the lock of a file that programs lock by convention, and makes the file if there is none;
   * null when another program has it. It goes with the process at the latest.
   */
  lock(path: string): FileLock | null;
}

/** A lock that is held. */
export interface FileLock {
  release(): void;
}

/** Data that were compressed, if that made them smaller. */
export interface Deflated {
  readonly compression: boolean;
  /** SHA-1 of `data`. */
  readonly checksum: Uint8Array;
  readonly data: Uint8Array;
}

/** Compresses in another thread. */
export interface Deflater {
  /**
   * Compresses what gets smaller by it, in the order of the calls. Rejects with a ThreadError where
   * the thread has failed.
   */
  deflate(data: readonly Uint8Array[]): Promise<Deflated[]>;
  /** Ends the thread. What is under way never comes. */
  close(): void;
}

/** A database of a MySQL or MariaDB server on this machine, and who we are there. */
export interface SqlServerAddress {
  /** The user of this process where null. */
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string;
  /** The path of the server's UNIX socket; the usual one where null. */
  readonly socket: string | null;
}

/**
 * A session with a database server. Texts are made of bytes: each character is one. Integers are
 * read as `bigint`, everything else as bytes.
 */
export interface SqlSession {
  /** Whether the server has hung up. */
  readonly isLost: boolean;
  /**
   * Executes statements one after the other, until one fails. Resolves with the rows of each.
   * Rejects with a DatabaseLostError when the server is gone, and may or may not have executed
   * them, and with another DatabaseError when it refuses one.
   */
  query(statements: readonly string[]): Promise<SqlRow[][]>;
  /** Says good-bye. */
  close(): Promise<void>;
  /** Hangs up. */
  destroy(): void;
}

/** The signals that a node may react to. */
export type SignalName = "SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGTERM" | "SIGUSR2";

/** A reaction to signals that can be withdrawn. */
export interface SignalSubscription {
  cancel(): void;
}

/** What a server needs of the outside. */
export interface NodeHost extends ClientHost {
  readonly hostname: string;
  /** Reads a whole text file; null when there is none. Throws a ConfigurationError otherwise. */
  readTextFile(path: string): string | null;
  /**
   * Replaces a file's text in one step: readers, and whoever comes after a crash, see the old or
   * the new, never a part. Throws a ConfigurationError when it cannot be written.
   */
  writeTextFile(path: string, text: string): void;
  /**
   * Opens (creates) a SQLite database and takes NEO's lock on it. Throws a DatabaseError
   * (`database is locked` when another node has it, or what `look` says). `device` names the disk
   * that it is on.
   */
  openDatabase(
    path: string,
    look?: DatabaseLook,
  ): { readonly database: SqlDatabase; readonly device: string };
  /** Files of other stores. */
  readonly files: FileSystem;
  /** Starts a thread that compresses, at zlib's usual level where it is null. */
  startDeflater(level: number | null): Deflater;
  /**
   * Opens a session with a database server. Rejects with a DatabaseLostError when it can't be
   * reached, and with another DatabaseError when it refuses us.
   */
  connectDatabase(address: SqlServerAddress): Promise<SqlSession>;
  /** Names the disk that a file or directory is on; null when this process can't see it. */
  diskOf(path: string): string | null;
  /**
   * Calls back at each of these signals instead of what they do by default, until cancelled. A
   * subscription keeps no process alive.
   */
  onSignal(names: readonly SignalName[], callback: (name: SignalName) => void): SignalSubscription;
}
