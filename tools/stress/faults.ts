/**
 * What goes wrong, and how it is put right again. Faults begin at random moments, at least one a
 * second, and last a while, so that several go on at the same time. Those that cost the cluster a
 * node mostly wait until it is whole, and are replaced by others meanwhile:
 * otherwise it would only be down, and clients with it.
 */

import type { Random } from "../../tests/sim/random.ts";
import type { StressCluster } from "./cluster.ts";
import type { ManagedNode } from "./managed_node.ts";
import type { FaultKind } from "./options.ts";

/** How much later the next fault begins. */
const PAUSE_MS = { low: 150, high: 900 } as const;
/** How long a node is gone, stopped, or cut off, or its connections are slow. */
const AWAY_MS = { low: 0, high: 2500 } as const;
const STOPPED_MS = { low: 50, high: 2000 } as const;
const CUT_MS = { low: 100, high: 2000 } as const;
const SLOW_MS = { low: 300, high: 3000 } as const;
/** How much later everything arrives. */
const DELAY_MS = { low: 2, high: 200 } as const;
/** How rare it is that it may lose what it can't do without. */
const REGARDLESS_ONE_IN = 10;

/** How often another fault is drawn when one can't be now. */
const MAX_TRIES = 100;

type Fault = (injector: FaultInjector) => Promise<void> | null;

export interface FaultOptions {
  readonly cluster: StressCluster;
  readonly random: Random;
  readonly kinds: readonly FaultKind[];
  /** Whether the cluster was whole when it was last looked at. */
  isWhole(): boolean;
  /** Told of each fault when it begins. */
  happened(kind: FaultKind, node: string): void;
}

export class FaultInjector {
  readonly counts = new Map<FaultKind, number>();
  readonly #options: FaultOptions;
  readonly #active = new Set<Promise<void>>();
  readonly #disturbed = new Set<ManagedNode>();
  readonly #kinds: readonly FaultKind[];
  readonly #failed = Promise.withResolvers<never>();
  #isRegardless = false;

  constructor(options: FaultOptions) {
    this.#options = options;
    this.#kinds = options.kinds;
    for (const kind of options.kinds) this.counts.set(kind, 0);
    this.#failed.promise.catch(() => {});
  }

  /** Rejects when a fault could not be put right. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Lets faults happen until the signal ends it. Resolves when all are put right. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#wait(PAUSE_MS, signal);
      if (!signal.aborted) this.#inject();
    }
    await Promise.all(this.#active);
  }

  /** Begins a fault; when the one that was drawn can't be now, another one. */
  #inject(): void {
    const { random } = this.#options;
    this.#isRegardless = random.oneIn(REGARDLESS_ONE_IN);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const kind = pick(this.#kinds, random);
      const fault = FAULTS[kind](this);
      if (fault === null) continue;
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      const active = fault.catch((error) => this.#failed.reject(error));
      this.#active.add(active);
      void active.finally(() => this.#active.delete(active));
      return;
    }
  }

  /** Whether the fault that is drawn now may cost the cluster anything. */
  get isRegardless(): boolean {
    return this.#isRegardless;
  }

  get random(): Random {
    return this.#options.random;
  }

  get nodes(): readonly ManagedNode[] {
    return this.#options.cluster.nodes;
  }

  /**
   * A node that may be disturbed now; null for none. Who `loses` it does without it, or gets along
   * with it being slow.
   */
  victim({ loses, proxied = false }: {
    readonly loses: boolean;
    readonly proxied?: boolean;
  }): ManagedNode | null {
    const node = pick(this.nodes, this.random);
    if (this.#disturbed.has(node) || (proxied && node.proxy === null)) return null;
    if (!loses || this.#isRegardless) return node;
    const isAlone = [...this.#disturbed].every(({ role }) => role !== node.role);
    return isAlone && this.#options.isWhole() ? node : null;
  }

  /** Disturbs a node for a while. */
  async during(
    kind: FaultKind,
    node: ManagedNode,
    { ms, begin, end }: {
      readonly ms: { readonly low: number; readonly high: number };
      readonly begin: () => Promise<void> | void;
      readonly end: () => void;
    },
  ): Promise<void> {
    this.#disturbed.add(node);
    this.#options.happened(kind, node.name);
    try {
      await begin();
      await this.#wait(ms);
      end();
    } finally {
      this.#disturbed.delete(node);
    }
  }

  #wait({ low, high }: { readonly low: number; readonly high: number }, signal?: AbortSignal) {
    const ms = this.random.between(low, high);
    return new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener("abort", end);
    });
  }

  /** All nodes that are not disturbed already. */
  get sound(): readonly ManagedNode[] {
    return this.nodes.filter((node) => !this.#disturbed.has(node));
  }
}

const FAULTS: Readonly<Record<FaultKind, Fault>> = {
  kill: (faults) => {
    const node = faults.victim({ loses: true });
    if (node === null) return null;
    return faults.during("kill", node, {
      ms: AWAY_MS,
      begin: () => node.kill(),
      end: () => node.start(),
    });
  },
  restart: (faults) => {
    const node = faults.victim({ loses: true });
    if (node === null) return null;
    return faults.during("restart", node, {
      ms: AWAY_MS,
      begin: () => node.terminate(),
      end: () => node.start(),
    });
  },
  stop: (faults) => {
    const node = faults.victim({ loses: false });
    if (node === null) return null;
    return faults.during("stop", node, {
      ms: STOPPED_MS,
      begin: () => node.pause(),
      end: () => node.resume(),
    });
  },
  reset: (faults) => {
    const node = faults.victim({ loses: true, proxied: true });
    // What leads to a master is mostly another node's only way, so that fewer are taken.
    const oneIn = node?.role === "master" ? 3 : 2;
    if (!node?.proxy?.reset(() => faults.random.oneIn(oneIn))) return null;
    return faults.during("reset", node, {
      ms: { low: 0, high: 0 },
      begin: () => {},
      end: () => {},
    });
  },
  delay: (faults) => {
    const node = faults.victim({ loses: false, proxied: true });
    const proxy = node?.proxy ?? null;
    if (node === null || proxy === null) return null;
    const delayMs = faults.random.between(DELAY_MS.low, DELAY_MS.high);
    return faults.during("delay", node, {
      ms: SLOW_MS,
      begin: () => void (proxy.delayMs = delayMs),
      end: () => void (proxy.delayMs = 0),
    });
  },
  cut: (faults) => {
    const node = faults.victim({ loses: true, proxied: true });
    const proxy = node?.proxy ?? null;
    if (node === null || proxy === null) return null;
    return faults.during("cut", node, {
      ms: CUT_MS,
      begin: () => {
        proxy.isCut = true;
        proxy.reset(() => true);
      },
      end: () => void (proxy.isCut = false),
    });
  },
  power: (faults) => {
    if (!faults.isRegardless) return null;
    const away = faults.sound.map((node) =>
      faults.during("power", node, {
        ms: AWAY_MS,
        begin: () => node.kill(),
        end: () => node.start(),
      })
    );
    return Promise.all(away).then(() => {});
  },
};

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}
