/** Files that are not whole yet: whose they are, and what is left of them after a kill. */

import assert from "node:assert/strict";
import { FileError } from "../../nodes/errors.ts";
import { PendingFile } from "../../tools/transfer/pending_file.ts";
import { filesIn, inDirectory } from "../support/directory.ts";

/** Another process that writes to a file, and is never done. */
async function startWriter(part: string): Promise<Deno.ChildProcess> {
  const module = new URL("../../tools/transfer/pending_file.ts", import.meta.url).href;
  const program = `
    import { PendingFile } from ${JSON.stringify(module)};
    const pending = new PendingFile(${JSON.stringify(part)});
    pending.file.write(new Uint8Array(1000), 0);
    console.log("written");
    await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      `data:text/typescript,${encodeURIComponent(program)}`,
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "written\n");
  await reader.cancel();
  return child;
}

Deno.test("a file gets its name when it is whole, and leaves nothing when it is not to be", () =>
  inDirectory((directory) => {
    const [part, path] = [`${directory}/a.part`, `${directory}/a`];
    {
      using pending = new PendingFile(part);
      pending.file.write(Uint8Array.of(1), 0);
      assert.deepEqual(filesIn(directory), ["a.part"]);
    }
    assert.deepEqual(filesIn(directory), []);
    {
      using pending = new PendingFile(part);
      pending.file.write(Uint8Array.of(1, 2), 0);
      pending.finish(path);
    }
    assert.deepEqual(filesIn(directory), ["a"]);
    assert.deepEqual(Deno.readFileSync(path), Uint8Array.of(1, 2));
  }));

Deno.test("what appears meanwhile under its name is not written over", () =>
  inDirectory((directory) => {
    const path = `${directory}/a`;
    {
      using pending = new PendingFile(`${path}.part`);
      Deno.writeTextFileSync(path, "another's");
      assert.throws(() => pending.finish(path), /there is a file .*a already/);
    }
    assert.deepEqual(filesIn(directory), ["a"]);
    assert.equal(Deno.readTextFileSync(path), "another's");
  }));

Deno.test("a living process keeps its file; that of a killed one is replaced", () =>
  inDirectory(async (directory) => {
    const [part, path] = [`${directory}/a.part`, `${directory}/a`];
    const child = await startWriter(part);
    try {
      assert.throws(() => new PendingFile(part), (error) => {
        assert.ok(error instanceof FileError);
        assert.match(error.message, /^another process is writing .*a\.part: /);
        return true;
      });
      assert.equal(Deno.statSync(part).size, 1000);
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
    assert.deepEqual(filesIn(directory), ["a.part"], "nobody could clean up");
    using pending = new PendingFile(part);
    assert.equal(Deno.statSync(part).size, 0);
    pending.file.write(Uint8Array.of(7), 0);
    pending.finish(path);
    assert.deepEqual(filesIn(directory), ["a"]);
    assert.deepEqual(Deno.readFileSync(path), Uint8Array.of(7));
  }));

Deno.test("a link in the place of the file is replaced, and what it leads to stays", () =>
  inDirectory((directory) => {
    const part = `${directory}/a.part`;
    Deno.writeTextFileSync(`${directory}/precious`, "kept");
    Deno.symlinkSync(`${directory}/precious`, part);
    using pending = new PendingFile(part);
    pending.file.write(Uint8Array.of(7), 0);
    assert.equal(Deno.readTextFileSync(`${directory}/precious`), "kept");
  }));

Deno.test("a file that can't be made is refused with its name", () =>
  inDirectory((directory) => {
    const part = `${directory}/missing/a.part`;
    assert.throws(() => new PendingFile(part), (error) => {
      assert.ok(error instanceof FileError && error.message.includes(part), String(error));
      return true;
    });
  }));
