/** Who works in a run: each makes the steps of a workload, one after the other. */

import type { Random } from "../random.ts";
import type { RecordedClient } from "../workloads/recorded_client.ts";
import type { Place, Workload } from "../workloads/workload.ts";
import type { SimulatedWorld } from "../world.ts";
import type { RunOptions } from "./options.ts";

/** How often it is looked whether all have ended. */
const LOOK_MS = 100;

/** Who makes steps for a client. */
class Worker {
  /** How many steps are left. */
  left = 0;
  busy = false;
  /** Whether it is waiting for the others' rest to be over, between two steps. */
  resting = false;

  constructor(readonly client: RecordedClient) {}
}

export interface WorkersOptions {
  readonly world: SimulatedWorld;
  readonly options: RunOptions;
  readonly random: Random;
  readonly workload: Workload;
}

export class Workers {
  readonly #options: WorkersOptions;
  readonly #workers: Worker[] = [];
  #failure: unknown = null;
  /** When a step ended last. */
  #lastStepMs = 0;
  #rest: Promise<void> | null = null;

  constructor(options: WorkersOptions) {
    this.#options = options;
  }

  add(client: RecordedClient): void {
    this.#workers.push(new Worker(client));
  }

  /** Gives each worker more steps to do. */
  work(): void {
    for (const [number, worker] of this.#workers.entries()) {
      worker.left += this.#options.options.steps;
      if (!worker.busy) this.#start(worker, number);
    }
  }

  /** Others go on for the workers of a client that is gone. */
  replace(gone: string, client: RecordedClient): void {
    for (const [number, worker] of this.#workers.entries()) {
      if (worker.client.name !== gone) continue;
      const successor = new Worker(client);
      successor.left = worker.left;
      this.#workers[number] = successor;
      this.#start(successor, number);
    }
  }

  /**
   * Resolves when all steps were made. Rejects with what failed, or when from some time on none
   * ends for as long as `limitMs`.
   */
  async ended(limitMs: number): Promise<void> {
    await this.#until(() => this.#workers.every(({ busy }) => !busy), limitMs);
  }

  /** Does something while nobody is in the middle of a step; rejects as {@link ended} does. */
  async atRest<T>(limitMs: number, act: () => Promise<T>): Promise<T> {
    const rest = Promise.withResolvers<void>();
    this.#rest = rest.promise;
    try {
      await this.#until(
        () => this.#workers.every(({ busy, resting }) => !busy || resting),
        limitMs,
      );
      return await act();
    } finally {
      this.#rest = null;
      rest.resolve();
    }
  }

  async #until(isSo: () => boolean, limitMs: number): Promise<void> {
    const { world } = this.#options;
    const startMs = world.clock.nowMs;
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      if (isSo()) return;
      if (world.clock.nowMs > Math.max(startMs, this.#lastStepMs) + limitMs) {
        const busy = this.#workers.filter(({ busy, resting }) => busy && !resting);
        const names = new Set(busy.map(({ client }) => client.name));
        throw world.stuck(`no step of ${[...names].join(", ")} has ended for ${limitMs} ms`);
      }
      await world.sleep(LOOK_MS);
    }
  }

  /** Waits for some time. */
  wait(maxMs: number): Promise<void> {
    const { world, random } = this.#options;
    return world.sleep(random.between(0, maxMs));
  }

  #start(worker: Worker, number: number): void {
    worker.busy = true;
    this.#steps(worker, number).catch((error) => this.#failure ??= error);
  }

  async #steps(worker: Worker, number: number): Promise<void> {
    const { client } = worker;
    const { random, workload } = this.#options;
    const place: Place = { client, worker: number, random, pause: () => this.#pause() };
    while (worker.left > 0) {
      if (this.#rest !== null) {
        worker.resting = true;
        await this.#rest;
        worker.resting = false;
      }
      worker.left--;
      await workload.step(place);
      this.#lastStepMs = this.#options.world.clock.nowMs;
      await this.#pause();
    }
    worker.busy = false;
  }

  /** Waits for a while, or not at all. */
  #pause(): Promise<void> {
    const { options: { pauseMs }, random } = this.#options;
    if (pauseMs === 0 || random.oneIn(2)) return Promise.resolve();
    return this.wait(pauseMs);
  }
}
