/**
 * The URLs of clusters, as zodburi has them: `neo://name@master,master?option=value`. Under
 * `neos://`, everything travels under TLS, which needs `ca`, `cert` and `key`.
 */

import { parseAddress } from "../cluster/addresses.ts";
import { ConfigurationError } from "../errors.ts";
import type { Address } from "../host/host.ts";
import { InvalidUrlError } from "./errors.ts";
import type { Compression } from "./object_data.ts";

/** What a URL says. */
export interface ClusterUrl {
  readonly secure: boolean;
  readonly cluster: string;
  /** The masters, whose hosts may be names. */
  readonly masters: readonly Address[];
  readonly compress?: Compression;
  readonly readOnly?: boolean;
  readonly cacheBytes?: number;
  /** The path of the file that keeps the known masters. */
  readonly dynamicMasterList?: string;
  /** Paths of PEM files. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Options = Mutable<Omit<ClusterUrl, "secure" | "cluster" | "masters">>;

const MIN_ZLIB_LEVEL = 1;
const MAX_ZLIB_LEVEL = 9;
const UNITS: Readonly<Record<string, number>> = { "": 1, kb: 1 << 10, mb: 1 << 20, gb: 1 << 30 };
const BOOLEANS: Readonly<Record<string, boolean>> = {
  yes: true,
  true: true,
  on: true,
  no: false,
  false: false,
  off: false,
};

const OPTIONS: Readonly<Record<string, (options: Options, value: string) => void>> = {
  compress: (options, value) => options.compress = parseCompress(value),
  read_only: (options, value) => options.readOnly = parseBoolean(value),
  cache_size: (options, value) => options.cacheBytes = parseBytes(value),
  ca: (options, value) => options.ca = value,
  cert: (options, value) => options.cert = value,
  key: (options, value) => options.key = value,
  dynamic_master_list: (options, value) => options.dynamicMasterList = value,
};

/** Reads a URL. Throws an {@link InvalidUrlError} that says what is wrong with it. */
export function parseClusterUrl(url: string): ClusterUrl {
  const fail = (expected: string): never => {
    throw new InvalidUrlError(
      `expected ${expected}, such as neo://name@127.0.0.1:10000, found ${JSON.stringify(url)}`,
    );
  };
  const parts = /^(neos?):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?$/.exec(url);
  if (parts === null) return fail("a URL that begins with neo:// or neos://");
  const [, scheme, authority = "", path, query = "", fragment] = parts;
  if (path !== "") return fail("no path");
  if (fragment !== undefined) return fail("no fragment");
  const at = authority.indexOf("@");
  if (at < 0) return fail("the cluster's name and an @ before the masters");
  if (at === 0) return fail("a name before the @");
  const masters = authority.slice(at + 1).split(",").map((text) => parseMaster(text, fail));
  const options = parseOptions(query);
  const given = [options.ca, options.cert, options.key].filter((path) => path !== undefined);
  if (given.length % 3 !== 0) return fail("all three of ca, cert and key or none");
  return { ...options, secure: scheme === "neos", cluster: authority.slice(0, at), masters };
}

function parseMaster(text: string, fail: (expected: string) => never): Address {
  let address: Address;
  try {
    address = parseAddress(text, 0);
  } catch (error) {
    if (error instanceof ConfigurationError) return fail("masters as host:port after the @");
    throw error;
  }
  return address.port === 0 ? fail("a port for each master") : address;
}

function parseOptions(query: string): Options {
  const options: Options = {};
  const seen = new Set<string>();
  for (const [key, value] of new URLSearchParams(query)) {
    const name = key.toLowerCase().replaceAll("-", "_");
    const take = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    if (take === undefined) {
      throw new InvalidUrlError(
        `expected the options ${Object.keys(OPTIONS).join(", ")}, found ${JSON.stringify(key)}`,
      );
    }
    if (seen.has(name)) throw new InvalidUrlError(`expected ${key} once, found it again`);
    seen.add(name);
    if (value === "") throw new InvalidUrlError(`expected a value of ${key}, found none`);
    take(options, value);
  }
  return options;
}

function parseBoolean(value: string): boolean {
  const found = BOOLEANS[value.toLowerCase()];
  if (found === undefined) throw invalid("true or false", value);
  return found;
}

function parseCompress(value: string): Compression {
  if (value === "zlib") return true;
  const level = /^zlib=(\d+)$/.exec(value)?.[1];
  if (level === undefined) return parseBoolean(value);
  return checkCompression(Number(level));
}

/** Throws an {@link InvalidUrlError} for a level of compression that zlib does not have. */
export function checkCompression(compression: Compression): Compression {
  if (typeof compression === "boolean") return compression;
  const isLevel = Number.isInteger(compression) && compression >= MIN_ZLIB_LEVEL &&
    compression <= MAX_ZLIB_LEVEL;
  if (!isLevel) throw invalid("a level from 1 to 9", String(compression));
  return compression;
}

function parseBytes(value: string): number {
  const [, digits, unit = ""] = /^(\d+)([a-z]*)$/i.exec(value) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toLowerCase()] ?? NaN);
  if (!Number.isSafeInteger(bytes)) throw invalid("bytes such as 20MB", value);
  return bytes;
}

function invalid(expected: string, value: string): InvalidUrlError {
  return new InvalidUrlError(`expected ${expected}, found ${JSON.stringify(value)}`);
}
