/**
 * `deno task gen` writes gen/ from protocol.schema.json; with `--check` it writes nothing, and
 * fails when gen/ is not what the schema gives.
 */

import { emitDialect } from "./dialect.ts";
import { emitFlows } from "./flows.ts";
import { emitJsonForm } from "./json_form.ts";
import { emitLog } from "./log.ts";
import { dialectName } from "./names.ts";
import { emitPackets } from "./packets.ts";
import { readProtocol } from "./schema.ts";

/** The files of gen/ by name, as the text of a schema gives them. */
export async function generate(schema: string): Promise<Map<string, string>> {
  const protocol = readProtocol(schema);
  const logReader = Deno.readTextFileSync(new URL("neolog.py", import.meta.url));
  const files = new Map([
    ["packets.ts", emitPackets(protocol)],
    ["flows.ts", emitFlows(protocol)],
  ]);
  for (const dialect of Object.keys(protocol.dialects)) {
    files.set(`${dialectName(dialect)}.ts`, emitDialect(protocol, dialect));
    files.set(`${dialectName(dialect)}_json.ts`, emitJsonForm(protocol, dialect));
    files.set(`${dialectName(dialect)}_log.ts`, await emitLog(protocol, dialect, logReader));
  }
  const formatted = [...files].map(async ([name, text]) => [name, await format(text)] as const);
  return new Map(await Promise.all(formatted));
}

async function format(text: string): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--line-width", "100", "--ext", "ts", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`deno fmt: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Names of files in `directory` that differ from `files`, or should not be there. */
export function staleFiles(files: ReadonlyMap<string, string>, directory: URL): string[] {
  const found = new Set([...Deno.readDirSync(directory)].map(({ name }) => name));
  const stale = [...found].filter((name) => !files.has(name));
  for (const [name, text] of files) {
    if (!found.has(name) || Deno.readTextFileSync(new URL(name, directory)) !== text) {
      stale.push(name);
    }
  }
  return stale.sort();
}

async function main(check: boolean): Promise<number> {
  const root = new URL("../../", import.meta.url);
  const files = await generate(Deno.readTextFileSync(new URL("protocol.schema.json", root)));
  const directory = new URL("gen/", root);
  Deno.mkdirSync(directory, { recursive: true });
  const stale = staleFiles(files, directory);
  if (check) {
    if (stale.length === 0) return 0;
    console.error(`gen/ is stale or was edited (${stale.join(", ")}): run \`deno task gen\``);
    return 1;
  }
  for (const name of stale) {
    const text = files.get(name);
    if (text === undefined) Deno.removeSync(new URL(name, directory));
    else Deno.writeTextFileSync(new URL(name, directory), text);
  }
  console.log(stale.length === 0 ? "gen/ is up to date" : `wrote ${stale.join(", ")}`);
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args.includes("--check")));
