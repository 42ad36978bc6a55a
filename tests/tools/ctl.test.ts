/** What `neo ctl` prints, on an admin node that follows a scripted master. */

import assert from "node:assert/strict";
import { type ClusterState, ErrorPacket, Ping } from "../../gen/packets.ts";
import type { AdminToMaster } from "../../gen/flows.ts";
import { Endpoint } from "../../nodes/cluster/endpoint.ts";
import { nodeId } from "../../nodes/cluster/node_ids.ts";
import { oid, tid } from "../../nodes/codec/ids.ts";
import type { Connection } from "../../nodes/wire/connection.ts";
import { Refusal } from "../../nodes/wire/refusal.ts";
import { encodeText } from "../../nodes/wire/text.ts";
import { CTL_HELP } from "../../tools/ctl/ctl.ts";
import {
  complained,
  ControlledCluster,
  printed,
  type Result,
  runAt,
  SILENT,
} from "../support/controlled_cluster.ts";
import { freeAddress, host, LOOPBACK, RunningAdmin } from "../support/running_admin.ts";
import { S1, S2, storage } from "../support/scripted_master.ts";

Deno.test("print cluster, print primary", async () => {
  await using cluster = await ControlledCluster.start({ state: "STOPPING_BACKUP" });
  assert.equal(await cluster.prints("print cluster"), "STOPPING_BACKUP");
  assert.equal(await cluster.prints("print primary"), "M1");
  assert.equal(await cluster.prints("print primary and more"), "M1");
});

Deno.test("print node", async () => {
  const client = nodeId("CLIENT", 1);
  await using cluster = await ControlledCluster.start({
    nodes: [
      { ...storage(S1, 24_001), idTimestamp: 1795513849.81973 },
      { ...storage(nodeId("STORAGE", 12), 24_002), state: "PENDING", idTimestamp: 1795513895 },
      { ...storage(client, 1), type: "CLIENT", address: null, idTimestamp: 1795513929.999_999_9 },
      {
        type: "MASTER",
        address: { host: "::1", port: 24_240 },
        nid: null,
        state: "DOWN",
        idTimestamp: null,
      },
    ],
  });
  const port = cluster.admin.address.port;
  const primary = cluster.master.address.port;
  const expected = [
    `None | MASTER  | [::1]:24240     | DOWN    | None`,
    `A1   | ADMIN   | ${`127.0.0.1:${port}`.padEnd(15)} | RUNNING | 2019-03-11 17:56:40.250000`,
    `C1   | CLIENT  |                 | RUNNING | 2026-11-24 09:52:10`,
    `M1   | MASTER  | ${`127.0.0.1:${primary}`.padEnd(15)} | RUNNING | None`,
    `S1   | STORAGE | 127.0.0.1:24001 | RUNNING | 2026-11-24 09:50:49.819730`,
    `S12  | STORAGE | 127.0.0.1:24002 | PENDING | 2026-11-24 09:51:35`,
  ];
  assert.equal(await cluster.prints("print node"), expected.join("\n"));
  assert.equal(
    await cluster.prints("print node Storage"),
    [
      `S1  | STORAGE | 127.0.0.1:24001 | RUNNING | 2026-11-24 09:50:49.819730`,
      `S12 | STORAGE | 127.0.0.1:24002 | PENDING | 2026-11-24 09:51:35`,
    ].join("\n"),
  );
  cluster.master.notifyNodes([{ ...storage(client, 1), type: "CLIENT", state: "UNKNOWN" }]);
  await cluster.master.settled();
  assert.equal(await cluster.prints("print node client"), "Empty list!");
});

Deno.test("print pt", async () => {
  await using cluster = await ControlledCluster.start({
    partitions: 3,
    rows: [
      { offset: 0, cells: [{ nid: S2, state: "UP_TO_DATE" }, { nid: S1, state: "OUT_OF_DATE" }] },
      { offset: 1, cells: [{ nid: S1, state: "FEEDING" }, { nid: S2, state: "CORRUPTED" }] },
    ],
  });
  const rows = [
    "000 | S2 - UP_TO_DATE | S1 - OUT_OF_DATE |",
    "001 | S1 - FEEDING | S2 - CORRUPTED |",
    "002 |",
  ];
  assert.equal(await cluster.prints("print pt"), rows.join("\n"));
  assert.equal(await cluster.prints("print pt 1"), rows.slice(1).join("\n"));
  assert.equal(await cluster.prints("print pt 1 2"), rows[1]);
  assert.equal(
    await cluster.prints("print pt 0 0 S1"),
    "000 | S1 - OUT_OF_DATE |\n001 | S1 - FEEDING |\n002 |",
  );
  assert.equal(await cluster.prints("print pt 9"), "");
  assert.deepEqual(
    await cluster.run("print pt 0 4"),
    complained("error: invalid partition table offset"),
  );
});

Deno.test("print ids, before and after there are some, and in backup mode", async () => {
  const handlers: Partial<AdminToMaster> = {
    askRecovery: () => ({ ptid: null, backupTid: null, truncateTid: null }),
  };
  await using cluster = await ControlledCluster.start({ handlers });
  assert.equal(
    await cluster.prints("print ids"),
    "last_oid = 0x0\nlast_tid = 0x0 (1900-01-01 00:00:00.000000)\nlast_ptid = None",
  );
  await using used = await ControlledCluster.start({
    handlers: {
      askRecovery: () => ({ ptid: 19, backupTid: null, truncateTid: null }),
      askLastIDs: () => ({ lastOid: oid(100n), lastTid: tid(0x40d3a702adb8c89n) }),
    },
  });
  assert.equal(
    await used.prints("print ids"),
    "last_oid = 0x64\nlast_tid = 0x40d3a702adb8c89 (2026-11-24 09:52:10.044753)\nlast_ptid = 19",
  );
});

