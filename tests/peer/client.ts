/** Drives real NEO clients, each a Python process of its own; what they can do: `client.py`. */
import type { Cluster } from "../support/cluster.ts";
import { ROOT } from "../support/cluster.ts";
import { Child } from "../support/process.ts";
import { venv } from "./peer.ts";

/** How long one request to a client may take; it includes connecting to the cluster. */
const REQUEST_MS = 60_000;

/** An exception in the client. */
export class PeerError extends Error {
  constructor(readonly exception: string, message: string) {
    super(`${exception}: ${message}`);
  }
}

type Answer =
  | { readonly ok: unknown }
  | { readonly error: string; readonly message: string };

/** One real client. */
export class PeerClient implements AsyncDisposable {
  #consumed = 0;

  private constructor(readonly child: Child) {}

  /** Starts a client and connects it to a cluster; `env` may choose another release of NEO. */
  static async open(cluster: Cluster, env: Record<string, string> = {}): Promise<PeerClient> {
    const child = Child.start([`${venv()}/bin/python`, `${ROOT}tests/peer/client.py`], {
      name: "client (real)",
      env,
    });
    const client = new PeerClient(child);
    try {
      await client.ask("open", {
        master_nodes: cluster.masters,
        name: cluster.name,
        ...(cluster.tls ?? {}),
      });
      return client;
    } catch (error) {
      await child.kill();
      throw new Error(`a real client could not connect\n${cluster.tails()}`, { cause: error });
    }
  }

  /** Makes the client do something and returns the result; rejects with what it raised. */
  async ask(method: string, args: Record<string, unknown> = {}): Promise<unknown> {
    await this.child.writeLine(JSON.stringify({ do: method, with: args }));
    const line = await this.child.waitForLine(this.#consumed, REQUEST_MS);
    this.#consumed += line.length + 1;
    const answer: Answer = JSON.parse(line);
    if ("error" in answer) throw new PeerError(answer.error, answer.message);
    return answer.ok;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child.terminate();
  }
}
