/** What is done before the first connection: checking the options, and finding the masters. */

import { ConfigurationError, NetworkError } from "../errors.ts";
import type { Address, ClientHost } from "../host/host.ts";
import type { ClusterOptions } from "./options.ts";
import { checkCompression } from "./url.ts";

/** Throws a ConfigurationError for options that are impossible. */
export function checkOptions(
  { masters, compress = true, cacheBytes = 0, connectTimeoutMs = 0 }: ClusterOptions,
) {
  checkCompression(compress);
  if (masters.length === 0) {
    throw new ConfigurationError("expected at least one master, found none");
  }
  if (!(cacheBytes >= 0)) {
    throw new ConfigurationError(`expected cacheBytes from 0 on, found ${cacheBytes}`);
  }
  if (!(connectTimeoutMs >= 0)) {
    throw new ConfigurationError(`expected connectTimeoutMs from 0 on, found ${connectTimeoutMs}`);
  }
}

/** The numeric addresses of masters; names that can't be found do not matter while others can. */
export async function resolveMasters(
  host: ClientHost,
  masters: readonly Address[],
): Promise<Address[]> {
  const found: Address[] = [];
  let failure: NetworkError | null = null;
  for (const master of masters) {
    try {
      found.push({ host: await host.resolve(master.host), port: master.port });
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      failure = error;
      host.log.log("WARNING", "client", error.message);
    }
  }
  if (found.length === 0 && failure !== null) throw failure;
  return found;
}
