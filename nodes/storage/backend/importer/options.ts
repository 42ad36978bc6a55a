/** What an import is told: importer.conf, as NEO 1.11 has it, read and checked. */

import type { Oid } from "../../../codec/ids.ts";

/** One ZODB to be imported. */
export interface SourceOptions {
  /** The name of its section, by which others mount it. */
  readonly name: string;
  /** The path of its FileStorage. */
  readonly path: string;
  /** Its object that takes the place of a mount point: the root object, as a rule. */
  readonly oid: Oid;
  /** Its objects that stand for other ZODBs, by the names of these, in the order of the file. */
  readonly mountPoints: ReadonlyMap<string, Oid>;
}

export interface ImporterOptions {
  readonly sources: readonly SourceOptions[];
  /** Whether objects are compressed, or zlib's level from 1 to 9. */
  readonly compress: boolean | number;
  /** Whether new transactions are copied to the source. */
  readonly writeBack: boolean;
}
