/** `neo log`: what it shows of log files, whole, compressed and damaged ones. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import BZip2 from "bzip2-wasm";
import * as p from "../../gen/packets.ts";
import { nid, oid, tid } from "../../nodes/codec/ids.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { runLog } from "../../tools/commands/log.ts";
import { LogFile } from "../../tools/log/log_file.ts";
import { LogPrinter } from "../../tools/log/print.ts";
import { UsageError } from "../../tools/options.ts";
import { inDirectory } from "../support/directory.ts";
import { OPTIONS, PLAIN, shown, START_S, TestLog } from "./log_support.ts";

Deno.test("messages of several files come in the order of time, each line with its prefix", () =>
  inDirectory(async (directory) => {
    const paths = [`${directory}/m1.log`, `${directory}/s1.other.log`];
    {
      using master = new TestLog(paths[0] ?? "");
      using storage = new TestLog(paths[1] ?? "");
      storage.nowS += 0.5;
      master.recorder.log("INFO", "m", "one\ntwo\n");
      storage.recorder.log("CRITICAL", "m", "three");
      storage.recorder.identified("main", 7);
      storage.recorder.log("DEBUG", "m", "five");
      master.recorder.identified("main", nid(-268435455));
      master.recorder.log("WARNING", "m", "four");
    }
    assert.deepEqual(await shown(paths), [
      "1000000000.0000 INFO      m1         one",
      "1000000000.0000 INFO      m1         two",
      "1000000000.5000 CRITICAL  s1.other   three",
      "1000000001.0000 WARNING   M1         four",
      "1000000001.5000 DEBUG     S7         five",
    ]);
    assert.deepEqual(await shown(paths, { naming: "cluster", nodes: ["main/S7", "s1.other"] }), [
      "1000000000.5000 CRITICAL  s1.other   three",
      "1000000001.5000 DEBUG     main/S7    five",
    ]);
    assert.deepEqual(await shown(paths, { naming: "name", from: START_S + 1.5 }), [
      "1000000001.5000 DEBUG     s1.other   five",
    ]);
    assert.deepEqual(
      await shown(paths, { dateFormat: "", nodeColumn: false, from: START_S + 1 }),
      ["WARNING   four", "DEBUG     five"],
    );
  }));

const DATA = new TextEncoder().encode("object data ".repeat(20));

function writePackets(log: TestLog): void {
  log.packet("<", p.Ping, {});
  log.packet(">", p.ErrorPacket, { code: 5, message: new TextEncoder().encode("it's\nso") });
  log.packet(">", p.NotifyNodeInformation, {
    timestamp: 1.5,
    nodes: [
      {
        type: "STORAGE",
        address: { host: "::1", port: 80 },
        nid: nid(2),
        state: "RUNNING",
        idTimestamp: 3.25,
      },
      { type: "CLIENT", address: null, nid: nid(-536870911), state: "UNKNOWN", idTimestamp: null },
    ],
  });
  log.packet("<", p.AskStoreObject, {
    ...{ oid: oid(1n), serial: tid(2n), compression: true, checksum: new Uint8Array(20) },
    ...{ data: deflateSync(DATA), dataSerial: null, ttid: tid(0x0027_5c0a_0d41n) },
  });
  log.packet("<", p.SetClusterState, { state: "VERIFYING" });
  log.recorder.packet("<", "?", { id: 1, code: 999, bytes: DATA, start: 0, end: 3 });
  const truncated = { id: 70_000, code: 45 | 0x8000, bytes: Uint8Array.of(9), start: 0, end: 1 };
  log.recorder.packet("<", "?", truncated);
}

const CHECKSUM = "\\x00".repeat(20);

Deno.test("packets are shown as neolog does", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/p.log`;
    {
      using log = new TestLog(path);
      writePackets(log);
    }
    const options = { dateFormat: "", nodeColumn: false } as const;
    const plain = [
      "PACKET    #0x0005 Ping                           < C1 (127.0.0.1:1)",
      "PACKET    #0x0005 Error                          > C1 (127.0.0.1:1)",
      "PACKET    5 (it's",
      "PACKET    so)",
      "PACKET    #0x0005 NotifyNodeInformation          > C1 (127.0.0.1:1)",
      "PACKET     ! C1 | CLIENT  |          | UNKNOWN | None",
      "PACKET     ! S2 | STORAGE | [::1]:80 | RUNNING | 1970-01-01 00:00:03.250000",
      "PACKET    #0x0005 StoreObject                    < C1 (127.0.0.1:1)",
      "PACKET    #0x0005 SetClusterState                < C1 (127.0.0.1:1)",
      "PACKET    #0x0001 UnknownPacket[999]             < ?",
      "PACKET    #0x11170 AnswerClusterState             < ?",
    ];
    assert.deepEqual(await shown([path], options), plain);
    const withArguments = (data: string) =>
      plain.flatMap((line) => {
        if (line.includes("Information ")) return [`${line} \t| (1.5,)`];
        if (line.includes("StoreObject")) {
          return [
            `${line} \t| ('\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01', ` +
            `'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02', ${data}, None, ` +
            `"\\x00\\x00\\x00'\\\\\\n\\rA")`,
          ];
        }
        if (line.includes("SetClusterState")) return [`${line} \t| (<EnumItem VERIFYING (1)>,)`];
        return line.includes("AnswerCluster") ? [line, "PACKET    Can't decode packet"] : [line];
      });
    const text = `'${"object data ".repeat(20)}'`;
    assert.deepEqual(
      await shown([path], { ...options, shown: "decompressed" }),
      withArguments(`(240, ${text})`),
    );
    const raw = await shown([path], { ...options, shown: "raw" });
    assert.ok(raw.some((line) => line.includes(`, True, '${CHECKSUM}', 'x\\x9c`)));
    assert.equal(raw.length, plain.length + 1);
  }));

Deno.test("compressed files are read like plain ones", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/m1.log`;
    {
      using log = new TestLog(path);
      log.recorder.log("INFO", "m", "hello");
    }
    const bytes = Deno.readFileSync(path);
    const bzip2 = new BZip2();
    await bzip2.init();
    Deno.writeFileSync(`${path}.gz`, gzipSync(bytes));
    Deno.writeFileSync(`${path}.zst`, zstdCompressSync(bytes));
    Deno.writeFileSync(`${path}.bz2`, bzip2.compress(bytes, 9));
    const expected = await shown([path]);
    assert.deepEqual(expected, ["1000000000.0000 INFO      m1         hello"]);
    for (const extension of ["gz", "zst", "bz2"]) {
      assert.deepEqual(await shown([`${path}.${extension}`]), expected, extension);
    }
    const xz = new URL("../vectors/log.xz", import.meta.url).pathname;
    assert.deepEqual(await shown([xz]), [
      "1795500000.0000 INFO      S1         kept for the tests",
    ]);
    assert.deepEqual([...Deno.readDirSync(directory)].length, 4);
  }));

Deno.test("a compressed file may not hold more than was allowed, however small it is", () =>
  inDirectory(async (directory) => {
    const zeros = new Uint8Array(3 << 20);
    const bzip2 = new BZip2();
    await bzip2.init();
    Deno.writeFileSync(`${directory}/m1.log.gz`, gzipSync(zeros));
    Deno.writeFileSync(`${directory}/m1.log.zst`, zstdCompressSync(zeros));
    Deno.writeFileSync(`${directory}/m1.log.bz2`, bzip2.compress(zeros, 9));
    for (const extension of ["gz", "zst", "bz2"]) {
      const path = `${directory}/m1.log.${extension}`;
      for (const maxPlainBytes of [1000, zeros.length - 1]) {
        await assert.rejects(shown([path], { maxPlainBytes }), tooLarge, extension);
      }
      const maxPlainBytes = zeros.length;
      await assert.rejects(shown([path], { maxPlainBytes }), /is not a log of NEO/, extension);
    }
    const xz = new URL("../vectors/log.xz", import.meta.url).pathname;
    await assert.rejects(shown([xz], { maxPlainBytes: XZ_PLAIN_BYTES - 1 }), tooLarge);
    assert.equal((await shown([xz], { maxPlainBytes: XZ_PLAIN_BYTES })).length, 1);
    await assert.rejects(
      runLog(["--max-size", "2", `${directory}/m1.log.gz`]),
      /m1\.log\.gz holds more than 2 MiB once decompressed: raise --max-size/,
    );
    for (const size of ["0", "-1", "1e30", "x"]) {
      await assert.rejects(runLog([`--max-size=${size}`, xz]), UsageError, size);
    }
  }));

/** How much tests/vectors/log.xz holds. */
const XZ_PLAIN_BYTES = 20 << 10;

