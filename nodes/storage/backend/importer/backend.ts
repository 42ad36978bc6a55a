/**
 * A storage's database that serves ZODBs while it copies them. In front of another backend, it
 * reads what was committed before in the sources, and everything else in the database. When all
 * is copied, the database is one like any other.
 */

import type { NodeHost } from "../../../host/host.ts";
import type { Backend, BackendOptions, BackgroundWork, Slices } from "../backend.ts";
import type { Eventual } from "../eventual.ts";
import { Import } from "./import.ts";
import { ImporterMaintenance } from "./maintenance.ts";
import { ImporterObjects } from "./objects.ts";
import { importedTid, lockSources, openPast, pauses } from "./open.ts";
import type { ImporterOptions } from "./options.ts";
import type { Past } from "./past.ts";
import { Progress } from "./progress.ts";
import { ImporterReplica } from "./replica.ts";
import { ImporterTransactions } from "./transactions.ts";
import { WriteBack } from "./write_back.ts";

/** Opens the database that is imported to. */
export type OpenDatabase = (options: BackendOptions) => Promise<Backend>;

/**
 * Opens an import. Rejects with a FileError when a source can't be read, with a ConfigurationError
 * when they do not hang together, or as opening the database does.
 */
export async function openImporter(
  host: NodeHost,
  { importer, open }: { readonly importer: ImporterOptions; readonly open: OpenDatabase },
  options: BackendOptions,
): Promise<Backend> {
  const locks = lockSources(host, importer.sources);
  const release = () => locks.forEach((lock) => lock.release());
  const database = await open(options).catch((error) => {
    release();
    throw error;
  });
  try {
    const past = await openPast(host, database, importer.sources);
    const progress = new Progress();
    progress.importedTid = await importedTid(database, past);
    return new ImporterBackend({ host, database, past, progress, importer, release });
  } catch (error) {
    release();
    await database.close({ commit: true });
    throw error;
  }
}

class ImporterBackend implements Backend {
  readonly settings: Backend["settings"];
  readonly devpath: readonly string[];
  readonly limits: Backend["limits"];
  readonly table: Backend["table"];
  readonly data: Backend["data"];
  readonly pending: Backend["pending"];
  readonly objects: ImporterObjects;
  readonly transactions: ImporterTransactions;
  readonly maintenance: ImporterMaintenance;
  readonly replica: ImporterReplica;
  readonly work: BackgroundWork = { run: (slices) => this.#work(slices) };
  readonly #import: Import;
  readonly #writeBack: WriteBack | null = null;
  readonly #release: () => void;
  readonly #database: Backend;
  readonly #past: Past;

  constructor({ host, database, past, progress, importer, release }: {
    readonly host: NodeHost;
    readonly database: Backend;
    readonly past: Past;
    readonly progress: Progress;
    readonly importer: ImporterOptions;
    /** Frees the locks of the sources. */
    readonly release: () => void;
  }) {
    this.#release = release;
    const { settings, devpath, limits, table, data, pending } = database;
    this.settings = settings;
    this.devpath = devpath;
    this.limits = limits;
    this.table = table;
    this.data = data;
    this.pending = pending;
    this.#database = database;
    this.#past = past;
    const pause = () => new Promise<void>((resolve) => host.defer(resolve));
    this.objects = new ImporterObjects({ database: database.objects, past, progress, pause });
    this.transactions = new ImporterTransactions({
      database: database.transactions,
      settings,
      past,
      progress,
      pause: pauses(host),
    });
    this.maintenance = new ImporterMaintenance({ database, past, progress, log: host.log });
    this.replica = new ImporterReplica(database.replica, progress);
    const compression = importer.compress;
    this.#import = new Import({ host, database, past, progress, compression });
    const [source] = importer.sources;
    if (importer.writeBack && source !== undefined) {
      this.#writeBack = new WriteBack(host, database, source.path);
    }
  }

  async #work(slices: Slices): Promise<void> {
    await Promise.all([this.#import.run(slices), this.#writeBack?.run(slices)]);
  }

  commit(): Promise<void> {
    return this.#database.commit();
  }

  commitLater(): void {
    this.#database.commitLater();
  }

  committed(): Eventual<void> {
    return this.#database.committed();
  }

  erase(): Eventual<void> {
    this.#import.close();
    return this.#database.erase();
  }

  close(options: { readonly commit: boolean }): Eventual<void> {
    this.#import.close();
    this.#writeBack?.close();
    this.#past.close();
    this.#release();
    return this.#database.close(options);
  }
}
