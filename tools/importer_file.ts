/**
 * NEO's importer.conf: the first section says where to import to, each of the others which ZODB to
 * import, with the text that ZConfig has for its storage. Of ZODB's storages, this program reads
 * FileStorage.
 */

import { resolve } from "node:path";
import { MAX_ID, type Oid, oid } from "../nodes/codec/ids.ts";
import { ConfigurationError } from "../nodes/errors.ts";
import type { ImporterOptions, SourceOptions } from "../nodes/storage/backend/importer/options.ts";
import { suggestion } from "./config_check/suggestion.ts";
import { isReferred, readRawSections, readSections, type Section } from "./config_file.ts";
import { expandHome, readFile } from "./files.ts";

/** Where to import to, as texts. */
export interface OwnDatabaseText {
  readonly adapter: string;
  readonly database: string;
  readonly engine: string | undefined;
  /** How long to wait for the database server, in seconds. */
  readonly wait: number;
}

export interface ImporterFile {
  readonly importer: ImporterOptions;
  readonly own: OwnDatabaseText;
}

/** The keys of the section that says where to import to. */
const MAIN_KEYS = ["adapter", "database", "engine", "wait", "compress", "writeback"];

/** Reads importer.conf. Throws a ConfigurationError. */
export function readImporterFile(path: string): ImporterFile {
  const text = readFile(expandHome(path));
  if (text === null) throw new ConfigurationError(`there is no file ${path}`);
  return parseImporterFile(text, path);
}

/** Takes importer.conf apart; `file` is named in errors. Throws a ConfigurationError. */
export function parseImporterFile(text: string, file: string): ImporterFile {
  const [first, ...others] = readSections(text, file);
  if (first === undefined || others.length === 0) {
    throw new ConfigurationError(
      `${file}: expected a section that says where to import to, and one for each ZODB`,
    );
  }
  const [name, main] = first;
  const where = `${file}, section ${name}`;
  refuseStrangeKeys(readRawSections(text, file), name, where);
  const writeBack = flag(main, "writeback", where);
  if (writeBack && others.length > 1) {
    throw new ConfigurationError(`${where}: Can not forward new transactions to splitted DB.`);
  }
  const sources = others.map(([name, section]) =>
    source(name, section, `${file}, section ${name}`)
  );
  refuseTwins(sources, file);
  return {
    importer: {
      sources,
      compress: compression(main, where),
      writeBack,
    },
    own: {
      adapter: main.get("adapter") ?? "MySQL",
      database: required(main, "database", where),
      engine: main.get("engine"),
      wait: seconds(main, "wait", where),
    },
  };
}

/** A misspelt key would change what can't be changed any more once everything is imported. */
function refuseStrangeKeys(
  raw: ReturnType<typeof readRawSections>,
  name: string,
  where: string,
): void {
  for (const key of raw.get(name)?.keys() ?? []) {
    if (MAIN_KEYS.includes(key) || isReferred(raw, key)) continue;
    throw new ConfigurationError(
      `${where}: there is no key '${key}'${suggestion(key, MAIN_KEYS)}: correct or remove it`,
    );
  }
}

/** A FileStorage that is imported twice would be two databases from then on. */
function refuseTwins(sources: readonly SourceOptions[], file: string): void {
  const names = new Map<string, string>();
  for (const { name, path } of sources) {
    const real = realPath(path);
    const twin = names.get(real);
    if (twin !== undefined) {
      throw new ConfigurationError(
        `${file}: the sections ${twin} and ${name} both import ${real}: expected it in one of them`,
      );
    }
    names.set(real, name);
  }
}

/** The path by which a file is told from all others, as far as that can be seen. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return resolve(path);
  }
}

function required(section: Section, key: string, where: string): string {
  const value = section.get(key);
  if (value === undefined || value === "") {
    throw new ConfigurationError(`${where}: expected a value for ${key}, found none`);
  }
  return value;
}

function seconds(section: Section, key: string, where: string): number {
  const value = section.get(key) ?? "0";
  if (/^-?\d{1,9}(\.\d{1,9})?$/.test(value)) return Number(value);
  throw new ConfigurationError(`${where}: expected seconds for ${key}, found '${value}'`);
}

function flag(section: Section, key: string, where: string): boolean {
  const value = section.get(key) ?? "false";
  if (value === "true" || value === "false") return value === "true";
  throw new ConfigurationError(`${where}: expected true or false for ${key}, found '${value}'`);
}

function compression(section: Section, where: string): boolean | number {
  const value = section.get("compress") ?? "true";
  const found = /^(?:(true|false)|zlib(?:=([1-9]))?)$/.exec(value);
  if (found === null) {
    throw new ConfigurationError(
      `${where}: expected true, false, zlib or zlib=1 to zlib=9 for compress, found '${value}'`,
    );
  }
  return found[2] === undefined ? found[1] !== "false" : Number(found[2]);
}

function source(name: string, section: Section, where: string): SourceOptions {
  const mountPoints = new Map<string, Oid>();
  for (const [key, value] of section) {
    if (key !== "storage" && key !== "oid") mountPoints.set(key, oidOf(value, key, where));
  }
  return {
    name,
    path: fileStoragePath(required(section, "storage", where), where),
    oid: oidOf(section.get("oid") ?? "0", "oid", where),
    mountPoints,
  };
}

function oidOf(text: string, key: string, where: string): Oid {
  const value = /^\d{1,19}$/.test(text) ? BigInt(text) : -1n;
  if (value >= 0n && value <= MAX_ID) return oid(value);
  throw new ConfigurationError(`${where}: expected an oid for ${key}, found '${text}'`);
}

/** Keys of ZConfig's filestorage that make no difference for reading. */
const IGNORED = /^(create|read-only|quota|packer|pack-gc|pack-keep-old|name)$/;

/** The path in the text that ZConfig has for a FileStorage. */
function fileStoragePath(text: string, where: string): string {
  const lines = text.split("\n").map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
  const type = /^<([^\s>]+)[^>]*>$/.exec(lines[0] ?? "")?.[1]?.toLowerCase();
  if (type !== "filestorage" || lines.at(-1)?.toLowerCase() !== "</filestorage>") {
    const found = type === undefined ? `'${lines[0] ?? ""}'` : `<${type}>`;
    const advice = type === "zeoclient"
      ? ": stop the ZEO server, and name the file that it serves"
      : ": convert it with ZODB's copyTransactionsFrom, or neomigrate";
    throw new ConfigurationError(
      `${where}: expected <filestorage> … </filestorage>, found ${found}${advice}`,
    );
  }
  let path: string | null = null;
  for (const line of lines.slice(1, -1)) {
    const [key = "", ...words] = line.split(/\s+/);
    if (key.toLowerCase() === "path") path = words.join(" ");
    else if (key.toLowerCase() === "blob-dir") {
      throw new ConfigurationError(`${where}: NEO has no room for blobs, and blob-dir names some`);
    } else if (!IGNORED.test(key.toLowerCase())) {
      throw new ConfigurationError(`${where}: there is no key ${key} of a filestorage`);
    }
  }
  if (path !== null && path !== "") return path;
  throw new ConfigurationError(`${where}: expected the path of the filestorage, found none`);
}