/** What `print ids` prints of a backup with everything up to `backupTid`, of `lastTid`. */
async function idsOfBackup(
  { state, backupTid, lastTid }: {
    readonly state: ClusterState;
    readonly backupTid: bigint;
    readonly lastTid: bigint;
  },
): Promise<string[]> {
  await using backup = await ControlledCluster.start({
    state,
    handlers: {
      askRecovery: () => ({ ptid: 8, backupTid: tid(backupTid), truncateTid: null }),
      askLastTransaction: () => ({ tid: tid(lastTid) }),
    },
  });
  return (await backup.prints("print ids")).split("\n");
}

Deno.test("print ids in backup mode, with the lag", async () => {
  const early = 0x40d3a702adb8c89n;
  const late = 0x40d3a797e713d55n;
  const complete = { state: "BACKINGUP", backupTid: late, lastTid: late } as const;
  assert.deepEqual(await idsOfBackup(complete), [
    "backup_tid = 0x40d3a797e713d55 (2026-11-24 10:01:29.634924)",
    "last_tid = 0x40d3a797e713d55 (2026-11-24 10:01:29.634924)",
    "last_ptid = 8",
    "lag = 0 s",
  ]);
  const lagOf = async (ids: Parameters<typeof idsOfBackup>[0]) => (await idsOfBackup(ids))[3];
  const [, behindS = ""] = /^lag = (\d+\.\d{3}) s$/.exec(
    await lagOf({ ...complete, backupTid: early }) ?? "",
  ) ?? [];
  const sinceS = (Date.now() - Date.UTC(2026, 10, 24, 9, 52, 10, 45)) / 1000;
  assert.ok(Math.abs(Number(behindS) - Math.max(0, sinceS)) < 60, behindS);
  // Nobody knows what the original has meanwhile.
  assert.match(await lagOf({ ...complete, state: "STARTING_BACKUP" }) ?? "", /^lag = at most \d/);
  assert.equal(
    await lagOf({ ...complete, backupTid: 0n }),
    "lag = unknown, nothing is complete yet",
  );
});

Deno.test("what the master refuses is an error of one line", async () => {
  await using cluster = await ControlledCluster.start({
    handlers: {
      setClusterState: () => {
        throw new Refusal("PROTOCOL_ERROR", "Can not switch to this state", false);
      },
    },
  });
  assert.deepEqual(await cluster.run("start"), complained("error: Can not switch to this state"));
});

Deno.test("a cluster that can't be reached is told on standard output", async () => {
  const nobody = freeAddress();
  assert.deepEqual(await runAt(nobody, "print cluster"), printed("ERROR: not connected"));
  assert.deepEqual(await runAt(nobody, "flush_log"), printed("ERROR: not connected"));
  await using admin = await RunningAdmin.start([freeAddress()]);
  const notReady = printed("ERROR: Not connected to a primary master.");
  assert.deepEqual(await runAt(admin.address, "print cluster"), notReady);
  assert.deepEqual(await runAt(admin.address, "check :"), notReady);
  assert.deepEqual(await runAt(admin.address, "flush_log"), SILENT);
});

/** Runs a command on an admin that does `serve` with the first packet of its connection. */
async function runAtScript(
  command: string,
  serve: (connection: Connection) => void,
): Promise<Result> {
  const endpoint = new Endpoint({
    host,
    network: host.network(null),
    fatal: (error) => {
      throw error;
    },
  });
  const listener = await endpoint.listen(LOOPBACK, (connection) => {
    connection.start(() => {
      serve(connection);
      return true;
    });
  });
  try {
    return await runAt(listener.address, command);
  } finally {
    listener.close();
  }
}

Deno.test("an admin that hangs up, or that refuses under an id of its own", async () => {
  assert.deepEqual(
    await runAtScript("print cluster", (connection) => connection.abort()),
    printed("ERROR: Connection closed"),
  );
  const invalid = { code: 5, message: encodeText("invalid partition table offset") };
  assert.deepEqual(
    await runAtScript("print pt 0 9", (connection) => {
      // The ping has the id 0, so the error has 1, which is no request's.
      void connection.ask(Ping, {});
      connection.notify(ErrorPacket, invalid);
    }),
    complained("error: invalid partition table offset"),
  );
});

Deno.test("without a command, all commands are told", async () => {
  assert.deepEqual(await runAt(LOOPBACK, ""), printed(CTL_HELP));
  const commands = ["print", "ids", "pt", "node", "cluster", "primary", "set", "check", "start"];
  for (const name of [...commands, "add", "tweak", "drop", "kill", "prune_orphan", "truncate"]) {
    assert.match(CTL_HELP, new RegExp(`^ *${name}$`, "m"));
  }
  assert.match(CTL_HELP, /^flush_log$/m);
  assert.ok(CTL_HELP.startsWith("Available commands:\n"));
  assert.ok(CTL_HELP.split("\n").every((line) => line.length <= 200));
});
