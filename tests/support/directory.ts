/** Directories of their own for tests. */

/** Keeps the directories, to be looked at after a failure. */
const KEEP = "NEO_TEST_KEEP";

/** Runs a test with a directory of its own, which is removed in the end. */
export async function inDirectory(
  test: (directory: string) => Promise<void> | void,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "neo-test-" });
  try {
    await test(directory);
  } finally {
    if (Deno.env.get(KEEP)) console.error(`kept ${directory}`);
    else await Deno.remove(directory, { recursive: true });
  }
}

/** The names of what is in a directory, in their order. */
export function filesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}
