/**
 * What the commands of the three servers share: their common options, and how those become the
 * options of a node.
 */

import { parseAddress, parseAddresses } from "../../nodes/cluster/addresses.ts";
import type { NodeOptions } from "../../nodes/cluster/node.ts";
import { nid } from "../../nodes/codec/ids.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import type { Address, TlsIdentity } from "../../nodes/host/host.ts";
import { expandHome, readFile } from "../files.ts";
import { LOG_OPTIONS } from "../log.ts";
import { type CommandSpec, type OptionSpec, type OptionValues, UsageError } from "../options.ts";

/** Options of every command that connects. */
export const TLS_OPTIONS: readonly OptionSpec[] = [
  { flags: "--ca <file>", kind: "path", help: "certificate authority in PEM format, and its CRLs" },
  { flags: "--cert <file>", kind: "path", help: "certificate in PEM format" },
  { flags: "--key <file>", kind: "path", help: "private key in PEM format" },
];

/** The options that all servers have; what differs are the defaults. */
export function nodeOptionSpecs(
  { section, masters, bind }: { section: string; masters: string | undefined; bind: string },
): OptionSpec[] {
  return [
    {
      flags: "-f, --file <file>",
      kind: "path",
      help: "configuration file",
      commandLineOnly: true,
    },
    {
      flags: "-s, --section <name>",
      kind: "text",
      help: `section of the configuration file, '${section}' by default`,
      commandLineOnly: true,
    },
    { flags: "-c, --cluster <name>", kind: "text", help: "the cluster's name", required: true },
    {
      flags: "-m, --masters <addresses>",
      kind: "text",
      help: "addresses of masters, separated by spaces",
      ...masters === undefined ? {} : { default: masters },
    },
    {
      flags: "-b, --bind <address>",
      kind: "text",
      help: "address to listen on, and to be reached at",
      default: bind,
    },
    {
      flags: "-D, --dynamic-master-list <file>",
      kind: "path",
      help: "file that keeps the addresses of the known masters",
    },
    {
      flags: "-u, --uuid <nid>",
      kind: "integer",
      help: "node id to ask for (for tests)",
    },
    ...TLS_OPTIONS,
    ...LOG_OPTIONS,
    {
      flags: "--listen <address>",
      kind: "text",
      help: "where to listen instead, behind a proxy that peers reach at the address of --bind",
      commandLineOnly: true,
      hidden: true,
    },
    {
      flags: "--until-input-ends",
      kind: "flag",
      help: "stop when standard input ends: when the parent process is gone",
      commandLineOnly: true,
      hidden: true,
    },
  ];
}

/** A command that runs a node, as those see it who only want to know what it would run with. */
export interface NodeCommand {
  readonly spec: CommandSpec;
  /** What the node would be started with. Rejects with a ConfigurationError. */
  options(values: OptionValues, resolve: Resolve): Promise<NodeOptions>;
}

/** How names become numeric addresses. */
export type Resolve = (name: string) => Promise<string>;

/** What the common options say. Throws a UsageError or a ConfigurationError. */
export async function nodeOptions(
  values: OptionValues,
  defaults: { bindPort: number },
  resolve: Resolve,
): Promise<NodeOptions> {
  const masters = parseAddresses(values.text("masters") ?? "", 0);
  const bind = parseAddress(values.requiredText("bind"), defaults.bindPort);
  const id = values.integer("uuid");
  const dynamicMasterList = values.text("dynamic-master-list");
  if (masters.length === 0 && values.text("masters") !== undefined) {
    throw new UsageError("argument -m/--masters: At least one master must be defined");
  }
  return {
    cluster: values.requiredText("cluster"),
    masters: await Promise.all(masters.map((address) => resolveAddress(address, resolve))),
    bind: await resolveAddress(bind, resolve),
    tls: tlsIdentity(values),
    dynamicMasterList: dynamicMasterList === undefined ? null : expandHome(dynamicMasterList),
    nid: id === undefined ? null : nidOf(id),
  };
}

function nidOf(value: number) {
  try {
    return nid(value);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UsageError(`argument -u/--uuid: ${cause.message}`);
  }
}

/** An address whose host may be a name, with a numeric one. */
export async function resolveAddress(
  { host, port }: Address,
  resolve: Resolve,
): Promise<Address> {
  return { host: await resolve(host), port };
}

/** The TLS identity that the options name; null when they name none. */
export function tlsIdentity(values: OptionValues): TlsIdentity | null {
  const [ca, cert, key] = ["ca", "cert", "key"].map((name) => values.text(name));
  if (ca === undefined && cert === undefined && key === undefined) return null;
  if (ca === undefined || cert === undefined || key === undefined) {
    throw new ConfigurationError(
      "To enable encryption, 3 files must be provided: the CA certificate, and the certificate" +
        " of this node with its private key.",
    );
  }
  return { ca: readPem(ca), cert: readPem(cert), key: readPem(key) };
}

function readPem(path: string): string {
  const text = readFile(expandHome(path));
  if (text === null) throw new ConfigurationError(`there is no file ${path}`);
  return text;
}
