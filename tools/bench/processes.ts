/**
 * Child processes of the benchmark: their lines, the end of what they complained about, and their
 * end. Every process that starts here also ends here, at the latest when the benchmark does.
 */

const COMPLAINT_CHARACTERS = 4000;
const TERMINATION_MS = 5000;

/** How to run a program. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

/** Something that the benchmark needed and did not get: told in one line. */
export class BenchError extends Error {}

/** A running child process, which can be asked line by line. */
export class Child {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncGenerator<string>;
  readonly #complaints: Promise<void>;
  #complaint = "";
  #complained = Promise.withResolvers<void>();
  #ended = false;

  constructor(readonly label: string, program: Program) {
    this.#child = new Deno.Command(program.command, {
      args: [...program.args],
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#lines = lines(this.#child.stdout);
    this.#complaints = this.#collectComplaint();
    this.#child.status.then(() => this.#ended = true);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return !this.#ended;
  }

  /** Throws when the process is gone, with the last line that it complained with. */
  assertRunning(): void {
    if (this.#ended) throw this.#gone();
  }

  /** The next line of its output. Throws a {@link BenchError} when the process ends first. */
  async hear(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done !== true) return value;
    await this.#complaints;
    throw this.#gone();
  }

  /** Waits for what it says on its standard error. Throws when the process ends first. */
  async complains(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#complaint)) {
      this.assertRunning();
      await this.#complained.promise;
    }
  }

  /** Reads and forgets its output, for a process that is not asked anything. */
  async ignoreOutput(): Promise<void> {
    for await (const _ of this.#lines);
  }

  /** Writes one line to its input. */
  async say(line: string): Promise<void> {
    this.assertRunning();
    await this.#writer.write(new TextEncoder().encode(line + "\n"));
  }

  /** Ends its input and waits for it to end; then kills it. */
  async finish(): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#within(TERMINATION_MS);
  }

  /** Waits for its end. Throws when it fails. */
  async succeeds(): Promise<void> {
    const { success } = await this.#child.status;
    await this.#complaints;
    if (!success) throw this.#gone();
  }

  /** Tells it to terminate and waits for it to end; then kills it. */
  async terminate(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGTERM");
    await this.#within(TERMINATION_MS);
  }

  /** Ends it at once, without waiting for it. */
  kill(): void {
    if (!this.#ended) this.#child.kill("SIGKILL");
  }

  async #within(ms: number): Promise<void> {
    const killer = setTimeout(() => this.kill(), ms);
    await this.#child.status;
    clearTimeout(killer);
    await this.#complaints;
  }

  async #collectComplaint(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#complaint = (this.#complaint + text).slice(-COMPLAINT_CHARACTERS);
      this.#complained.resolve();
      this.#complained = Promise.withResolvers();
    }
    await this.#child.status;
    this.#complained.resolve();
  }

  #gone(): BenchError {
    // The line that names the error: Python tells it last, Deno before the stack.
    const told = this.#complaint.trimEnd().split("\n");
    const last = told.findLast((line) => /^\S*error\b/i.test(line)) ?? told.at(-1) ?? "";
    return new BenchError(`${this.label} has ended${last === "" ? "" : `: ${last}`}`);
  }
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}
