/**
 * What this storage has left in its database: by that it finds out, when its server was lost and
 * the lock with it, whether another storage had the database in between. What is remembered of the
 * database would then be wrong.
 *
 * Tids and ttids come from the cluster and only grow, so whatever another storage commits or votes
 * has a greater one than all before. The settings tell of everything else: no cell changes without
 * the partition table's id, and a database that was erased has none. A storage that only was there,
 * and wrote nothing, has done no harm.
 */

import { hexId, type Tid, ZERO_TID } from "../../../codec/ids.ts";
import { DatabaseError, DatabaseLostError } from "../../../errors.ts";
import type { SqlSession } from "../../../host/host.ts";
import { integerOf, textOf, tidOf } from "../sql/columns.ts";
import type { Trail } from "../sql/connection.ts";
import { Template } from "./template.ts";

/** Statements that are sent at once. */
const MAX_STATEMENTS = 256;

/** Of transactions that are not finished, there are few. */
const GREATEST_PENDING = [
  "SELECT COALESCE(tid, ttid) AS tid FROM ttrans ORDER BY 1 DESC LIMIT 1",
  "SELECT tid FROM tobj ORDER BY tid DESC LIMIT 1",
];

/** Of each partition, only the end of an index is looked at. */
const GREATEST_COMMITTED = ["trans FORCE INDEX (PRIMARY)", "obj FORCE INDEX (tid)"]
  .map((table) => `SELECT tid FROM ${table} WHERE partition = ? ORDER BY tid DESC LIMIT 1`)
  .map((sql) => new Template(sql));

const SETTINGS = "SELECT name, value FROM config WHERE value IS NOT NULL";

/** NEO 1.12 stores no number of partitions: each has cells in the table. */
const LAST_PARTITION = new Template("SELECT MAX(partition) AS found FROM pt").fill([]);

/** Executes statements. */
type Query = SqlSession["query"];

/** Settings by name. */
type Settings = Map<string, string>;

type Change = readonly [name: string, value: string | null];

export class WriteTrail implements Trail {
  readonly #database: string;
  #greatestTid: Tid = ZERO_TID;
  /** Those that are committed; null as long as they are not known. */
  #settings: Settings | null = null;
  #changes: Change[] = [];

  constructor(database: string) {
    this.#database = database;
  }

  /** Begins with what is there. */
  async follow(query: Query): Promise<void> {
    const settings = await readSettings(query);
    this.#greatestTid = await readGreatestTid(query, settings);
    this.#settings = settings;
  }

  tid(tid: Tid): void {
    if (tid > this.#greatestTid) this.#greatestTid = tid;
  }

  setting(...change: Change): void {
    this.#changes.push(change);
  }

  /** A commit of all that was announced begins. Returns what to call when it is done. */
  commit(): () => void {
    const changes = this.#changes;
    if (changes.length === 0) return NOTHING;
    this.#changes = [];
    return () => {
      for (const [name, value] of changes) {
        if (value === null) this.#settings?.delete(name);
        else this.#settings?.set(name, value);
      }
    };
  }

  /**
   * Compares with what is there, when nothing is written that is not committed. Rejects with a
   * DatabaseError when somebody else has written.
   */
  async check(query: Query): Promise<void> {
    if (this.#settings === null) return;
    const difference = await this.#difference(query, this.#settings);
    if (difference === null) return;
    throw new DatabaseError(
      `another storage has used the database ${this.#database} while this node had lost its ` +
        `server: ${difference}; this node ends, and leaves the database as it is: let one storage ` +
        "use it, and no other",
    );
  }

  /** What somebody else has changed; null where nobody has. */
  async #difference(query: Query, known: Settings): Promise<string | null> {
    try {
      const settings = await readSettings(query);
      const names = new Set([...known.keys(), ...settings.keys()]);
      const name = [...names].find((name) => known.get(name) !== settings.get(name));
      if (name !== undefined) return `its setting ${name} is another one`;
      const tid = await readGreatestTid(query, settings);
      return tid > this.#greatestTid ? `it has got transactions, up to ${hexId(tid)}` : null;
    } catch (error) {
      if (!(error instanceof DatabaseError) || error instanceof DatabaseLostError) throw error;
      // The tables may be gone.
      return error.message;
    }
  }
}

const NOTHING = () => {};

async function readSettings(query: Query): Promise<Settings> {
  const [rows = []] = await query([SETTINGS]);
  return new Map(rows.map(({ name, value }) => [textOf(name), textOf(value)]));
}

async function readPartitions(query: Query, settings: Settings): Promise<number> {
  const stored = settings.get("partitions");
  if (stored !== undefined) return Number(stored);
  const [[row] = []] = await query([LAST_PARTITION]);
  const last = row?.found ?? null;
  return last === null ? 0 : Number(integerOf(last)) + 1;
}

async function readGreatestTid(query: Query, settings: Settings): Promise<Tid> {
  const partitions = await readPartitions(query, settings);
  const statements = [...GREATEST_PENDING];
  for (let offset = 0; offset < partitions; offset++) {
    for (const template of GREATEST_COMMITTED) statements.push(template.fill([offset]));
  }
  let greatest = ZERO_TID;
  while (statements.length > 0) {
    for (const [row] of await query(statements.splice(0, MAX_STATEMENTS))) {
      const tid = row === undefined ? ZERO_TID : tidOf(row.tid);
      if (tid > greatest) greatest = tid;
    }
  }
  return greatest;
}
