/**
 * `neo check-config`: reads a configuration file as nodes would, tells everything that is wrong
 * with it, one line each, and what each node would run with.
 */

import { createClientHost } from "../../nodes/host/client.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { alignColumns } from "../columns.ts";
import { checkFile } from "../config_check/file.ts";
import type { SectionReport } from "../config_check/section.ts";
import { expandHome, readFile } from "../files.ts";
import { type CommandSpec, parseCommandLine } from "../options.ts";

const SPEC: CommandSpec = {
  name: "neo check-config",
  description: "Tells what is wrong with a configuration file, one line each, and what each node " +
    "would run with. Starts and changes nothing. Ends with status 1 if anything is wrong.",
  arguments: "<file>",
  interspersed: true,
  options: [
    { flags: "-q, --quiet", kind: "flag", help: "tell mistakes only" },
  ],
  epilogue: "A section is for the kind of node that its name begins with: master, storage,\n" +
    "admin.",
};

/** Runs the command. Returns the exit status. */
export async function runCheckConfig(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(SPEC, args, readFile, expandHome);
  if (line === null) return 0;
  const [file = ""] = line.arguments;
  const text = readFile(expandHome(file));
  if (text === null) throw new ConfigurationError(`there is no file ${file}`);
  const host = createClientHost();
  const { mistakes, sections } = await checkFile(text, file, (name) => host.resolve(name));
  if (!line.values.flag("quiet")) {
    for (const section of sections) console.log(describe(section, file));
  }
  const all = [
    ...mistakes,
    ...sections.flatMap(({ section, mistakes }) =>
      mistakes.map((mistake) => `[${section}] ${mistake}`)
    ),
  ];
  for (const mistake of all) console.error(`${file}: ${mistake}`);
  if (all.length > 0) return 1;
  if (!line.values.flag("quiet")) console.log(`${file}: nothing is wrong with it`);
  return 0;
}

/** The command that starts a node, and its values in columns. */
function describe({ section, role, settings }: SectionReport, file: string): string {
  const isDefault = section === role;
  const command = `neo ${role} -f ${file}${isDefault ? "" : ` -s ${section}`}`;
  const rows = alignColumns(settings.map(({ key, value, from }) => [key, value, from]), "  ");
  return [command, ...rows.map((row) => `  ${row}`), ""].join("\n");
}
