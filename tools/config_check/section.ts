/**
 * One section of a configuration file, looked at as the node would that starts from it, but without
 * stopping at the first mistake, and without starting anything.
 */

import { dirname } from "node:path";
import { ConfigurationError, NetworkError } from "../../nodes/errors.ts";
import { expandHome } from "../files.ts";
import type { NodeCommand, Resolve } from "../commands/common.ts";
import { DEFAULT, isReferred, readSection, type Section } from "../config_file.ts";
import { keyOf, mistakesIn, type OptionSpec, sectionValues } from "../options.ts";
import { suggestion } from "./suggestion.ts";

export type RoleName = "master" | "storage" | "admin";

/** What a node is called, what runs it, and which of the keys in the file are its. */
export interface Role {
  readonly name: RoleName;
  readonly command: NodeCommand;
}

/** A value that a node would run with. */
export interface Setting {
  readonly key: string;
  readonly value: string;
  /** Where the value is from: a section, or `default`. */
  readonly from: string;
}

/** What is to be said of a section. */
export interface SectionReport {
  readonly section: string;
  readonly role: RoleName;
  readonly mistakes: readonly string[];
  readonly settings: readonly Setting[];
}

/** What is known of the whole file. */
export interface FileContext {
  readonly file: string;
  readonly text: string;
  /** The keys that each section has itself, as they stand. */
  readonly raw: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** The keys of all roles: one that belongs to none is likely misspelt. */
  readonly allKeys: ReadonlySet<string>;
  readonly resolve: Resolve;
}

/** Looks at one section. */
export async function checkSection(
  context: FileContext,
  section: string,
  role: Role,
): Promise<SectionReport> {
  const { file, text } = context;
  const report = { section, role: role.name };
  let values: Section;
  try {
    values = readSection(text, section, file);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return { ...report, mistakes: [error.message.replace(`${file}: `, "")], settings: [] };
  }
  const specs = role.command.spec.options.filter(({ commandLineOnly }) => !commandLineOnly);
  const mistakes = [...strangeKeys(context, section), ...mistakesIn(specs, values)];
  mistakes.push(...missingFiles(role, values));
  // What depends on several values is only worth a look when each of them is all right.
  if (mistakes.length === 0) mistakes.push(...await nodeMistakes(context, role, values));
  return { ...report, mistakes, settings: settingsOf(context, section, specs, values) };
}

/** Keys of the section itself that no node reads and no other value refers to. */
function strangeKeys({ raw, allKeys }: FileContext, section: string): string[] {
  return [...raw.get(section)?.keys() ?? []]
    .filter((key) => !allKeys.has(key) && !isReferred(raw, key))
    .map((key) => `no node reads '${key}'${suggestion(key, allKeys)}: correct or remove it`);
}

/** Files that a node reads have to be there; those that it makes need a directory. */
function missingFiles({ name }: Role, values: Section): string[] {
  const missing = ["ca", "cert", "key"].flatMap((key) => {
    const path = values.get(key);
    if (!path || isThere(expandHome(path))) return [];
    return [`${key}: there is no file ${path}: create it, or correct its name`];
  });
  const keys = ["logfile", "dynamic_master_list"];
  const isFile = name === "storage" && values.get("adapter") === "SQLite";
  return missing.concat([...keys, ...isFile ? ["database"] : []].flatMap((key) => {
    const path = values.get(key);
    if (!path) return [];
    const directory = dirname(expandHome(path));
    return isThere(directory) ? [] : [`${key}: there is no directory ${directory}: create it`];
  }));
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

async function nodeMistakes(
  { resolve }: FileContext,
  { command }: Role,
  values: Section,
): Promise<string[]> {
  try {
    // Options of the command line have their defaults here.
    await command.options(sectionValues(command.spec.options, values), resolve);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError || error instanceof NetworkError)) throw error;
    return [error.message];
  }
}

function settingsOf(
  { raw }: FileContext,
  section: string,
  specs: readonly OptionSpec[],
  values: Section,
): Setting[] {
  const own = raw.get(section);
  return specs.filter(({ hidden }) => !hidden).flatMap((spec) => {
    const key = keyOf(spec);
    const filed = values.get(key);
    const value = filed ?? spec.default;
    if (value === undefined) return [];
    const from = filed === undefined ? "default" : `[${own?.has(key) ? section : DEFAULT}]`;
    return [{ key, value: withoutPassword(key, value), from }];
  });
}

/** `neo:secret@db` → `neo:***@db`: what is checked is often shown to others. */
function withoutPassword(key: string, value: string): string {
  return key === "database" ? value.replace(/^([^:/@]*):.*@/, "$1:***@") : value;
}
