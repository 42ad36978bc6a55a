/**
 * Reads NEO's configuration files, which are those of Python's ConfigParser: sections that inherit
 * from `[DEFAULT]`, `key: value` or `key = value`, continuation lines, comments, `%(name)s`.
 */

import { ConfigurationError } from "../nodes/errors.ts";

/** How deeply values may refer to each other. */
const MAX_INTERPOLATIONS = 10;

/** Of a line that can't be understood, so much is told: the file may be anything. */
const MAX_QUOTED_CHARACTERS = 60;

/** The section that all others inherit from. */
export const DEFAULT = "DEFAULT";

/** The values of one section, `[DEFAULT]` included, interpolated. Keys are in lower case. */
export type Section = ReadonlyMap<string, string>;

/**
 * Takes one section out of a configuration file's text; `file` is named in errors. Throws a
 * ConfigurationError when the section is not there, or the text can't be read.
 */
export function readSection(text: string, section: string, file: string): Section {
  const sections = parse(text, file);
  const own = section === DEFAULT ? undefined : sections.get(section);
  if (own === undefined) {
    const names = [...sections.keys()].filter((name) => name !== DEFAULT).join(", ");
    throw new ConfigurationError(
      `${file}: No section: '${section}' (there is: ${names || "none"}); choose one with -s`,
    );
  }
  const raw = new Map([...sections.get(DEFAULT) ?? [], ...own]);
  return new Map([...raw].map(([key, value]) => [key, interpolate(raw, key, value, file)]));
}

/** Takes all sections out of a configuration file's text, in their order. Throws as above. */
export function readSections(text: string, file: string): ReadonlyMap<string, Section> {
  const names = [...parse(text, file).keys()].filter((name) => name !== DEFAULT);
  return new Map(names.map((name) => [name, readSection(text, name, file)]));
}

/**
 * The keys that each section has itself, `[DEFAULT]` included, with their values as they stand.
 * Throws a ConfigurationError when the text can't be read.
 */
export function readRawSections(
  text: string,
  file: string,
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  return parse(text, file);
}

/** Whether some value of these sections has `%(key)s` in it. */
export function isReferred(
  sections: ReadonlyMap<string, ReadonlyMap<string, string>>,
  key: string,
): boolean {
  const reference = `%(${key})s`;
  return [...sections.values()].some((values) =>
    [...values.values()].some((value) => value.toLowerCase().includes(reference))
  );
}

type Sections = Map<string, Map<string, string>>;

function parse(text: string, file: string): Sections {
  const sections: Sections = new Map();
  let current: Map<string, string> | null = null;
  let lastKey: string | null = null;
  text.split(/\r?\n/).forEach((line, at) => {
    if (/^\s*$/.test(line) || /^[#;]/.test(line) || /^rem\s/i.test(line)) return;
    const fail = (reason: string): never => {
      throw new ConfigurationError(`${file}, line ${at + 1}: ${reason}`);
    };
    if (/^\s/.test(line) && current !== null && lastKey !== null) {
      const value = current.get(lastKey);
      current.set(lastKey, value === "" ? line.trim() : `${value}\n${line.trim()}`);
      return;
    }
    const header = /^\[([^\]]+)\]/.exec(line);
    if (header?.[1] !== undefined) {
      current = sections.get(header[1]) ?? new Map();
      sections.set(header[1], current);
      lastKey = null;
      return;
    }
    const pair = /^([^:=\s][^:=]*)[:=](.*)$/.exec(line);
    if (pair?.[1] === undefined || pair[2] === undefined) {
      const start = line.slice(0, MAX_QUOTED_CHARACTERS);
      return fail(`expected [section] or key: value, found ${JSON.stringify(start)}`);
    }
    if (current === null) return fail("expected a [section] before the first key");
    lastKey = pair[1].trim().toLowerCase();
    current.set(lastKey, pair[2].replace(/\s;.*$/, "").trim());
  });
  return sections;
}

function interpolate(
  values: ReadonlyMap<string, string>,
  key: string,
  value: string,
  file: string,
  depth = 0,
): string {
  if (depth > MAX_INTERPOLATIONS) {
    throw new ConfigurationError(`${file}: the value of ${key} refers to itself`);
  }
  return value.replace(/%(?:(%)|\(([^)]*)\)s|.?)/g, (found, percent, name) => {
    if (percent !== undefined) return "%";
    const referred = name === undefined ? undefined : values.get(name.toLowerCase());
    if (referred === undefined) {
      throw new ConfigurationError(
        `${file}: ${key}: expected %% or %(key)s of a key that is there, found ${found}`,
      );
    }
    return interpolate(values, name, referred, file, depth + 1);
  });
}
