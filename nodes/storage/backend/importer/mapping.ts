/**
 * How several ZODBs become one: each gets a range of oids of its own, and mount points become the
 * objects that they stand for. This is fixed when an import begins and kept in the database, as
 * NEO 1.11 does, so that either program can go on with an import of the other.
 */

import { MAX_ID, type Oid, oid, type Tid, tid } from "../../../codec/ids.ts";
import { ConfigurationError, DatabaseError } from "../../../errors.ts";
import { PickleError } from "../../../pickle/errors.ts";
import { type Plain, PlainGlobal, PlainInstance, PlainLoader } from "../../../pickle/plain.ts";
import type { SourceOptions } from "./options.ts";
import { dictionaryOrder } from "./python_order.ts";

/** The place of one ZODB in the whole. */
export interface Placement {
  readonly name: string;
  readonly oid: Oid;
  /** What is added to its oids. */
  readonly shift: bigint;
  /** One more than its greatest oid when the import began. */
  readonly nextOid: Oid;
  /** Its last transaction when the import began: later ones are not imported. */
  readonly lastTid: Tid;
  /** What its mount points become. */
  readonly mounts: ReadonlyMap<Oid, Oid>;
}

/** What has to be known of a ZODB to place it. */
export interface Measure {
  readonly nextOid: Oid;
  readonly lastTid: Tid;
}

/**
 * Places ZODBs: the one whose oid is 0 first, then those that it mounts, each followed by those
 * that it mounts itself. Throws a ConfigurationError when they do not hang together.
 */
export function place(
  sources: readonly SourceOptions[],
  measures: ReadonlyMap<string, Measure>,
): Placement[] {
  const roots = sources.filter(({ oid }) => oid === 0n);
  const [root] = roots;
  if (root === undefined || roots.length > 1) {
    const found = roots.length === 0 ? "none" : roots.map(({ name }) => name).join(", ");
    throw new ConfigurationError(
      `expected one ZODB to be the root, with the oid 0, found ${found}: give each other one ` +
        "the oid of its object that is to take the place of a mount point",
    );
  }
  const placements = new Placer(sources, measures).run(root);
  for (const { name } of sources) {
    if (placements.some((placement) => placement.name === name)) continue;
    throw new ConfigurationError(
      `nothing mounts the ZODB ${name}: expected \`${name} = <oid>\` in the section of another one`,
    );
  }
  return placements;
}

class Placer {
  readonly #sources: ReadonlyMap<string, SourceOptions>;
  readonly #measures: ReadonlyMap<string, Measure>;
  readonly #shifts = new Map<string, bigint>();
  readonly #placements: Placement[] = [];
  #shift = 0n;

  constructor(sources: readonly SourceOptions[], measures: ReadonlyMap<string, Measure>) {
    this.#sources = new Map(sources.map((source) => [source.name, source]));
    this.#measures = measures;
  }

  run(root: SourceOptions): Placement[] {
    this.#place(root);
    return this.#placements;
  }

