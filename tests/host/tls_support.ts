/** What the tests of TLS share: identities good and bad, and peers that take any. */

import assert from "node:assert/strict";
import type { createServer as createPlainServer } from "node:net";
import { connect, type ConnectionOptions, createServer, type TlsOptions } from "node:tls";
import { createClientHost } from "../../nodes/host/client.ts";
import type { Network, TlsIdentity } from "../../nodes/host/host.ts";
import { Authority, readIdentityFiles } from "../support/authority.ts";
import type { Reception } from "./support.ts";

export const host = createClientHost();

interface Identities {
  readonly directory: string;
  readonly good: TlsIdentity;
  readonly revoked: TlsIdentity;
  readonly expired: TlsIdentity;
  readonly version1: TlsIdentity;
  /** Signed by another authority. */
  readonly foreign: TlsIdentity;
  /** Signed by another authority of the same name. */
  readonly impostor: TlsIdentity;
  /** The same, of X.509 version 1. */
  readonly impostor1: TlsIdentity;
  readonly list: string;
  readonly expiredList: string;
  readonly foreignList: string;
  readonly impostorList: string;
}

async function makeIdentities(): Promise<Identities> {
  const directory = await Deno.makeTempDir({ prefix: "neo_tls_" });
  const [authority, other, impostor] = await Promise.all([
    Authority.create(`${directory}/cluster`),
    Authority.create(`${directory}/other`, "other-ca"),
    Authority.create(`${directory}/impostor`),
  ]);
  const good = await authority.issue("node");
  const revoked = await authority.issue("revoked");
  await authority.revoke(revoked);
  return {
    directory,
    good: readIdentityFiles(good),
    revoked: readIdentityFiles(revoked),
    expired: readIdentityFiles(await authority.issue("expired", { days: -1 })),
    version1: readIdentityFiles(await authority.issue("version1", { version: 1 })),
    foreign: readIdentityFiles(await other.issue("foreign")),
    impostor: readIdentityFiles(await impostor.issue("impostor")),
    impostor1: readIdentityFiles(await impostor.issue("impostor1", { version: 1 })),
    list: await authority.revocationList(),
    expiredList: await authority.revocationList({ expired: true }),
    foreignList: await other.revocationList(),
    impostorList: await impostor.revocationList(),
  };
}

/** Made once for each file of tests. */
export const ids = await makeIdentities();
globalThis.addEventListener("unload", () => Deno.removeSync(ids.directory, { recursive: true }));

/** The good identity, whose CA file also holds these lists. */
export function withLists(...lists: string[]): TlsIdentity {
  return { ...ids.good, ca: [ids.good.ca, ...lists].join("\n") };
}

/** A client that does not care whether its own certificate is any good. */
export function dialAnyway(reception: Reception, options: ConnectionOptions): Promise<void> {
  const { host, port } = reception.address;
  return new Promise((resolve) => {
    const peer = connect({
      ca: ids.good.ca,
      host,
      port,
      checkServerIdentity: () => undefined,
      ...options,
    });
    peer.on("secureConnect", () => peer.write("let me in"));
    // How the refusal is felt depends on the version of TLS.
    peer.on("error", () => {});
    peer.on("close", () => resolve());
    peer.resume();
  });
}

/** Connects to a server that does not care either; resolves with the outcome. */
export async function answerAnyway(network: Network, options: TlsOptions): Promise<string> {
  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: false });
  server.on("secureConnection", (peer) => {
    peer.on("error", () => {});
    peer.resume();
  });
  server.on("tlsClientError", () => {});
  const port = await listening(server);
  try {
    (await network.connect({ host: "127.0.0.1", port })).destroy();
    return "connected";
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message.replace(`cannot connect to 127.0.0.1:${port}: `, "");
  } finally {
    server.close();
  }
}

/** Listens on a free port of this machine, with which it resolves. */
export function listening(server: ReturnType<typeof createPlainServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      resolve(address.port);
    });
  });
}
