/** What `neo cluster --demo` shows: an object stored in one transaction and loaded by another. */

import type { Client } from "../../mod.ts";

/** Stores an object, loads it back, and prints both. */
export async function demonstrate(client: Client, print: (line: string) => void): Promise<void> {
  const text = `hello from NEO/ts at ${new Date().toISOString()}`;
  const oid = await client.transact((tx) => tx.create(new TextEncoder().encode(text)));
  print(`stored object ${oid.toString(16).padStart(16, "0")}: ${text}`);
  const { data, serial } = await client.load(oid);
  const tid = serial.toString(16).padStart(16, "0");
  print(`loaded it back, committed as ${tid}: ${new TextDecoder().decode(data)}`);
}
