/** The machines of a cluster, by the names of their hosts. */

export class Layout {
  readonly #prefix: string;
  readonly #names = new Set<string>();
  #storages = 0;

  /** `prefix` is what all names begin with. */
  constructor({ prefix, masters, storages }: {
    readonly prefix: string;
    readonly masters: number;
    readonly storages: number;
  }) {
    this.#prefix = prefix;
    this.masters = Array.from(
      { length: masters },
      (_, at) => `${prefix}master${at === 0 ? "" : at + 1}`,
    );
    for (const name of [...this.masters, this.admin]) this.#names.add(name);
    while (this.#storages < storages) this.addStorage();
  }

  readonly masters: readonly string[];

  /** All machines that have a node. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /** The first master. */
  get master(): string {
    return `${this.#prefix}master`;
  }

  get admin(): string {
    return `${this.#prefix}admin`;
  }

  /** Where orders are given. */
  get control(): string {
    return `${this.#prefix}ctl`;
  }

  /** A storage, by its number. */
  storage(number: number): string {
    return `${this.#prefix}storage${number}`;
  }

  get storages(): readonly string[] {
    return this.names.filter((name) => name.startsWith(`${this.#prefix}storage`));
  }

  /** Makes room for one more storage. Returns its name. */
  addStorage(): string {
    const name = this.storage(++this.#storages);
    this.#names.add(name);
    return name;
  }

  /** Does without a machine from now on. */
  remove(name: string): void {
    this.#names.delete(name);
  }
}
