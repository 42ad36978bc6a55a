/** SQLite databases of older releases of NEO: see old_databases.ts. */
import { SqliteFile } from "../storage/databases.ts";
import { goBack, goOn, handBack, leave, upgradeBoth } from "./old_databases.ts";
import { inDirectory } from "./peer.ts";
import { releaseGroup, type Version } from "./releases.ts";

/** Everything that a storage of 1.11 would do with the databases of an older release. */
function takesOver(version: Version, { sameFormat } = { sameFormat: false }) {
  return () =>
    inDirectory(async (directory) => {
      const databases = [1, 2].map((number) =>
        new SqliteFile(`${directory}/storage${number}.sqlite`)
      );
      const left = await leave(databases, { directory, version, big: false });
      await upgradeBoth(left);
      const dump = await goOn(left, directory);
      if (sameFormat) await goBack(left, directory, dump);
      await handBack(left, directory, dump);
    });
}

releaseGroup({ group: "old databases", versions: ["1.8.1", "1.9", "1.10", "1.12.0"] }, {
  "of NEO 1.8.1": takesOver("1.8.1"),
  "of NEO 1.9": takesOver("1.9"),
  "of NEO 1.10": takesOver("1.10", { sameFormat: true }),
  "of NEO 1.12": takesOver("1.12.0", { sameFormat: true }),
});
