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

  /** Resolves when all steps were made. Rejects with what failed, or when they take too long. */
  async ended(endMs: number): Promise<void> {
    const { world } = this.#options;
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const busy = this.#workers.filter(({ busy }) => busy);
      if (busy.length === 0) return;
      if (world.clock.nowMs > endMs) {
        const names = new Set(busy.map(({ client }) => client.name));
        throw world.stuck(`workers of ${[...names].join(", ")} have not ended in time`);
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
      worker.left--;
      await workload.step(place);
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