  #place(source: SourceOptions): void {
    const { name } = source;
    const measure = this.#measures.get(name);
    if (measure === undefined) throw new RangeError(`the ZODB ${name} was not measured`);
    const last = measure.nextOid - 1n;
    if (source.oid > last) {
      throw new ConfigurationError(
        `${name}: expected the oid of one of its objects, the last of which is ${last}, found ` +
          `${source.oid}`,
      );
    }
    const shift = this.#shift;
    this.#shifts.set(name, shift);
    this.#shift += measure.nextOid;
    if (this.#shift > MAX_ID) {
      throw new ConfigurationError(
        `${name}: expected room for its oids up to ${last} after those of the ZODBs before, ` +
          "found none: import it into a cluster of its own",
      );
    }
    const mounts = new Map<Oid, Oid>();
    this.#placements.push({ name, oid: source.oid, shift, ...measure, mounts });
    for (const targetName of mountOrder(source)) {
      const target = this.#sources.get(targetName);
      const at = source.mountPoints.get(targetName);
      if (target === undefined || at === undefined) {
        throw new ConfigurationError(
          `${name}: expected the name of another section before an oid, found ${targetName}`,
        );
      }
      if (!this.#shifts.has(targetName)) this.#place(target);
      mounts.set(at, oid(target.oid + (this.#shifts.get(targetName) ?? 0n)));
    }
  }
}

/** The order in which NEO goes through mount points: that of three dictionaries in a row. */
function mountOrder({ oid, mountPoints }: SourceOptions): string[] {
  const keys = ["storage", ...oid === 0n ? [] : ["oid"], ...mountPoints.keys()];
  const given = dictionaryOrder(keys).filter((key) => mountPoints.has(key));
  return dictionaryOrder(dictionaryOrder(given));
}

const CLASS = "neo.storage.database.importer ZODB";

/** Placements as NEO keeps them: a pickle of protocol 0, which is ASCII. */
export function encodePlacements(placements: readonly Placement[]): string {
  const entries = placements.map(({ name, oid, shift, nextOid, lastTid, mounts }) => {
    const numbers = { oid, next_oid: nextOid, shift_oid: shift, ltid: lastTid };
    const mapping = [...mounts].map(([from, to]) => `I${from}\nI${to}\ns`).join("");
    const state = Object.entries(numbers).map(([key, value]) => `S'${key}'\nI${value}\ns`);
    return `S${quoted(name)}\nccopy_reg\n_reconstructor\n(c${CLASS.replace(" ", "\n")}\n` +
      `c__builtin__\nobject\nNtR(d${state.join("")}S'mapping'\n(d${mapping}sbs`;
  });
  return `(d${entries.join("")}.`;
}

function quoted(name: string): string {
  if (/^[ -~]*$/.test(name) && !/['\\]/.test(name)) return `'${name}'`;
  throw new ConfigurationError(`the name of a section has characters that it must not: ${name}`);
}

/** Takes back what {@link encodePlacements}, or NEO, has made. Throws a DatabaseError. */
export function decodePlacements(text: string): Placement[] {
  try {
    const zodbs = new PlainLoader(new TextEncoder().encode(text)).load();
    if (!(zodbs instanceof Map)) throw new PickleError("it is no dictionary");
    return [...zodbs].map(([name, value]) => placementOf(name, value))
      .sort((a, b) => (a.shift < b.shift ? -1 : 1));
  } catch (cause) {
    if (!(cause instanceof PickleError || cause instanceof RangeError)) throw cause;
    throw new DatabaseError(
      `the database's setting zodb makes no sense: ${cause.message}`,
      { cause },
    );
  }
}

function placementOf(name: string, value: Plain): Placement {
  const [type] = value instanceof PlainInstance && Array.isArray(value.given) ? value.given : [];
  const state = value instanceof PlainInstance ? value.state : null;
  if (!(type instanceof PlainGlobal) || type.name !== CLASS || !(state instanceof Map)) {
    throw new PickleError(`what it says of ${name} is no ZODB`);
  }
  const number = (key: string): bigint => {
    const found = state.get(key);
    if (typeof found === "bigint") return found;
    throw new PickleError(`${name} has no ${key}`);
  };
  const mapping = state.get("mapping");
  const mounts = new Map<Oid, Oid>();
  for (const [from, to] of mapping instanceof Map ? mapping : []) {
    if (typeof to !== "bigint" || !/^\d{1,19}$/.test(from)) {
      throw new PickleError(`a mount point of ${name} is no oid`);
    }
    mounts.set(oid(BigInt(from)), oid(to));
  }
  return {
    name,
    oid: oid(number("oid")),
    shift: number("shift_oid"),
    nextOid: oid(number("next_oid")),
    lastTid: tid(number("ltid")),
    mounts,
  };
}
