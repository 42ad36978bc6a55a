/**
 * Releases of NEO other than 1.11, for tests on the databases that they leave. `setup` puts the
 * package of each beside the environment of 1.11, with which it shares all else.
 */
import type { Maker } from "../support/cluster.ts";
import { isReady, peerGroup, venv } from "./peer.ts";

/** Releases whose databases NEO 1.11 upgrades or opens as they are, and one that came later. */
export type Version = "1.8.1" | "1.9" | "1.10" | "1.12.0";

/** What makes the environment's Python programs those of a release. */
export function environmentOf(version: Version): Record<string, string> {
  return { PYTHONPATH: `${venv()}/neo-${version}` };
}

/** The nodes of a release. */
export function release(version: Version): Maker {
  return {
    name: version,
    command: (role) => {
      const variables = Object.entries(environmentOf(version)).map(([name, value]) =>
        `${name}=${value}`
      );
      return ["env", ...variables, `${venv()}/bin/neo${role}`];
    },
  };
}

/** Registers tests that need releases with `register`, which registers those that need 1.11. */
export function releaseGroup(
  { group, versions, register = peerGroup }: {
    readonly group: string;
    readonly versions: readonly Version[];
    readonly register?: typeof peerGroup;
  },
  tests: Parameters<typeof peerGroup>[1],
): void {
  const missing = isReady() ? versions.filter((version) => !isInstalled(version)) : [];
  if (missing.length === 0) return register(group, tests);
  console.error(
    `${group}: skipped: there is no NEO ${missing.join(", ")} beside ${venv()} ` +
      "(to try again, delete neo-*.failed there)",
  );
  if (Deno.env.get("CI") === "true") throw new Error(`${group}: nothing may be skipped in CI`);
  for (const name of Object.keys(tests)) Deno.test.ignore(`${group}: ${name}`, () => {});
}

function isInstalled(version: Version): boolean {
  try {
    return Deno.statSync(`${venv()}/neo-${version}`).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
