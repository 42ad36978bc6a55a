/**
 * `deno task bench`: the same work on our cluster and, where it is installed, on NEO 1.11, in
 * turns on the same machine; prints a table of both and their ratio.
 */

import { join } from "node:path";
import { Arena, type Prepared } from "./arena.ts";
import { checkoutMake, type Cluster, type Make, OURS, peerMake, peerVenv } from "./clusters.ts";
import { MysqlDatabases, SQLITE } from "./databases.ts";
import type { Side } from "./drivers.ts";
import { measureRest, runScenario, type SideResult } from "./measure.ts";
import { type Options, parseOptions } from "./options.ts";
import { REVISIONS_PER_OBJECT, runPack } from "./pack.ts";
import { runImport, writeSource } from "./import.ts";
import { BenchError } from "./processes.ts";
import { type Group, heading, restLines, scenarioLines, summarize } from "./report.ts";
import {
  AT_REST,
  IMPORT,
  NOTHING_PROMISED,
  PACK,
  type Scenario,
  SCENARIOS,
  targetsOnServer,
} from "./scenarios.ts";

const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** The exit status of a program that was interrupted. */
const INTERRUPTED = 130;

class Bench {
  readonly #options: Options;
  readonly #arena: Arena;
  /** The virtual environment of NEO 1.11; empty where it is not installed. */
  readonly #venv: string;
  readonly #record: Record<string, unknown>;
  #whole = true;

  constructor(options: Options, arena: Arena, venv: string) {
    this.#options = options;
    this.#arena = arena;
    this.#venv = venv;
    const { pace, transactions, revisions, objects } = options;
    this.#record = { date: new Date().toISOString(), pace, transactions, revisions, objects };
  }

  /** Returns whether every side ran. */
  async run(): Promise<boolean> {
    const { chosen, pace, json } = this.#options;
    console.log(heading());
    for (const scenario of SCENARIOS.filter(({ name }) => chosen.includes(name))) {
      const sides = this.#sides(scenario, await this.#clusters(scenario));
      const targets = this.#options.mysql === null ? scenario.targets : targetsOnServer(scenario);
      const group = { title: scenario.title, targets };
      this.#report(scenario.name, group, await runScenario(scenario, sides, pace));
    }
    if (chosen.includes(PACK)) await this.#pack();
    if (chosen.includes(IMPORT)) await this.#import();
    if (chosen.includes(AT_REST)) {
      // Those that have worked, or new ones where nothing else was chosen.
      if (this.#arena.running().length === 0) await this.#arena.set("shared");
      const rest = await measureRest(this.#arena.running(), pace);
      console.log(restLines(rest));
      this.#record[AT_REST] = rest;
    }
    if (json !== null) Deno.writeTextFileSync(json, JSON.stringify(this.#record, null, 2) + "\n");
    return this.#whole;
  }

  #clusters({ database }: Scenario): Promise<readonly Cluster[]> {
    if (database === "shared") return this.#arena.set("shared");
    const { transactions } = this.#options;
    return this.#arena.set("history", () =>
      this.#prepare(`${transactions} transactions`, {
        name: "history",
        fill: async (driver) => {
          await driver.prepareHistory(transactions);
          return [];
        },
      }));
  }

