/** What tests of the client share. */

import assert from "node:assert/strict";
import type { Client, Oid, Tid } from "../../mod.ts";
import { openClient } from "../../nodes/client/client.ts";
import type { ClientOptions } from "../../nodes/client/options.ts";
import type { InProcessCluster } from "../support/in_process.ts";
import { FaultyHost } from "./faulty_host.ts";
import { bytes, text } from "./texts.ts";

/** A client whose connections can be held and cut. */
export async function openFaulty(cluster: InProcessCluster, options: ClientOptions = {}) {
  const faults = new FaultyHost();
  const client = await openClient(faults.host, {
    ...options,
    cluster: cluster.name,
    masters: [cluster.master],
    tls: cluster.tls,
  });
  return { client, faults };
}

/** Creates an object. */
export async function create(client: Client, content: string): Promise<Oid> {
  return await client.transact((tx) => tx.create(bytes(content)));
}

/** Changes an object, and resolves with the transaction's id. */
export async function change(client: Client, oid: Oid, content: string): Promise<Tid> {
  let tid: Tid | null = null;
  await client.transact((tx) => tx.store(oid, bytes(content)), { committed: (id) => tid = id });
  assert.ok(tid !== null);
  return tid;
}

/** What an object holds for a client that knows of all that was committed. */
export async function latest(client: Client, oid: Oid): Promise<string> {
  await client.sync();
  return text((await client.load(oid)).data);
}
