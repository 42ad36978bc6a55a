/**
 * What `neo cluster` has to remember of a data directory: what a database was created with can't
 * be changed by options later.
 */

import { z } from "zod";
import { ConfigurationError } from "../../nodes/errors.ts";
import { messageOf, readFile } from "../files.ts";

const settingsSchema = z.strictObject({
  cluster: z.string().min(1),
  partitions: z.int().positive(),
  replicas: z.int().min(0),
  storages: z.int().positive(),
});

/** How a cluster was created. */
export type Settings = z.infer<typeof settingsSchema>;

/** Options that were given; those that were not are undefined. */
export type Given = { readonly [Key in keyof Settings]: Settings[Key] | undefined };

export const DEFAULTS: Settings = { cluster: "main", partitions: 12, replicas: 0, storages: 1 };

/**
 * The settings of a data directory, which is created where there is none. Throws a
 * ConfigurationError when an option says otherwise than the database was made.
 */
export function openSettings(directory: string, given: Given): Settings {
  const path = `${directory}/cluster.json`;
  const text = readFile(path);
  if (text === null) return createSettings(directory, path, given);
  const settings = parseSettings(path, text);
  for (const key of ["cluster", "partitions", "replicas", "storages"] as const) {
    const wanted = given[key];
    if (wanted !== undefined && wanted !== settings[key]) {
      throw new ConfigurationError(
        `${directory} was created with ${key} ${settings[key]}, not ${wanted}: ` +
          "leave the option out, or choose another directory with --data",
      );
    }
  }
  return settings;
}

function parseSettings(path: string, text: string): Settings {
  try {
    return settingsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConfigurationError(`${path} is not what \`neo cluster\` wrote: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function createSettings(directory: string, path: string, given: Given): Settings {
  const settings: Settings = {
    cluster: given.cluster ?? DEFAULTS.cluster,
    partitions: given.partitions ?? DEFAULTS.partitions,
    replicas: given.replicas ?? DEFAULTS.replicas,
    storages: given.storages ?? DEFAULTS.storages,
  };
  const checked = settingsSchema.safeParse(settings);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new ConfigurationError(`--${issue?.path.join(".")}: ${issue?.message}`);
  }
  if (settings.replicas >= settings.storages) {
    throw new ConfigurationError(
      `${settings.replicas} replicas need at least ${settings.replicas + 1} storages, ` +
        `found --storages ${settings.storages}`,
    );
  }
  try {
    Deno.mkdirSync(directory, { recursive: true });
    Deno.writeTextFileSync(path, JSON.stringify(settings, null, 2) + "\n");
  } catch (cause) {
    throw new ConfigurationError(`${directory} can't be written: ${messageOf(cause)}`, { cause });
  }
  return settings;
}
