/** A backend on a server by itself, without a storage around it, and tests that need a server. */

import { createHash } from "node:crypto";
import type { LogLevel } from "../../nodes/host/host.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import type { Backend, BackendOptions, StoredData } from "../../nodes/storage/backend/backend.ts";
import { openBackend } from "../../nodes/storage/backend/open.ts";
import { Mariadb, NO_MARIADB } from "../support/mariadb.ts";
import { hurrying } from "../support/hurry.ts";
import { useMariadb } from "./databases.ts";

export type Address = Awaited<ReturnType<Mariadb["createDatabase"]>>;

/** Starts a server for the tests of a file. Returns what registers a test that needs it. */
export async function startServer(): Promise<
  (name: string, test: (server: Mariadb) => Promise<void>) => void
> {
  if (Mariadb.program === undefined) {
    return (name) => Deno.test.ignore(`${name}: ${NO_MARIADB}`, () => {});
  }
  const server = await Mariadb.start();
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
  useMariadb(server, "InnoDB");
  return (name, test) => Deno.test(name, () => test(server));
}

/** An open database, what it has failed with, and what it has logged. */
export interface Opened extends AsyncDisposable {
  readonly backend: Backend;
  readonly failures: unknown[];
  readonly lines: string[];
}

/** Opens a database for the cluster `test`. Time may fly for it. */
export async function open(
  address: Address,
  { hurries = false, ...options }: Partial<BackendOptions> & { readonly hurries?: boolean } = {},
): Promise<Opened> {
  const failures: unknown[] = [];
  const lines: string[] = [];
  const host = createNodeHost({
    log: { log: (level: LogLevel, _module, message) => lines.push(`${level} ${message}`) },
  });
  const backend = await openBackend(hurries ? hurrying(host) : host, address, {
    cluster: "test",
    dedup: false,
    reset: false,
    failed: (error) => failures.push(error),
    ...options,
  });
  backend.settings.partitions ??= 2;
  return {
    backend,
    failures,
    lines,
    [Symbol.asyncDispose]: async () => await backend.close({ commit: true }),
  };
}

/** Data with their checksum. */
export function dataOf(data: Uint8Array, compression = false): StoredData {
  const checksum = new Uint8Array(createHash("sha1").update(data).digest());
  return { compression, checksum, data };
}
