import assert from "node:assert/strict";
import { hostname } from "node:os";
import { ConfigurationError } from "../../nodes/errors.ts";
import { createClientHost } from "../../nodes/host/client.ts";
import { createClock } from "../../nodes/host/clock.ts";
import type { LogLevel } from "../../nodes/host/host.ts";
import { createConsoleLog } from "../../nodes/host/log.ts";
import { createNodeHost } from "../../nodes/host/node.ts";
import { Child, run } from "../support/process.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const CHILD_MS = 15_000;

const host = createNodeHost({ log: { log: () => {} } });

/** The words that run a program on a real host, `host`. */
function program(source: string): string[] {
  const text = `import { createNodeHost } from "${ROOT}nodes/host/node.ts";
    import { createConsoleLog } from "${ROOT}nodes/host/log.ts";
    const host = createNodeHost({ log: createConsoleLog({ now: Date.now }) });
    ${source}`;
  return [Deno.execPath(), "eval", "--ext=ts", text];
}

Deno.test("clock: Unix time has a fraction, follows the system's, and the other never goes back", () => {
  const before = Date.now();
  const times = Array.from({ length: 1000 }, () => host.now());
  assert.ok(times.every((time) => Math.abs(time - before) < 1000));
  assert.ok(times.some((time) => !Number.isInteger(time)));
  let last = host.monotonic();
  for (let i = 0; i < 1000; i++) {
    const next = host.monotonic();
    assert.ok(next >= last);
    last = next;
  }
});

Deno.test("clock: Unix time jumps with the system's clock", () => {
  const real = Date.now;
  try {
    const now = createClock();
    for (const jumpMs of [3_600_000, -7_200_000, 5]) {
      Date.now = () => real() + jumpMs;
      const found = now();
      assert.ok(Math.abs(found - real() - jumpMs) <= 3, `${found - real()} for ${jumpMs}`);
      assert.ok(now() >= found);
    }
  } finally {
    Date.now = real;
  }
});

Deno.test("timers: they fire in order, never early, and not when cancelled", async () => {
  const fired: string[] = [];
  const start = host.monotonic();
  const cancelled = host.setTimer(1, () => fired.push("cancelled"));
  const endless = host.setTimer(2 ** 31 + 5, () => fired.push("endless"));
  const never = host.setTimer(Infinity, () => fired.push("never"));
  cancelled.cancel();
  cancelled.cancel();
  await new Promise<void>((resolve) => {
    host.setTimer(20.5, () => resolve(), { keepsProcess: true });
    host.setTimer(5, () => fired.push("short"));
    host.setTimer(-1, () => fired.push("past"));
    host.defer(() => fired.push("deferred"));
    queueMicrotask(() => fired.push("microtask"));
  });
  assert.ok(host.monotonic() - start >= 20.5);
  assert.deepEqual(fired.filter((name) => name !== "deferred"), ["microtask", "past", "short"]);
  // Whether it comes before a timer that is due is up to how far the event loop has come.
  assert.ok(fired.indexOf("deferred") > 0, String(fired));
  assert.equal(fired.length, 4);
  endless.cancel();
  never.cancel();
  assert.throws(() => host.setTimer(NaN, () => {}), RangeError);
});

Deno.test("timers: they hold the process only when asked", async () => {
  const source = (options: string) =>
    program(`host.setTimer(500, () => console.log("fired")${options});`);
  const [without, asked] = await Promise.all([
    run(source(""), { name: "without", timeoutMs: CHILD_MS }),
    run(source(", { keepsProcess: true }"), { name: "asked", timeoutMs: CHILD_MS }),
  ]);
  assert.deepEqual([without.code, without.stdout], [0, ""]);
  assert.deepEqual([asked.code, asked.stdout], [0, "fired\n"]);
});

Deno.test("random: numbers are from [0, 1), and differ", () => {
  const numbers = Array.from({ length: 100 }, () => createClientHost().random());
  assert.ok(numbers.every((number) => number >= 0 && number < 1));
  assert.ok(new Set(numbers).size > 90);
});

