/**
 * The protocols of the packets in one log. A log of NEO/ts describes its protocol; one of NEO 1.11
 * has a program in that place, which is nobody's business here: its packets are those of 1.11.
 */

import type { DatabaseSync } from "node:sqlite";
import { DatabaseError } from "../../nodes/errors.ts";
import type { SqlStatement } from "../../nodes/host/host.ts";
import { prepareStatement } from "../../nodes/host/sqlite_statement.ts";
import { bunzipText } from "./decompress.ts";
import { builtInDescription, findDescription, type ProtocolDescription } from "./description.ts";
import { columnsOf } from "./table.ts";

/** The longest text that is looked at: NEO's is 40 KB. */
const MAX_TEXT_BYTES = 1 << 20;

export class LogProtocols {
  readonly #date: SqlStatement | null = null;
  readonly #text: SqlStatement | null = null;
  readonly #builtIn = builtInDescription();
  readonly #known = new Map<number, ProtocolDescription>();
  /** The time from which on a later protocol may hold. */
  #next = -Infinity;
  #current: ProtocolDescription = this.#builtIn;

  constructor(database: DatabaseSync) {
    if (columnsOf(database, "protocol").length === 0) return;
    this.#date = prepareStatement(
      database,
      "SELECT (SELECT max(date) FROM protocol WHERE date <= ?1) AS since, " +
        "(SELECT min(date) FROM protocol WHERE date > ?1) AS next",
    );
    this.#text = prepareStatement(database, "SELECT text FROM protocol WHERE date = ?");
  }

  /** The protocol of packets of this time; times must not go back before {@link restart}. */
  at(date: number): ProtocolDescription {
    if (date < this.#next) return this.#current;
    const found = this.#find(date);
    this.#next = found.next;
    this.#current = found.description;
    return this.#current;
  }

  /** Times may begin anew, and the log may have got another protocol. */
  restart(): void {
    this.#next = -Infinity;
  }

  #find(date: number): { readonly description: ProtocolDescription; readonly next: number } {
    try {
      const row = this.#date?.get(date);
      const next = typeof row?.next === "number" ? row.next : Infinity;
      if (typeof row?.since !== "number") return { description: this.#builtIn, next };
      return { description: this.#load(row.since), next };
    } catch (error) {
      // The packets of a log whose table of protocols is damaged may still be read.
      if (!(error instanceof DatabaseError)) throw error;
      return { description: this.#builtIn, next: Infinity };
    }
  }

  #load(since: number): ProtocolDescription {
    const known = this.#known.get(since);
    if (known !== undefined) return known;
    const text = this.#text?.get(since)?.text;
    const plain = text instanceof Uint8Array ? bunzipText(text, MAX_TEXT_BYTES) : null;
    const description = plain === null ? null : findDescription(plain);
    this.#known.set(since, description ?? this.#builtIn);
    return description ?? this.#builtIn;
  }
}
