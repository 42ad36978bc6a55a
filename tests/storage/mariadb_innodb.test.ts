/** What storages do, on MariaDB with tables of InnoDB. */

import { testOnMariadb } from "./mariadb.ts";

await testOnMariadb("InnoDB");
