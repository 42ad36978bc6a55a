/**
 * The real NEO 1.11 as a peer: its virtual environment, its nodes as makers, and the registration
 * of tests that need it. Where it cannot be had, every group says so in one line; under CI that is
 * a failure.
 */
import { type Maker, ours as ourMaker, ROOT } from "../support/cluster.ts";
import { run } from "../support/process.ts";

export { inDirectory } from "../support/directory.ts";

/** Making the environment compiles a few extensions. */
const SETUP_MS = 15 * 60_000;

/** The environment's directory, or why there is none. */
type Environment =
  | { readonly venv: string }
  | { readonly missing: string };

function venvDirectory(): string {
  const chosen = Deno.env.get("NEO_PEER_VENV");
  if (chosen) return chosen;
  const home = Deno.env.get("HOME") ?? "/root";
  return `${Deno.env.get("XDG_CACHE_HOME") || `${home}/.cache`}/neo-ts/peer-venv`;
}

async function prepare(): Promise<Environment> {
  const venv = venvDirectory();
  const setup = await run(["bash", `${ROOT}tests/peer/setup`, venv], {
    name: "tests/peer/setup",
    timeoutMs: SETUP_MS,
  });
  if (setup.code === 0) return { venv };
  const reason = setup.stderr.trim().split("\n").at(-1) ?? "";
  return { missing: reason || `tests/peer/setup ended with status ${setup.code}` };
}

const environment = await prepare();

/** Whether the real NEO can be had. */
export function isReady(): boolean {
  return "venv" in environment;
}

/** The directory of the real NEO's virtual environment. */
export function venv(): string {
  if ("missing" in environment) throw new Error(environment.missing);
  return environment.venv;
}

/** NEO's own nodes. */
export const real: Maker = {
  name: "real",
  command: (role) => [`${venv()}/bin/neo${role}`],
};

/**
 * This project's nodes. With NEO_PEER_NODES=real it is NEO's own on this side as well, which shows
 * that the tests ask for nothing that NEO itself does not do.
 */
export const ours: Maker = Deno.env.get("NEO_PEER_NODES") === "real" ? real : ourMaker;

/** Registers a group of tests that need the real NEO. */
export function peerGroup(
  group: string,
  tests: Readonly<Record<string, (t: Deno.TestContext) => Promise<void>>>,
): void {
  const names = Object.keys(tests);
  if ("missing" in environment) {
    const why = `${names.length} skipped (${environment.missing})`;
    console.error(`${group}: 0 passed, 0 failed, ${why}`);
    if (Deno.env.get("CI") === "true") throw new Error(`${group}: nothing may be skipped in CI`);
  }
  for (const [name, fn] of Object.entries(tests)) {
    Deno.test({ name: `${group}: ${name}`, ignore: "missing" in environment, fn });
  }
}
