/** What the slow work on a whole database needs of the backend. */

import type { ClientHost } from "../../../host/host.ts";
import type { SqlConnection } from "./connection.ts";
import type { SqlData } from "./data.ts";
import type { Dialect } from "./dialect.ts";
import type { LastIds } from "./last_ids.ts";
import type { SqlSettings } from "./settings.ts";

export interface Parts {
  readonly host: ClientHost;
  readonly connection: SqlConnection;
  readonly dialect: Dialect;
  readonly settings: SqlSettings;
  readonly data: SqlData;
  readonly lastIds: LastIds;
}
