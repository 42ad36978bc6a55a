/** What the slow work on a whole SQLite database needs of the backend. */

import type { ClientHost } from "../../../host/host.ts";
import type { Connection } from "./connection.ts";
import type { SqliteData } from "./data.ts";
import type { LastIds } from "./last_ids.ts";
import type { SqliteSettings } from "./settings.ts";

export interface MaintenanceParts {
  readonly host: ClientHost;
  readonly connection: Connection;
  readonly settings: SqliteSettings;
  readonly data: SqliteData;
  readonly lastIds: LastIds;
}
