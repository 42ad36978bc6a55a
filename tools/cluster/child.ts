/**
 * One node of `neo cluster` as a process of its own: its log lines are passed on with its name in
 * front. It stops when this process is gone, since its standard input then ends.
 */

import process from "node:process";
import { V8_FLAGS } from "../v8_flags.ts";

/** Lines of a node kept to explain why it ended. */
const KEPT_LINES = 20;

/** The program and the first arguments that make it the `neo` command. */
function neoCommand(): [string, string[]] {
  if (Deno.build.standalone) return [Deno.execPath(), []];
  const script = new URL("../neo.ts", import.meta.url).pathname;
  return [Deno.execPath(), ["run", "--allow-all", "--quiet", V8_FLAGS, script]];
}

export class Child {
  /** The last lines that it wrote. */
  readonly lines: string[] = [];
  readonly #child: Deno.ChildProcess;
  /** Resolves with the exit status. */
  readonly ended: Promise<number>;

  /** Starts a node; `print` gets each line that it writes. */
  constructor(readonly name: string, args: readonly string[], print: (line: string) => void) {
    const [program, before] = neoCommand();
    this.#child = new Deno.Command(program, {
      args: [...before, ...args, "--until-input-ends"],
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
      env: { NO_COLOR: "1" },
      // Ctrl-C is for the parent alone: it stops the nodes in an order that loses no replica.
      detached: process.platform !== "win32",
    }).spawn();
    const output = this.#passOn(print);
    this.ended = this.#child.status.then(async ({ code }) => {
      await output;
      return code;
    });
  }

  async #passOn(print: (line: string) => void): Promise<void> {
    let partial = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) {
        this.lines.push(line);
        if (this.lines.length > KEPT_LINES) this.lines.shift();
        print(`${this.name.padEnd(10)} ${line}`);
      }
    }
  }

  /** Asks the node to end by itself. */
  stop(): void {
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      // It has ended already.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Ends the node at once. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
}
