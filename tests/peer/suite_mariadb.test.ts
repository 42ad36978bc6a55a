/** NEO's suites on clusters whose storages are on a MariaDB server: see suite.ts. */
import { Mariadb } from "../support/mariadb.ts";
import { mariadbGroup } from "./mariadb.ts";
import { conformance, functional } from "./suite.ts";

const start = () => Mariadb.start();

mariadbGroup("NEO's suites on MariaDB", {
  "conformance, InnoDB, in the clear": conformance({
    ...{ tls: false, mariadb: { start } },
  }),
  "conformance, RocksDB, under TLS": conformance({
    ...{ tls: true, mariadb: { start, engine: "RocksDB" } },
  }),
  "functional, InnoDB, in the clear": functional({ tls: false, mariadb: { start } }),
  "functional, InnoDB, under TLS": functional({ tls: true, mariadb: { start } }),
  "functional, RocksDB, in the clear": functional({
    ...{ tls: false, mariadb: { start, engine: "RocksDB" } },
  }),
});
