/**
 * A FileStorage that is served, imported, and taken out again. Each round has a copy of the same
 * file: from the start of a storage on it, the time is taken until the root object is served, until
 * everything is imported, and then how long it takes to export it.
 */

import { join } from "node:path";
import { connect, oid, tid } from "../../mod.ts";
import { FileStorageWriter } from "../../nodes/filestorage/writer.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";
import type { Arena } from "./arena.ts";
import type { Cluster } from "./clusters.ts";
import type { Side } from "./drivers.ts";
import { type Pace, reason, type Round, type SideResult } from "./measure.ts";
import { BenchError, Child } from "./processes.ts";

/** Objects of each transaction. */
const OBJECTS_PER_TRANSACTION = 100;
const IMPORTED = /All data are imported/;
/** Our client asks a master once a second: each attempt is a new one. */
const ATTEMPT_MS = 100;
const POLL_MS = 5;
const CONNECTION_MS = 60_000;

const NOTHING = new Uint8Array(0);

/** The three row groups that an import gives, one result for each side. */
export interface ImportResults {
  readonly first: readonly SideResult[];
  readonly imports: readonly SideResult[];
  readonly exports: readonly SideResult[];
}

interface Contender {
  readonly side: Side;
  readonly first: Round[];
  readonly imports: Round[];
  readonly exports: Round[];
  failure: string | null;
}

/**
 * Writes a FileStorage of so many objects, as a mapping has them. With ZODB at hand, it gets the
 * index that it had in use.
 */
export async function writeSource(path: string, objects: number, venv: string): Promise<void> {
  const file = fileSystem.open(path, "create");
  if (file === null) throw new BenchError(`can't create ${path}`);
  const writer = new FileStorageWriter({ file });
  for (let first = 0; first < objects; first += OBJECTS_PER_TRANSACTION) {
    const description = new TextEncoder().encode(`from ${first} on`);
    const texts = { user: NOTHING, description, extension: NOTHING };
    writer.begin({ tid: tid(BigInt(first + 1)), packed: false, ...texts });
    const end = Math.min(first + OBJECTS_PER_TRANSACTION, objects);
    for (let number = first; number < end; number++) {
      writer.store({ oid: oid(BigInt(number)), data: mapping(number), dataTid: null });
    }
    writer.end();
  }
  writer.flush();
  file.close();
  if (venv === "") return;
  const code = "import sys; from ZODB.FileStorage import FileStorage as F; F(sys.argv[1]).close()";
  const python = { command: join(venv, "bin", "python"), args: ["-c", code, path] };
  await run(new Child("ZODB", python));
}

/** A PersistentMapping with a number and some text, as protocol 1 pickles it. */
function mapping(number: number): Uint8Array {
  const text = `some text of object ${number}, `.repeat(4);
  const digits = `I${number}\n`;
  return Uint8Array.from(
    "cpersistent.mapping\nPersistentMapping\nq\x01.}q\x02U\x04dataq\x03}q\x04(U\x06numberq\x05" +
      `${digits}U\x04textq\x06U${String.fromCharCode(text.length)}${text}q\x07us.`,
    (character) => character.charCodeAt(0),
  );
}

async function run(child: Child): Promise<void> {
  child.ignoreOutput();
  await child.succeeds();
}

/** Imports and exports a FileStorage on every side, again and again. */
export async function runImport(
  arena: Arena,
  source: { readonly path: string; readonly objects: number },
  { sides, pace }: { readonly sides: readonly Side[]; readonly pace: Pace },
): Promise<ImportResults> {
  const contenders: Contender[] = sides.map((side) => {
    return { side, first: [], imports: [], exports: [], failure: null };
  });
  for (let round = 0; round < pace.packRounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      if (contender.failure !== null) continue;
      try {
        await play(arena, contender, source);
      } catch (error) {
        contender.failure = reason(error);
      }
    }
  }
  const of = (pick: (contender: Contender) => Round[]) =>
    contenders.map((each) => ({ side: each.side, rounds: pick(each), failure: each.failure }));
  return {
    first: of(({ first }) => first),
    imports: of(({ imports }) => imports),
    exports: of(({ exports }) => exports),
  };
}

async function play(
  arena: Arena,
  contender: Contender,
  { path, objects }: { readonly path: string; readonly objects: number },
): Promise<void> {
  const { make } = contender.side.cluster;
  let exported = "";
  const cluster = await arena.startInTurn(make, (directory) => {
    exported = join(directory, "Export.fs");
    return configure(directory, path);
  });
  try {
    const startMs = performance.now();
    const imported = cluster.nodes.storage.complains(IMPORTED)
      .then(() => performance.now() - startMs);
    // Where the root object is not served, that is told instead.
    imported.catch(() => {});
    await served(cluster);
    const firstMs = performance.now() - startMs;
    const importMs = await imported;
    const exportStartMs = performance.now();
    await run(new Child("the export", make.exporter(cluster, exported)));
    const exportMs = performance.now() - exportStartMs;
    contender.first.push(roundOf(1, firstMs));
    contender.imports.push(roundOf(objects, importMs));
    contender.exports.push(roundOf(objects, exportMs));
  } finally {
    await arena.stop(cluster);
  }
}

/** Copies a FileStorage, with its index, and says that it is to be imported. */
function configure(directory: string, source: string): readonly string[] {
  const path = join(directory, "Data.fs");
  Deno.copyFileSync(source, path);
  try {
    Deno.copyFileSync(`${source}.index`, `${path}.index`);
  } catch (error) {
    // Only ZODB makes one.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const file = join(directory, "importer.conf");
  const database = join(directory, "storage.sqlite");
  Deno.writeTextFileSync(
    file,
    `[neo]\nadapter = SQLite\ndatabase = ${database}\n\n` +
      `[root]\nstorage =\n  <filestorage>\n    path ${path}\n  </filestorage>\n`,
  );
  return ["-a", "Importer", "-d", file];
}

/** Waits until our client gets the root object. */
async function served(cluster: Cluster): Promise<void> {
  const deadlineMs = performance.now() + CONNECTION_MS;
  let cause: unknown;
  while (performance.now() < deadlineMs) {
    cluster.assertRunning();
    try {
      await using client = await connect(cluster.url, { connectTimeoutMs: ATTEMPT_MS });
      await client.load(oid(0n));
      return;
    } catch (error) {
      cause = error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  throw new BenchError(`${cluster.make.label}: the root object was not served`, { cause });
}

function roundOf(count: number, ms: number): Round {
  const perSecond = count / ms * 1000;
  return { perSecond, medianMs: ms, p99Ms: ms, worstMs: ms, cpuMsPerOperation: null };
}
