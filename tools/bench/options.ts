/** What the benchmark is told on its command line. */

import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { messageOf } from "../files.ts";
import type { Pace } from "./measure.ts";
import { REVISIONS_PER_OBJECT } from "./pack.ts";
import { NAMES, NAMES_OF_EMPTY } from "./scenarios.ts";

const FULL: Pace = {
  rounds: 7,
  roundSeconds: 3,
  warmUpSeconds: 2,
  restSeconds: 10,
  packRounds: 3,
};
const QUICK: Pace = {
  rounds: 3,
  roundSeconds: 0.8,
  warmUpSeconds: 0.5,
  restSeconds: 3,
  packRounds: 1,
};
const MAX_ROUNDS = 1000;
const FULL_SIZE = 100_000;
const QUICK_SIZE = 5000;
const MAX_SIZE = 10_000_000;

export interface Options {
  readonly pace: Pace;
  readonly chosen: readonly string[];
  /** Transactions to iterate and to follow. */
  readonly transactions: number;
  /** Revisions to pack; a multiple of {@link REVISIONS_PER_OBJECT}. */
  readonly revisions: number;
  /** Objects to import. */
  readonly objects: number;
  readonly json: string | null;
  /** A checkout that takes the place of NEO 1.11. */
  readonly beside: string | null;
  readonly noise: boolean;
  /** The server that has the databases; null for SQLite files. */
  readonly mysql: { readonly socket: string; readonly engine: string } | null;
}

/** Reads the command line; ends the program where it is wrong, or asks for help. */
export function parseOptions(): Options {
  const command = new Command("deno task bench")
    .description("Measures our cluster beside NEO 1.11, doing the same work in turns.")
    .option("--quick", "short rounds and small databases: about two minutes in total")
    .option("--only <name>", `one scenario; may be repeated (${NAMES.join(", ")})`, collectName)
    .option("--rounds <number>", "timed rounds of each scenario", wholeNumber(MAX_ROUNDS))
    .option("--seconds <number>", "length of a timed round", positiveNumber)
    .option(
      "--transactions <number>",
      `the history that is iterated and followed (${FULL_SIZE})`,
      wholeNumber(MAX_SIZE),
    )
    .option(
      "--revisions <number>",
      `what is packed, ${REVISIONS_PER_OBJECT} of each object (${FULL_SIZE})`,
      wholeNumber(MAX_SIZE),
    )
    .option("--objects <number>", `what is imported (${FULL_SIZE})`, wholeNumber(MAX_SIZE))
    .option("--json <file>", "also write every round's numbers to a file", writableFile)
    .addOption(
      new Option(
        "--beside <directory>",
        "another checkout of this project in place of NEO 1.11, such as before a change",
      ).conflicts("noise").argParser(checkout),
    )
    .option("--noise", "NEO 1.11 against itself, to learn what differences mean nothing")
    .option("--mysql <socket>", "a MariaDB server for all databases, on which root has no password")
    .option("--engine <engine>", "the engine of its tables", "InnoDB")
    .addHelpText("after", "\nNEO 1.11 is looked for in NEO_PEER_VENV or ~/.cache/neo-ts/peer-venv.")
    .parse(process.argv);
  const given = command.opts();
  // Databases that are prepared are copied as files.
  const measurable = given.mysql === undefined ? NAMES : NAMES_OF_EMPTY;
  const other = given.only?.find((name) => !measurable.includes(name));
  if (other !== undefined) {
    command.error(
      `error: option '--only ${other}' begins with a database that is prepared as a file: ` +
        "it can't be measured with '--mysql'",
    );
  }
  const usual = given.quick ? QUICK : FULL;
  const size = given.quick ? QUICK_SIZE : FULL_SIZE;
  const revisions = given.revisions ?? size;
  return {
    pace: {
      ...usual,
      rounds: given.rounds ?? usual.rounds,
      packRounds: given.rounds ?? usual.packRounds,
      roundSeconds: given.seconds ?? usual.roundSeconds,
    },
    chosen: given.only ?? measurable,
    transactions: given.transactions ?? size,
    revisions: Math.ceil(revisions / REVISIONS_PER_OBJECT) * REVISIONS_PER_OBJECT,
    objects: given.objects ?? size,
    json: given.json ?? null,
    beside: given.beside ?? null,
    noise: given.noise ?? false,
    mysql: given.mysql === undefined ? null : { socket: given.mysql, engine: given.engine },
  };
}

function collectName(name: string, previous: string[] | undefined): string[] {
  if (!NAMES.includes(name)) throw new InvalidArgumentError(`expected ${NAMES.join(", ")}.`);
  return [...previous ?? [], name];
}

/** Nodes that don't start would be waited for. */
function checkout(directory: string): string {
  const path = join(directory, "tools", "bench", "client.ts");
  if (existsSync(path)) return directory;
  throw new InvalidArgumentError(`there is no ${path}.`);
}

/** Measuring takes long: a file that can't be written is refused before. */
function writableFile(path: string): string {
  try {
    Deno.writeTextFileSync(path, "", { append: true });
    return path;
  } catch (error) {
    throw new InvalidArgumentError(`it can't be written: ${messageOf(error)}.`);
  }
}

function wholeNumber(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw new InvalidArgumentError(`expected a whole number from 1 to ${max}.`);
  };
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("expected a number of seconds greater than 0.");
}
