/**
 * All clusters of a run and the directory in which they have their files: databases that are
 * prepared once and copied for each cluster, so that all work on the same data. NEO 1.11 opens a
 * copy of what our storage has written.
 */

import { join } from "node:path";
import { Cluster, type Make, OURS } from "./clusters.ts";
import { type Databases, SQLITE, sqliteFile } from "./databases.ts";
import { Driver, type Side } from "./drivers.ts";

/** A database that clusters may start from. */
export interface Prepared {
  readonly database: string;
  /** Its objects, where they are of interest. */
  readonly oids: readonly string[];
}

export class Arena {
  readonly #directory = Deno.makeTempDirSync({ prefix: "neo-bench-" });
  readonly #clusters = new Map<Cluster, string>();
  readonly #sets = new Map<string, readonly Cluster[]>();
  #started = 0;

  /**
   * @param makes whose nodes there are; one cluster of each set is of each
   * @param databases where they keep objects; those that are prepared are SQLite files
   */
  constructor(readonly makes: readonly Make[], readonly databases: Databases) {}

  /** The clusters of a name, one of each make; started at the first use, by `prepare` if given. */
  async set(name: string, prepare?: () => Promise<Prepared>): Promise<readonly Cluster[]> {
    const known = this.#sets.get(name);
    if (known !== undefined) return known;
    const prepared = await prepare?.();
    const clusters = this.makes.map((make) => this.start(make, prepared));
    this.#sets.set(name, clusters);
    return clusters;
  }

  /** The clusters that were started so far, and run. */
  running(): Cluster[] {
    return [...this.#clusters.keys()].filter((cluster) => cluster.isRunning);
  }

  /** Starts a cluster, on a copy of a prepared database if there is one. */
  start(make: Make, prepared?: Prepared): Cluster {
    const directory = this.directory(String(this.#started++));
    if (prepared !== undefined) Deno.copyFileSync(prepared.database, sqliteFile(directory));
    const databases = prepared === undefined ? this.databases : SQLITE;
    const cluster = Cluster.start(make, directory, databases.create(directory));
    this.#clusters.set(cluster, directory);
    return cluster;
  }

  /** Starts a cluster whose storage comes after its master, on what `prepare` names in a directory. */
  async startInTurn(
    make: Make,
    prepare: (directory: string) => readonly string[],
  ): Promise<Cluster> {
    const directory = this.directory(String(this.#started++));
    const cluster = await Cluster.startInTurn(make, directory, prepare(directory));
    this.#clusters.set(cluster, directory);
    return cluster;
  }

  /** Makes a directory that goes with the arena. */
  directory(name: string): string {
    const directory = join(this.#directory, name);
    Deno.mkdirSync(directory);
    return directory;
  }

  /** Stops a cluster and removes its files. */
  async stop(cluster: Cluster): Promise<void> {
    const directory = this.#clusters.get(cluster);
    await cluster.stop();
    this.#clusters.delete(cluster);
    if (directory !== undefined) Deno.removeSync(directory, { recursive: true });
  }

  /** Lets our client fill a database of our nodes; `fill` returns the oids. */
  async prepare(
    name: string,
    fill: (driver: Driver) => Promise<readonly string[]>,
  ): Promise<Prepared> {
    const directory = this.directory(name);
    const cluster = Cluster.start(OURS, directory, SQLITE.create(directory));
    this.#clusters.set(cluster, directory);
    const side: Side = { client: "typescript", label: name, cluster, programs: 1, venv: "" };
    const driver = await Driver.start(side, 1, false);
    const oids = await fill(driver);
    await driver.close();
    // A storage that has stopped leaves one whole file.
    await cluster.stop();
    this.#clusters.delete(cluster);
    return { database: sqliteFile(directory), oids };
  }

  /** Stops everything and removes all files. */
  async close(): Promise<void> {
    await Promise.all([...this.#clusters.keys()].map((cluster) => cluster.stop()));
    this.databases.close();
    Deno.removeSync(this.#directory, { recursive: true });
  }

  /** As {@link close}, at once. */
  abandon(): void {
    for (const cluster of this.#clusters.keys()) cluster.kill();
    this.databases.close();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}
