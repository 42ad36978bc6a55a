/** What storages do, on MariaDB with tables of RocksDB. */

import { testOnMariadb } from "./mariadb.ts";

await testOnMariadb("RocksDB");