Deno.test("files: written whole, read whole, null when there is none", async () => {
  const directory = await Deno.makeTempDir({ prefix: "neo_files_" });
  try {
    const path = `${directory}/masters`;
    assert.equal(host.readTextFile(path), null);
    host.writeTextFile(path, "127.0.0.1:10000\n");
    assert.equal(host.readTextFile(path), "127.0.0.1:10000\n");
    const before = Deno.statSync(path).ino;
    const long = "é".repeat(1_000_000);
    host.writeTextFile(path, long);
    assert.equal(host.readTextFile(path), long);
    // It was replaced, not written over.
    assert.notEqual(Deno.statSync(path).ino, before);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["masters"]);

    const refused = [
      () => host.writeTextFile(`${directory}/none/masters`, ""),
      () => host.writeTextFile(directory, ""),
      () => host.readTextFile(directory),
    ];
    for (const attempt of refused) {
      assert.throws(attempt, (error: unknown) => {
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, /^cannot (read|write) .*neo_files_/);
        return true;
      });
    }
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["masters"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("log: lines have the format of NEO", () => {
  let written = "";
  const at = new Date(2026, 10, 24, 9, 48, 41).getTime() + 873.39;
  const options = { now: () => at, write: (lines: string) => written += lines };
  const log = createConsoleLog(options);
  log.log("ERROR", "app", "primary master is down");
  log.log("INFO", "app", "nothing");
  log.log("CRITICAL", "a-very-long-module", "two\nlines");
  assert.deepEqual(written.split("\n"), [
    "2026-11-24 09:48:41.8733 ERROR     NEO        [           app:  0] primary master is down",
    "2026-11-24 09:48:41.8733 CRITICAL  NEO        [a-very-long-module:  0] two",
    "2026-11-24 09:48:41.8733 CRITICAL  NEO        [a-very-long-module:  0] lines",
    "",
  ]);

  const shown = (minimum: LogLevel) => {
    written = "";
    const log = createConsoleLog({ ...options, minimum, name: "S1" });
    for (const level of ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const) {
      log.log(level, "storage", "x");
    }
    return written.match(/[A-Z]+(?= +S1 )/g);
  };
  assert.deepEqual(shown("DEBUG"), ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]);
  assert.deepEqual(shown("INFO"), ["INFO", "WARNING", "ERROR", "CRITICAL"]);
  assert.deepEqual(shown("CRITICAL"), ["CRITICAL"]);
});

Deno.test("log: it goes to standard error, and a reader who left is no harm", async () => {
  const words = program(`
    for (let i = 0; i < 10_000; i++) host.log.log("WARNING", "host", "line");
    console.log("all logged");
  `);
  const done = await run(
    // The log goes to \`head\`, which leaves after a line, the output past it.
    ["bash", "-c", '{ "$@" 2>&1 1>&3 | head -n 1; } 3>&1', "bash", ...words],
    { name: "child", timeoutMs: CHILD_MS },
  );
  const lines = done.stdout.split("\n").filter((line) => line !== "").sort();
  assert.match(lines[0] ?? "", /^\d{4}-.* WARNING +NEO +\[ +host: {2}0\] line$/);
  assert.deepEqual(lines.slice(1), ["all logged"]);
});

Deno.test("signals: heard instead of dying, until cancelled", async () => {
  await using child = Child.start(
    program(`
      const subscription = host.onSignal(["SIGTERM", "SIGHUP", "SIGUSR2"], (name) => {
        if (name === "SIGUSR2") subscription.cancel();
        console.log(name);
      });
      setInterval(() => {}, 1000);
      console.log("ready");
    `),
    { name: "child" },
  );
  await child.waitForOutput(/ready/, CHILD_MS);
  for (const name of ["SIGTERM", "SIGHUP", "SIGUSR2"] as const) {
    child.signal(name);
    await child.waitForOutput(new RegExp(name), CHILD_MS);
  }
  child.signal("SIGTERM");
  const { code } = await child.waitForExit(CHILD_MS);
  assert.equal(code, 128 + 15);
  assert.equal(child.stdout, "ready\nSIGTERM\nSIGHUP\nSIGUSR2\n");
});

Deno.test("signals: a subscription keeps no process alive", async () => {
  const done = await run(program(`host.onSignal(["SIGTERM"], () => {}); console.log("end");`), {
    name: "child",
    timeoutMs: CHILD_MS,
  });
  assert.deepEqual([done.code, done.stdout], [0, "end\n"]);
});

Deno.test("signals: the real-time ones of NEO's log rotation end no node", async () => {
  await using child = Child.start(program(`setInterval(() => {}, 1000); console.log("ready");`), {
    name: "child",
  });
  await child.waitForOutput(/ready/, CHILD_MS);
  for (const signal of [34, 35, 36, 37]) {
    const sent = await run(["sh", "-c", `kill -${signal} ${child.pid}`], {
      name: "kill",
      timeoutMs: CHILD_MS,
    });
    assert.equal(sent.code, 0, sent.stderr);
  }
  child.signal("SIGTERM");
  const { code } = await child.waitForExit(CHILD_MS);
  assert.equal(code, 128 + 15);
});

Deno.test("host: the name of the machine", () => {
  assert.equal(host.hostname, hostname());
});
