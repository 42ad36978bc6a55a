/**
 * The nodes of a cluster that run, by the names of their hosts, and how the others came to an end:
 * a node that ends without being told to, or with an error, has a defect unless there is a reason.
 */

import type { RunningNode } from "../../nodes/cluster/node.ts";
import { DatabaseError, NeoError } from "../../nodes/errors.ts";
import type { SimulatedHost } from "./host.ts";
import type { SimulatedWorld } from "./world.ts";

/** How a node ended that was neither stopped nor killed. */
export interface NodeEnd {
  readonly host: string;
  /** What it could not go on with, or not start with; null when it ended in order. */
  readonly error: unknown;
}

/**
 * Whether a storage refuses to delete what the cluster has not, so that somebody has to decide. It
 * can't know that others have packed what it has, if its cells were given away meanwhile.
 */
export function wantsReset({ error }: NodeEnd): boolean {
  return error instanceof DatabaseError && error.message.includes("--reset");
}

export class RunningNodes {
  readonly #world: SimulatedWorld;
  readonly #nodes = new Map<string, RunningNode>();
  /** Those that are being started, and by which process. */
  readonly #starting = new Map<string, SimulatedHost>();
  /** Whoever ended by itself, in the order of time. */
  readonly ends: NodeEnd[] = [];

  constructor(world: SimulatedWorld) {
    this.#world = world;
  }

  /** Those that were started and have not ended since. */
  get all(): readonly (readonly [string, RunningNode])[] {
    return [...this.#nodes];
  }

  has(name: string): boolean {
    return this.#nodes.has(name);
  }

  /** A node's machine is gone. */
  forget(name: string): void {
    this.#nodes.delete(name);
  }

  /** Starts a node, unless it runs or somebody else is about to start it. */
  async launch(name: string, start: (host: SimulatedHost) => Promise<RunningNode>): Promise<void> {
    const host = this.#world.host(name);
    if (this.#nodes.has(name) || this.#starting.get(name) === host) return;
    this.#starting.set(name, host);
    // Whoever is killed while he starts will never have started.
    const node = await Promise.race([this.#tryToStart(host, start), host.died]);
    if (this.#starting.get(name) === host) this.#starting.delete(name);
    if (node === undefined || !host.alive) return;
    this.#nodes.set(name, node);
    node.ended.then(() => this.#ended(name, node, null), (error) => this.#ended(name, node, error));
  }

  /** Starts a node; one whose disk is full can't. */
  async #tryToStart(
    host: SimulatedHost,
    start: (host: SimulatedHost) => Promise<RunningNode>,
  ): Promise<RunningNode | undefined> {
    try {
      return await start(host);
    } catch (error) {
      if (!(error instanceof NeoError)) throw error;
      this.#world.record(host.hostname, `could not start: ${error.message}`);
      this.ends.push({ host: host.hostname, error });
      return undefined;
    }
  }

  #ended(name: string, node: RunningNode, error: unknown): void {
    this.#world.record(name, error === null ? "has ended" : `has failed: ${error}`);
    if (error !== null || this.#nodes.get(name) === node) this.ends.push({ host: name, error });
    if (this.#nodes.get(name) === node) this.#nodes.delete(name);
  }

  /** Stops a node in order, as a signal does; resolves when it has ended, or its machine has. */
  async stop(name: string): Promise<void> {
    const node = this.#nodes.get(name);
    if (node === undefined) return;
    this.#nodes.delete(name);
    // One that fails instead is taken note of elsewhere.
    const stopped = node.stop().catch(() => {});
    await Promise.race([stopped, this.#world.host(name).died]);
  }
}
