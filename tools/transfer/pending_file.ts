/** A file that is written under another name, and gets its own when it is whole. */

import { FileError } from "../../nodes/errors.ts";
import type { RandomFile } from "../../nodes/host/host.ts";
import { fileSystem } from "../../nodes/host/random_file.ts";

export class PendingFile implements Disposable {
  readonly file: RandomFile;
  readonly #path: string;
  #isFinished = false;

  /** Throws a FileError when there is a file of that name. */
  constructor(path: string) {
    const present = fileSystem.open(path, "read");
    if (present !== null) {
      present.close();
      throw new FileError(`there is a file ${path} already: remove it, or choose another name`);
    }
    const file = fileSystem.open(`${path}.${Deno.pid}.part`, "create");
    if (file === null) throw new FileError(`can't create ${path}`);
    this.#path = path;
    this.file = file;
  }

  /** Flushes the file and gives it its name. Throws a FileError. */
  finish(): void {
    this.file.flush();
    this.file.close();
    fileSystem.rename(this.file.path, this.#path);
    this.#isFinished = true;
  }

  /** Removes the file, unless it was finished. */
  [Symbol.dispose](): void {
    if (this.#isFinished) return;
    this.file.close();
    fileSystem.remove(this.file.path);
  }
}
