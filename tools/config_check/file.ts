/** A whole configuration file: each section as a node, and what does not fit between them. */

import { ADMIN } from "../commands/admin.ts";
import type { Resolve } from "../commands/common.ts";
import { MASTER } from "../commands/master.ts";
import { STORAGE } from "../commands/storage.ts";
import { addressText, parseAddress, parseAddresses } from "../../nodes/cluster/addresses.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { DEFAULT, isReferred, readRawSections } from "../config_file.ts";
import { keyOf } from "../options.ts";
import { checkSection, type Role, type SectionReport } from "./section.ts";
import { suggestion } from "./suggestion.ts";

const ROLES: readonly Role[] = [
  { name: "master", command: MASTER },
  { name: "storage", command: STORAGE },
  { name: "admin", command: ADMIN },
];

/** What is to be said of a file. */
export interface FileReport {
  /** What is wrong with more than one section, or with a section that is no node. */
  readonly mistakes: readonly string[];
  readonly sections: readonly SectionReport[];
}

/** Looks at a file's text; `file` is its name. Rejects with a ConfigurationError when it is none. */
export async function checkFile(
  text: string,
  file: string,
  resolve: Resolve,
): Promise<FileReport> {
  const raw = readRawSections(text, file);
  const allKeys = new Set(ROLES.flatMap(({ command }) => command.spec.options.map(keyOf)));
  const context = { text, file, raw, allKeys, resolve };
  const mistakes = [...raw.get(DEFAULT)?.keys() ?? []]
    .filter((key) => !allKeys.has(key) && !isReferred(raw, key))
    .map((key) => `[${DEFAULT}] no node reads '${key}'${suggestion(key, allKeys)}: remove it`);
  const sections: SectionReport[] = [];
  for (const [section, own] of raw) {
    if (section === DEFAULT) continue;
    const role = roleOf(section, own);
    if (role !== undefined) sections.push(await checkSection(context, section, role));
    else {
      mistakes.push(
        `[${section}] it does not say which kind of node it is for: ` +
          "give it a name that begins with master, storage or admin",
      );
    }
  }
  if (sections.length === 0) mistakes.push("there is no section for a node, such as [master]");
  return { mistakes: [...mistakes, ...conflicts(sections)], sections };
}

/** The role that a section's name begins with; or the one that has a database. */
function roleOf(section: string, own: ReadonlyMap<string, string>): Role | undefined {
  const named = ROLES.find(({ name }) => new RegExp(`^(neo)?[-_]?${name}`, "i").test(section));
  return named ?? ROLES.find(({ name }) => name === "storage" && own.has("database"));
}

/** What two nodes can't both have, and masters that are none. */
function conflicts(sections: readonly SectionReport[]): string[] {
  const mistakes: string[] = [];
  const taken = new Map<string, string>();
  const take = (what: string, section: string, hint: string) => {
    const other = taken.get(what);
    if (other === undefined) taken.set(what, section);
    else mistakes.push(`[${section}] has the same ${what} as [${other}]: ${hint}`);
  };
  for (const { section, role, settings } of sections) {
    const value = (key: string) => settings.find((setting) => setting.key === key)?.value;
    const bind = addressOf(value("bind"));
    if (bind !== null && bind.port !== 0) {
      take(`bind ${addressText(bind)}`, section, "give one of them another port");
    }
    if (value("logfile") !== undefined) {
      take(`logfile ${value("logfile")}`, section, "give each its own");
    }
    if (role === "storage") take(`database ${value("database")}`, section, "give each its own");
  }
  return [...mistakes, ...strangeMasters(sections)];
}

/** Nodes that know none of the masters of the same file. */
function strangeMasters(sections: readonly SectionReport[]): string[] {
  const valueOf = ({ settings }: SectionReport, key: string) =>
    settings.find((setting) => setting.key === key)?.value;
  const masters = sections.filter(({ role }) => role === "master");
  return sections.filter(({ role }) => role !== "master").flatMap((node) => {
    const own = masters.filter((master) => valueOf(master, "cluster") === valueOf(node, "cluster"));
    const known = new Set(addressesOf(valueOf(node, "masters")));
    const binds = own.map((master) => addressOf(valueOf(master, "bind")))
      .flatMap((bind) => bind === null ? [] : [addressText(bind)]);
    if (binds.length === 0 || known.size === 0 || binds.some((bind) => known.has(bind))) return [];
    return [
      `[${node.section}] masters has none of the masters of its cluster in this file: ` +
      `add ${binds.join(" ")}`,
    ];
  });
}

function addressOf(text: string | undefined) {
  try {
    return text === undefined ? null : parseAddress(text, 0);
  } catch (error) {
    if (error instanceof ConfigurationError) return null;
    throw error;
  }
}

function addressesOf(text: string | undefined): string[] {
  try {
    return parseAddresses(text ?? "", 0).map(addressText);
  } catch (error) {
    if (error instanceof ConfigurationError) return [];
    throw error;
  }
}
