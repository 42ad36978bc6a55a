/** What an operator types at a control command and gets to see, recorded so that two can be compared. */
import assert from "node:assert/strict";
import type { Cluster, Maker } from "../support/cluster.ts";
import type { Output } from "../support/process.ts";
import { real } from "./peer.ts";

/** One command: what was typed, printed on standard output, complained of, and the status. */
export interface Entry {
  readonly command: string;
  readonly status: number;
  readonly stdout: string;
  /** The last line of standard error: NEO's neoctl prints a Python traceback before. */
  readonly complaint: string;
}

/** An operator at the control command of `ctl`. */
export class Session {
  readonly entries: Entry[] = [];

  constructor(readonly cluster: Cluster, readonly ctl: Maker) {}

  /** Types commands one after the other. */
  async type(...commands: string[]): Promise<void> {
    for (const command of commands) {
      const output = await this.cluster.ctlOf(this.ctl, ...command.split(" "));
      this.entries.push(entry(command, output));
    }
  }

  /**
   * Types commands that the master refuses. NEO's master leaves the admin each time, which comes
   * back with a new timestamp; ours does not.
   */
  async typeRefused(...commands: string[]): Promise<void> {
    if (this.cluster.master !== real) return await this.type(...commands);
    for (const command of commands) {
      const { stdout: before } = await this.cluster.ctl("print", "node", "admin");
      await this.type(command);
      await this.cluster.waitForCtl(
        ["print", "node", "admin"],
        (now) => now.includes("RUNNING") && now !== before,
      );
    }
  }
}

/** Checks that a session is, to the letter, what `expected` was. */
export function assertSame(found: readonly Entry[], expected: readonly Entry[]): void {
  assert.equal(render(found), render(expected));
}

/**
 * Checks that a session is what `expected` was, but that each complaint need only contain the
 * message: ours says in one line what NEO's says at the end of a traceback.
 */
export function assertAlike(found: readonly Entry[], expected: readonly Entry[]): void {
  assertSame(withoutComplaints(found), withoutComplaints(expected));
  for (const [index, { command, complaint }] of expected.entries()) {
    const said = found[index]?.complaint ?? "";
    assert.ok(said.includes(message(complaint)), `${command}: ${said}, not ${complaint}`);
    assert.equal(said === "", complaint === "", `${command}: ${said}, not ${complaint}`);
  }
}

/** Replaces what differs between any two runs by words. */
function mask(text: string): string {
  return text
    .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?/g, "TIME")
    .replaceAll(/0x[0-9a-f]{10,16}\b/g, "TID");
}

function entry(command: string, output: Output): Entry {
  return {
    command: mask(command),
    status: output.code,
    stdout: mask(output.stdout),
    complaint: mask(output.stderr.trimEnd().split("\n").at(-1) ?? ""),
  };
}

function render(entries: readonly Entry[]): string {
  return entries.map((e) => `$ neoctl ${e.command}\n${e.stdout}[${e.status}] ${e.complaint}\n`)
    .join("");
}

function withoutComplaints(entries: readonly Entry[]): Entry[] {
  return entries.map((e) => ({ ...e, complaint: "" }));
}

/** The master's or the admin's message in the representation of an error by NEO's neoctl. */
function message(complaint: string): string {
  return /(?:'([^']*)'|"([^"]*)")\)$/.exec(complaint)?.slice(1).find(Boolean) ?? complaint;
}
