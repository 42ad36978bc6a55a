/** Log files: what is written to them, and when. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ConfigurationError } from "../../nodes/errors.ts";
import { createConsoleLog } from "../../nodes/host/log.ts";
import { LogRecorder, type LogRecorderOptions } from "../../nodes/host/log_recorder.ts";

const PROTOCOL = new TextEncoder().encode("a protocol");

interface Scene {
  readonly path: string;
  readonly complaints: string[];
  readonly timers: (() => void)[];
  /** The present time, in milliseconds. */
  now: number;
  recorder(options?: Partial<LogRecorderOptions>): LogRecorder;
  /** The rows that a query finds. */
  rows(sql: string, path?: string): Record<string, unknown>[];
}

async function inScene(test: (scene: Scene) => void): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "neo-log-recorder-" });
  const recorders: LogRecorder[] = [];
  const scene: Scene = {
    path: `${directory}/node.log`,
    complaints: [],
    timers: [],
    now: 1_000_000_000_000,
    recorder(options = {}) {
      const recorder = new LogRecorder({
        path: scene.path,
        protocol: PROTOCOL,
        now: () => scene.now,
        setTimer: (_delayMs, callback) => {
          scene.timers.push(callback);
          return { cancel: () => {} };
        },
        complain: (reason) => scene.complaints.push(reason),
        ...options,
      });
      recorders.push(recorder);
      return recorder;
    },
    rows(sql, path = scene.path) {
      const database = new DatabaseSync(path, { readOnly: true });
      try {
        return database.prepare(sql).all().map((row) => ({ ...row }));
      } finally {
        database.close();
      }
    },
  };
  try {
    test(scene);
  } finally {
    for (const recorder of recorders) recorder.close();
    await Deno.remove(directory, { recursive: true });
  }
}

const FRAME = { id: 3, code: 28, bytes: Uint8Array.of(9, 1, 2, 9), start: 1, end: 3 };

Deno.test("nothing is written before a warning, and then everything", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    recorder.log("INFO", "storage", "all is well");
    recorder.packet("<", "C1 (127.0.0.1:1)", FRAME);
    assert.deepEqual(scene.rows("SELECT * FROM log"), []);
    assert.deepEqual(scene.rows("SELECT * FROM packet"), []);
    scene.now += 1;
    recorder.log("WARNING", "master", "something happened");
    assert.deepEqual(scene.rows("SELECT level, pathname, msg, node FROM log ORDER BY date"), [
      { level: 20, pathname: "storage", msg: "all is well", node: null },
      { level: 30, pathname: "master", msg: "something happened", node: null },
    ]);
    assert.deepEqual(scene.rows("SELECT msg_id, code, peer, body, node FROM packet"), [
      { msg_id: 3, code: 28, peer: "< C1 (127.0.0.1:1)", body: Uint8Array.of(1, 2), node: null },
    ]);
    recorder.log("WARNING", "master", "again");
    assert.equal(scene.rows("SELECT * FROM log").length, 3);
  }));

Deno.test("whoever asks gets what is in memory", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    recorder.log("DEBUG", "m", "one");
    recorder.flush();
    recorder.flush();
    assert.equal(scene.rows("SELECT * FROM log").length, 1);
  }));

Deno.test("a command that ends soon writes each record at once", () =>
  inScene((scene) => {
    const recorder = scene.recorder({ immediate: true });
    recorder.packet(">", "A1 (127.0.0.1:1)", FRAME);
    assert.equal(scene.rows("SELECT * FROM packet").length, 1);
    recorder.log("DEBUG", "m", "one");
    assert.equal(scene.rows("SELECT * FROM log").length, 1);
  }));

Deno.test("records of one moment stay apart and in order, also when the clock goes back", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    for (let number = 0; number < 100; number++) recorder.log("INFO", "m", `${number}`);
    recorder.flush();
    // Another process has no memory of these times.
    const other = scene.recorder();
    for (let number = 100; number < 200; number++) other.log("INFO", "m", `${number}`);
    other.flush();
    const rows = scene.rows("SELECT date, msg FROM log ORDER BY date");
    assert.equal(rows.length, 200);
    assert.ok(rows.every(({ date }) => Math.abs(Number(date) - 1_000_000_000) < 0.001));
    const first = rows.map(({ msg }) => Number(msg)).filter((number) => number < 100);
    assert.deepEqual(first, Array.from({ length: 100 }, (_, number) => number));
  }));

Deno.test("rows name the node that wrote them, and each node is there once", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    recorder.log("INFO", "m", "nobody");
    recorder.identified("main", 1);
    recorder.identified("main", 1);
    recorder.log("INFO", "m", "S1");
    recorder.identified("main", 2);
    recorder.log("INFO", "m", "S2");
    recorder.flush();
    scene.now += 1000;
    const again = scene.recorder();
    again.identified("main", 2);
    again.log("INFO", "m", "S2 again");
    again.flush();
    assert.deepEqual(
      scene.rows("SELECT msg, name, cluster, nid FROM log LEFT JOIN node ON node = id"),
      [
        { msg: "nobody", name: null, cluster: null, nid: null },
        { msg: "S1", name: null, cluster: "main", nid: 1 },
        { msg: "S2", name: null, cluster: "main", nid: 2 },
        { msg: "S2 again", name: null, cluster: "main", nid: 2 },
      ],
    );
    assert.deepEqual(scene.rows("SELECT id FROM node"), [{ id: 0 }, { id: 1 }]);
  }));

