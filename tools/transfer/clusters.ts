/** The clusters that commands copy from and to. */

import { type Client, connect, type ConnectOptions } from "../../mod.ts";

/** Objects are read once, so that keeping them would only cost memory. */
const CACHE_BYTES = 1 << 20;

/** Connects to a cluster that is only read. */
export async function openForReading(url: string, options: ConnectOptions): Promise<Client> {
  const client = await connect(url, { ...options, readOnly: true, cacheBytes: CACHE_BYTES });
  await client.sync();
  return client;
}

/** Connects to a cluster that is filled. */
export function openForWriting(url: string, options: ConnectOptions): Promise<Client> {
  return connect(url, { ...options, cacheBytes: CACHE_BYTES });
}

/** Whether an argument names a cluster, and not a file. */
export function isClusterUrl(text: string): boolean {
  return /^neos?:\/\//.test(text);
}
