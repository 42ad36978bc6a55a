/** A node's certificate, and the authority that signed it, in one call. */
import { Authority, type TlsFiles } from "./authority.ts";

export type { TlsFiles } from "./authority.ts";

/** Makes the files in `directory` with the `openssl` command. */
export async function makeCertificates(directory: string): Promise<TlsFiles> {
  const authority = await Authority.create(directory);
  return await authority.issue("node");
}
