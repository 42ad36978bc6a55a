/** What faults have in common: what they may do, and what they need to know. */

import type { SimulatedCluster } from "../../cluster.ts";
import type { Random } from "../../random.ts";
import type { RecordedClient } from "../../workloads/recorded_client.ts";
import type { Recorder } from "../../workloads/recorder.ts";

export interface FaultOptions {
  readonly cluster: SimulatedCluster;
  readonly random: Random;
  readonly recorder: Recorder;
  /**
   * Whether packs are possible. A backup that was away may never hear of a deletion that is packed
   * upstream meanwhile, and its replicas then differ for good.
   */
  readonly mayPack: boolean;
  /** Gives all workers more to do, so that there is something to disturb. */
  work(): void;
  /** The clients that live, by their hosts. */
  clients(): ReadonlyMap<string, RecordedClient>;
  /** A client's machine is gone; another client takes over its work. */
  replaceClient(host: string): Promise<void>;
  /** Takes note of what happens, by its kind and where. */
  happens(kind: string, where: string): void;
}

/** Something goes wrong. Resolves when what can be put right again is. */
export type Fault = (faults: FaultOptions) => Promise<void>;

/** How long a node is away. */
const AWAY_MS = { low: 5, high: 2500 } as const;

/** Lets some time pass. */
export function away({ cluster: { world }, random }: FaultOptions): Promise<void> {
  return world.sleep(random.between(AWAY_MS.low, AWAY_MS.high));
}

/** One of the items. */
export function pick<T>(items: readonly T[], random: Random): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

/** All machines of nodes and clients. */
export function machines({ cluster, clients }: FaultOptions): string[] {
  return [...cluster.names, ...clients().keys()];
}