  /** The sides of a scenario; the first is what the others are compared with. */
  #sides(
    { clients, onlyOurs }: Pick<Scenario, "clients" | "onlyOurs">,
    clusters: readonly Cluster[],
  ): Side[] {
    const venv = this.#venv;
    const sides: Side[] = [];
    clusters.forEach((cluster, i) => {
      const { label: nodes, client: ours } = cluster.make;
      const number = ours === null && i > 0 ? " again" : "";
      const base = { cluster, venv };
      if (venv !== "" && !onlyOurs) {
        const label = `Python client, ${nodes}${number}`;
        sides.push({ ...base, client: "python", label, programs: 1 });
      }
      if (ours === null) return;
      sides.push({
        ...base,
        client: "typescript",
        label: `TypeScript client, ${nodes}`,
        programs: 1,
      });
      if (clients === 1 || onlyOurs) return;
      const many = `TypeScript client × ${clients}, ${nodes}`;
      sides.push({ ...base, client: "typescript", label: many, programs: clients });
    });
    return sides;
  }

  async #pack(): Promise<void> {
    const { revisions, pace } = this.#options;
    const objects = revisions / REVISIONS_PER_OBJECT;
    const prepared = await this.#prepare(`${revisions} revisions`, {
      name: "revisions",
      fill: (driver) => driver.prepareRevisions(objects, REVISIONS_PER_OBJECT),
    });
    const sides = this.#sides({ clients: 1 }, await this.#arena.set("shared"));
    const { packs, packing, quiet } = await runPack(this.#arena, prepared, {
      sides,
      pace,
      revisions,
    });
    const even = { python: 1, typescript: 1 };
    const group = (title: string, targets: Group["targets"]) => ({ title, targets });
    const loads = "loads that miss the cache by 1 client";
    this.#report("pack", group(`pack of ${revisions} revisions, 9 of 10 go`, even), packs);
    this.#report("pack-loads", group(`${loads}, meanwhile`, even), packing);
    this.#report("pack-quiet", group(`${loads}, before`, NOTHING_PROMISED), quiet);
  }

  async #import(): Promise<void> {
    const { objects, pace } = this.#options;
    console.error(`preparing a FileStorage of ${objects} objects …`);
    const path = join(this.#arena.directory("source"), "Data.fs");
    await writeSource(path, objects, this.#venv);
    // No client of a side's own works here: only nodes do.
    const sides = (await this.#arena.set("shared")).map((cluster): Side => ({
      ...{ cluster, venv: this.#venv, client: "python", label: cluster.make.label, programs: 1 },
    }));
    const { first, imports, exports } = await runImport(this.#arena, { path, objects }, {
      ...{ sides, pace },
    });
    const group = (title: string, python: number | null) => ({
      title,
      targets: { python, typescript: null },
    });
    const start = "from the storage's start";
    this.#report("import-first", group(`the first object is served, ${start}`, null), first);
    this.#report("import", group(`${objects} objects are imported, ${start}`, 3), imports);
    this.#report("export", group("the same are exported to a FileStorage", 1), exports);
  }

  async #prepare(what: string, { name, fill }: {
    readonly name: string;
    readonly fill: Parameters<Arena["prepare"]>[1];
  }): Promise<Prepared> {
    console.error(`preparing ${what} …`);
    return await this.#arena.prepare(name, fill);
  }

  #report(name: string, group: Group, results: readonly SideResult[]): void {
    const summaries = summarize(group, results);
    console.log(scenarioLines(group, summaries));
    this.#whole &&= results.every((result) => result.failure === null);
    const rounds = results.map((result) => result.rounds);
    this.#record[name] = summaries.map((summary, i) => ({ ...summary, rounds: rounds[i] }));
  }
}

/** Whose nodes are measured; the others are compared with the first. */
function makesOf({ beside, noise }: Options, peer: Make | null): Make[] {
  if (beside !== null) return [checkoutMake("beside", beside), OURS];
  if (peer === null) return [OURS];
  return noise ? [peer, peer] : [peer, OURS];
}

/** Returns whether every side ran. */
async function main(options: Options): Promise<boolean> {
  const venv = peerVenv();
  if (!venv.installed) {
    console.log(`NEO 1.11 is not installed in ${venv.path}: measuring ours alone.`);
    if (options.noise) throw new BenchError("--noise needs NEO 1.11: set NEO_PEER_VENV");
  }
  const makes = makesOf(options, venv.installed ? peerMake(venv.path) : null);
  const arena = new Arena(makes, options.mysql ? new MysqlDatabases(options.mysql) : SQLITE);
  const interrupted = () => {
    arena.abandon();
    Deno.exit(INTERRUPTED);
  };
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, interrupted);
  try {
    return await new Bench(options, arena, venv.installed ? venv.path : "").run();
  } finally {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, interrupted);
    await arena.close();
  }
}

try {
  if (!await main(parseOptions())) Deno.exitCode = 1;
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  console.error(`bench: ${error.message}`);
  Deno.exit(1);
}