function tooLarge(error: unknown): boolean {
  assert.ok(error instanceof ConfigurationError, String(error));
  assert.match(error.message, /^[^\n]*holds more than [^\n]+ once decompressed: [^\n]+$/);
  return true;
}

Deno.test("a file that can't be read is refused in one line that names it", () =>
  inDirectory(async (directory) => {
    Deno.writeTextFileSync(`${directory}/text.log`, "no log\n".repeat(1000));
    Deno.writeTextFileSync(`${directory}/empty.log`, "");
    for (const extension of ["gz", "bz2", "xz", "zst"]) {
      Deno.writeTextFileSync(`${directory}/text.log.${extension}`, "not compressed at all");
    }
    const refused = async (name: string, reason: RegExp) => {
      await assert.rejects(shown([`${directory}/${name}`]), (error) => {
        assert.ok(error instanceof ConfigurationError, String(error));
        assert.match(error.message, reason);
        assert.ok(error.message.includes(name) && !error.message.includes("\n"));
        return true;
      });
    };
    await refused("text.log", /is not a log of NEO: .*not a database/);
    await refused("empty.log", /is not a log of NEO: it has no table 'log'/);
    await refused("missing.log", /^there is no file /);
    await refused("", /^there is no file /);
    for (const extension of ["gz", "bz2", "xz", "zst"]) {
      await refused(`text.log.${extension}`, /can't be decompressed: ./);
    }
    assert.equal([...Deno.readDirSync(directory)].length, 6, "nothing was created");
  }));

Deno.test("what is appended is shown at the next look, and nothing twice", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/s1.log`;
    using log = new TestLog(path);
    const file = await LogFile.open(path, OPTIONS);
    const lines: string[] = [];
    const printer = new LogPrinter(
      { ...PLAIN, dateFormat: "", nodeColumn: false },
      (line) => lines.push(line),
    );
    const look = () => {
      printer.printNew([file]);
      return lines.splice(0);
    };
    assert.deepEqual(look(), []);
    log.recorder.log("INFO", "m", "one");
    assert.deepEqual(look(), ["INFO      one"]);
    assert.deepEqual(look(), []);
    log.packet("<", p.Ping, {});
    log.recorder.log("INFO", "m", "two");
    assert.deepEqual(look(), [
      "PACKET    #0x0005 Ping                           < C1 (127.0.0.1:1)",
      "INFO      two",
    ]);
    file.close();
  }));

Deno.test("logs of NEO before 1.11 are shown, with the names that they have", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/old.log`;
    const database = new DatabaseSync(path);
    database.exec(`
      CREATE TABLE log (date REAL NOT NULL, name TEXT, level INTEGER, pathname TEXT, lineno INTEGER,
        msg TEXT);
      CREATE TABLE packet (date REAL NOT NULL, name TEXT, msg_id INTEGER, code INTEGER, peer TEXT,
        body BLOB);
      INSERT INTO packet VALUES (1, 'S1', 1, 2, '< M1', x'');`);
    const insert = database.prepare("INSERT INTO log VALUES (?, 'S1', 20, 'x.py', 1, ?)");
    database.exec("BEGIN");
    // More than a page of them, many of one time.
    for (let number = 0; number < 2500; number++) {
      insert.run(Math.floor(number / 900) + 2, `${number}`);
    }
    database.exec("COMMIT");
    database.close();
    const options = { dateFormat: "", nodeColumn: false } as const;
    const lines = await shown([path], options);
    const [packet, ...messages] = lines;
    assert.equal(packet, "PACKET    #0x0001 Ping                           < M1");
    assert.deepEqual(messages, Array.from({ length: 2500 }, (_, number) => `INFO      ${number}`));
    using log = new TestLog(path);
    log.recorder.log("INFO", "m", "new");
    assert.deepEqual(await shown([path], options), [...lines, "INFO      new"]);
  }));

Deno.test("of a damaged table the error is shown, and of the others everything", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/s1.log`;
    {
      using log = new TestLog(path);
      for (let number = 0; number < 300; number++) {
        log.recorder.log("INFO", "m", "x".repeat(100));
        log.packet("<", p.Ping, {});
      }
    }
    const database = new DatabaseSync(path, { readOnly: true });
    const table = database.prepare("SELECT rootpage FROM sqlite_master WHERE name = 'packet'");
    const root = Number(table.get()?.rootpage);
    database.close();
    using file = Deno.openSync(path, { write: true });
    file.seekSync((root - 1) * 4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(4096).fill(0xaa));
    const lines = await shown([path], { dateFormat: "", nodeColumn: false });
    const errors = lines.filter((line) => line.startsWith("PACKET"));
    assert.deepEqual(errors.length, 1, errors.join("\n"));
    assert.match(errors[0] ?? "", /^PACKET {4}DatabaseError: .*malformed/);
    assert.equal(lines.filter((line) => line.startsWith("INFO")).length, 300);
  }));
