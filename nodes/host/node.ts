/** The host of a server: what a client has, and files, databases and signals. Deno only. */

import { hostname } from "node:os";
import { createClientHost } from "./client.ts";
import { startDeflater } from "./deflater.ts";
import { readTextFile, writeTextFile } from "./files.ts";
import type { LogSink, NodeHost } from "./host.ts";
import { connectMysql, diskOf } from "./mysql.ts";
import { fileSystem } from "./random_file.ts";
import { ignoreStraySignals, onSignal } from "./signals.ts";
import { openSqlite } from "./sqlite.ts";

export interface NodeHostOptions {
  readonly log: LogSink;
}

/**
 * Makes the real host of a server. From then on the process ignores the signals that nodes do not
 * take.
 */
export function createNodeHost({ log }: NodeHostOptions): NodeHost {
  if (!ignoreStraySignals()) {
    log.log("INFO", "host", "SIGUSR1 and real-time signals can't be ignored here");
  }
  return {
    ...createClientHost({ log }),
    hostname: hostname(),
    readTextFile,
    writeTextFile,
    openDatabase: openSqlite,
    connectDatabase: connectMysql,
    diskOf,
    files: fileSystem,
    startDeflater,
    onSignal,
  };
}
