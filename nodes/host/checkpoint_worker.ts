/**
 * A thread that copies a WAL to its main file, on a connection of its own, for as long as its
 * parent tells it to: see checkpoints.ts.
 */

import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

/** What the thread is started with. */
export interface CheckpointWork {
  readonly path: string;
  /** Its only number becomes 1 when the connection is closed, or can't be opened. */
  readonly closed: Int32Array;
}

/** What the thread is told. */
export type CheckpointOrder = "checkpoint" | "close";
/** What it answers to the first: null, or why it can't, which it may also say unasked. */
export type CheckpointAnswer = string | null;

function work({ path, closed }: CheckpointWork, port: NonNullable<typeof parentPort>): void {
  const leave = () => {
    Atomics.store(closed, 0, 1);
    Atomics.notify(closed, 0);
  };
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
    database.exec("PRAGMA synchronous = NORMAL");
  } catch (error) {
    port.postMessage(reasonOf(error));
    return leave();
  }
  const checkpoint = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  port.on("message", (order: CheckpointOrder) => {
    if (order === "close") {
      database.close();
      return leave();
    }
    let answer: CheckpointAnswer = null;
    try {
      checkpoint.get();
    } catch (error) {
      answer = reasonOf(error);
    }
    port.postMessage(answer);
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (parentPort !== null) work(workerData, parentPort);