Deno.test("the protocol is described once, and again when it is another one", () =>
  inScene((scene) => {
    scene.recorder().close();
    scene.recorder();
    assert.deepEqual(scene.rows("SELECT date, text FROM protocol"), [{ date: 0, text: PROTOCOL }]);
    scene.recorder({ protocol: Uint8Array.of(1) });
    assert.deepEqual(scene.rows("SELECT date, text FROM protocol"), [
      { date: 0, text: PROTOCOL },
      { date: 1_000_000_000, text: Uint8Array.of(1) },
    ]);
  }));

Deno.test("a renamed file is left alone, and what is in memory goes to the new one", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    const old = `${scene.path}.1`;
    recorder.packet("<", "C1", FRAME);
    recorder.log("WARNING", "m", "before");
    recorder.log("INFO", "m", "between");
    Deno.renameSync(scene.path, old);
    recorder.reopen();
    recorder.log("WARNING", "m", "after");
    assert.deepEqual(scene.rows("SELECT msg FROM log", old), [{ msg: "before" }]);
    assert.deepEqual(scene.rows("SELECT msg FROM log"), [{ msg: "between" }, { msg: "after" }]);
    assert.equal(scene.rows("SELECT * FROM protocol", old).length, 1);
    assert.equal(scene.rows("SELECT * FROM protocol").length, 1);
  }));

Deno.test("a file without packets is left without a description of the protocol", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    recorder.log("WARNING", "m", "before");
    Deno.renameSync(scene.path, `${scene.path}.1`);
    recorder.reopen();
    const old = scene.rows("SELECT name FROM sqlite_master ORDER BY name", `${scene.path}.1`);
    assert.deepEqual(old.map(({ name }) => name), ["log", "node", "packet"]);
  }));

Deno.test("a new file that can't be made costs nothing: the old one goes on", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    Deno.renameSync(scene.path, `${scene.path}.1`);
    Deno.mkdirSync(scene.path);
    recorder.reopen();
    recorder.log("WARNING", "m", "still here");
    // That the old file can be written is no news.
    assert.equal(scene.complaints.length, 1, scene.complaints.join("\n"));
    assert.match(scene.complaints[0] ?? "", /^the log goes on in the old file: .*node\.log/);
    assert.deepEqual(scene.rows("SELECT msg FROM log", `${scene.path}.1`), [{ msg: "still here" }]);
  }));

Deno.test("while somebody reads the file nothing is lost, and nobody waits", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    recorder.log("WARNING", "m", "one");
    const reader = new DatabaseSync(scene.path);
    reader.exec("BEGIN; SELECT * FROM log");
    const read = reader.prepare("SELECT msg FROM log").all();
    assert.equal(read.length, 1);
    recorder.log("WARNING", "m", "two");
    recorder.log("WARNING", "m", "three");
    assert.equal(scene.timers.length, 1);
    scene.timers.shift()?.();
    assert.equal(scene.timers.length, 1);
    reader.exec("ROLLBACK");
    reader.close();
    scene.timers.shift()?.();
    assert.equal(scene.timers.length, 0);
    assert.deepEqual(scene.rows("SELECT msg FROM log"), [
      { msg: "one" },
      { msg: "two" },
      { msg: "three" },
    ]);
    assert.deepEqual(scene.complaints, []);
  }));

Deno.test("what could not be written is written in the end", () =>
  inScene((scene) => {
    const recorder = scene.recorder();
    recorder.log("WARNING", "m", "one");
    const reader = new DatabaseSync(scene.path);
    reader.exec("BEGIN");
    reader.prepare("SELECT msg FROM log").all();
    recorder.log("WARNING", "m", "two");
    reader.exec("ROLLBACK");
    reader.close();
    recorder.close();
    assert.equal(scene.rows("SELECT msg FROM log").length, 2);
  }));

Deno.test("the tables of an older NEO are kept under other names", () =>
  inScene((scene) => {
    const old = new DatabaseSync(scene.path);
    old.exec("CREATE TABLE log (date REAL, name TEXT, level INTEGER, pathname TEXT, msg TEXT)");
    old.exec("INSERT INTO log VALUES (1, 'S1', 20, 'x.py', 'from before')");
    old.close();
    scene.recorder().log("WARNING", "m", "new");
    assert.deepEqual(scene.rows("SELECT name, msg FROM log1"), [
      { name: "S1", msg: "from before" },
    ]);
    assert.deepEqual(scene.rows("SELECT msg FROM log"), [{ msg: "new" }]);
  }));

Deno.test("a file that is no log is refused in one line, and left as it is", () =>
  inScene((scene) => {
    const text = "a log of another program\n".repeat(100);
    Deno.writeTextFileSync(scene.path, text);
    assert.throws(() => scene.recorder(), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /^expected .*node\.log to be a log file.*: move it away[^\n]*$/);
      return true;
    });
    assert.equal(Deno.readTextFileSync(scene.path), text);
  }));

Deno.test("JSON lines on standard error are objects with all there is to know", () => {
  const lines: string[] = [];
  const log = createConsoleLog({
    format: "json",
    minimum: "INFO",
    now: () => 1_000_000_000_123.4,
    nodeName: (nid) => `S${nid}`,
    write: (text) => lines.push(text),
  });
  log.log("DEBUG", "m", "not this one");
  log.log("INFO", "storage", 'two\nlines, "quoted"');
  log.identified?.("main", 3);
  log.log("ERROR", "storage", "x");
  assert.ok(lines.every((line) => line.indexOf("\n") === line.length - 1));
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [
    {
      time: "2001-09-09T01:46:40.123Z",
      level: "INFO",
      module: "storage",
      message: 'two\nlines, "quoted"',
    },
    {
      time: "2001-09-09T01:46:40.123Z",
      level: "ERROR",
      cluster: "main",
      node: "S3",
      module: "storage",
      message: "x",
    },
  ]);
});
