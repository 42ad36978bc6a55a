/**
 * Child processes for tests: started with captured output, awaited by what they print or by their
 * end, and always ended again. A wait that takes too long ends the one child that it waited for
 * and says what that child had printed.
 */

/** How a child ended. */
export interface Exit {
  /** The exit status, or 128 + the signal's number. */
  readonly code: number;
  readonly signal: Deno.Signal | null;
}

/** What a command that ran to its end left. */
export interface Output extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  /** How messages call the child. */
  readonly name: string;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Whether the child starts others, which get the signals that it gets. */
  readonly family?: boolean;
}

/** How long a child may take to end after SIGTERM before it gets SIGKILL. */
const TERMINATION_MS = 5_000;

/** The longest tail of a child's output in an error message, in characters. */
const TAIL_CHARACTERS = 4_000;

/**
 * Rejects with `message()` when `promise` has not settled in time; `onTimeout` comes first, and
 * whatever it makes `promise` do no longer counts.
 */
export async function withDeadline<T>(promise: Promise<T>, options: {
  readonly timeoutMs: number;
  readonly message: () => string;
  readonly onTimeout?: () => Promise<void>;
}): Promise<T> {
  const { promise: outcome, resolve, reject } = Promise.withResolvers<T>();
  let expired = false;
  const timer = setTimeout(async () => {
    expired = true;
    const message = options.message();
    await options.onTimeout?.();
    reject(new Error(message));
  }, options.timeoutMs);
  promise.then(
    (value) => expired || resolve(value),
    (error) => expired || reject(error),
  );
  try {
    return await outcome;
  } finally {
    clearTimeout(timer);
  }
}

/** One running (or ended) child process. */
export class Child implements AsyncDisposable {
  readonly name: string;
  /** What it has printed so far. */
  stdout = "";
  stderr = "";
  /** Resolves when the child has ended and all its output is here. */
  readonly exited: Promise<Exit>;
  #ended = false;
  readonly #family: boolean;
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Set<() => void>();

  private constructor(argv: readonly string[], options: StartOptions) {
    const [program, ...args] = argv;
    if (program === undefined) throw new Error("a command of at least one word was expected");
    this.name = options.name;
    this.#family = options.family ?? false;
    this.#process = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: this.#family,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    }).spawn();
    this.#stdin = this.#process.stdin.getWriter();
    this.exited = this.#follow();
  }

  /** Starts `argv`. */
  static start(argv: readonly string[], options: StartOptions): Child {
    return new Child(argv, options);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Whether the child has not ended. */
  get running(): boolean {
    return !this.#ended;
  }

  /** Writes a line to the child's standard input. */
  async writeLine(line: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(line + "\n"));
  }

  /**
   * Resolves with the first match of `pattern` in what the child has printed and will print to
   * standard output and standard error. Rejects when the child ends without, or after `timeoutMs`.
   */
  waitForOutput(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    return this.#waitFor({
      poll: () => pattern.exec(this.stdout) ?? pattern.exec(this.stderr),
      expected: `to print ${pattern}`,
      timeoutMs,
    });
  }

  /** Resolves with the first whole line of standard output from `offset` on, in characters. */
  waitForLine(offset: number, timeoutMs: number): Promise<string> {
    return this.#waitFor({
      poll: () => {
        const end = this.stdout.indexOf("\n", offset);
        return end < 0 ? null : this.stdout.slice(offset, end);
      },
      expected: "to print a line",
      timeoutMs,
    });
  }

  /** Resolves when the child has ended; ends it and rejects after `timeoutMs`. */
  waitForExit(timeoutMs: number): Promise<Exit> {
    return withDeadline(this.exited, {
      timeoutMs,
      message: () => this.#complaint("to end", timeoutMs),
      onTimeout: () => this.kill(),
    });
  }

  /** Sends a signal; does nothing when the child has ended. */
  signal(signal: Deno.Signal): void {
    if (!this.running) return;
    try {
      Deno.kill(this.#family ? -this.pid : this.pid, signal);
    } catch (error) {
      // It has just ended, and its end has not been told yet.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Ends the child with SIGKILL and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }

  /** Ends the child with SIGTERM, or SIGKILL when that does not help, and waits until it is gone. */
  async terminate(): Promise<void> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), TERMINATION_MS);
    await this.exited;
    clearTimeout(timer);
  }

  /** The end of what the child has printed, for messages. */
  tail(): string {
    const text = (this.stdout + this.stderr).slice(-TAIL_CHARACTERS);
    return `--- ${this.name} ${this.running ? "runs" : "has ended"}; it printed:\n${text}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.terminate();
  }

  async #waitFor<T>(wait: {
    readonly poll: () => T | null;
    readonly expected: string;
    readonly timeoutMs: number;
  }): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = () => {
      const found = wait.poll();
      if (found !== null) resolve(found);
      else if (this.#ended) {
        reject(new Error(`${this.name} was expected ${wait.expected}, but ended\n${this.tail()}`));
      }
    };
    this.#waiting.add(check);
    check();
    try {
      return await withDeadline(promise, {
        timeoutMs: wait.timeoutMs,
        message: () => this.#complaint(wait.expected, wait.timeoutMs),
        onTimeout: () => this.kill(),
      });
    } finally {
      this.#waiting.delete(check);
    }
  }

  #complaint(expected: string, timeoutMs: number): string {
    return `${this.name} was expected ${expected} within ${timeoutMs} ms\n${this.tail()}`;
  }

  async #follow(): Promise<Exit> {
    const stdout = this.#capture(this.#process.stdout, (text) => this.stdout += text);
    const stderr = this.#capture(this.#process.stderr, (text) => this.stderr += text);
    const { code, signal } = await this.#process.status;
    await Promise.all([stdout, stderr]);
    // The reading end is gone with the child: there is nobody left to be told of a failed write.
    await this.#stdin.close().catch(() => undefined);
    this.#ended = true;
    this.#wake();
    return { code, signal };
  }

  async #capture(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      add(decoder.decode(chunk, { stream: true }));
      this.#wake();
    }
  }

  #wake(): void {
    for (const check of [...this.#waiting]) check();
  }
}

/** Runs a command to its end. Ends it and rejects after `timeoutMs`. */
export async function run(
  argv: readonly string[],
  options: StartOptions & { readonly timeoutMs: number },
): Promise<Output> {
  const child = Child.start(argv, options);
  const exit = await child.waitForExit(options.timeoutMs);
  return { ...exit, stdout: child.stdout, stderr: child.stderr };
}
