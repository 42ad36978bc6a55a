/** The host of a server: what a client has, and files, databases and signals. Deno only. */

import { hostname } from "node:os";
import { createClientHost } from "./client.ts";
import { readTextFile, writeTextFile } from "./files.ts";
import type { LogSink, NodeHost } from "./host.ts";
import { connectMysql, diskOf } from "./mysql.ts";
import { ignoreRealTimeSignals, onSignal } from "./signals.ts";
import { fileSystem } from "./random_file.ts";
import { openSqlite } from "./sqlite.ts";

export interface NodeHostOptions {
  readonly log: LogSink;
}

/** Makes the real host of a server. From then on the process ignores real-time signals. */
export function createNodeHost({ log }: NodeHostOptions): NodeHost {
  if (!ignoreRealTimeSignals()) {
    log.log("INFO", "host", "real-time signals can't be ignored here, and would end this process");
  }
  return {
    ...createClientHost({ log }),
    hostname: hostname(),
    readTextFile,
    writeTextFile,
    openDatabase: openSqlite,
    files: fileSystem,
    connectDatabase: connectMysql,
    diskOf,
    onSignal,
  };
}
