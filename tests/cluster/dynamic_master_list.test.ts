import assert from "node:assert/strict";
import { openDynamicMasterList } from "../../nodes/cluster/dynamic_master_list.ts";
import { MasterList } from "../../nodes/cluster/master_list.ts";
import { ConfigurationError } from "../../nodes/errors.ts";
import { createNodeHost } from "../../nodes/host/node.ts";

const A = { host: "127.0.0.1", port: 10000 };
const B = { host: "::1", port: 10001 };

async function inDirectory(test: (path: string, logged: string[]) => void): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    test(`${directory}/masters.json`, []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function hostThatLogs(logged: string[]) {
  return createNodeHost({ log: { log: (_level, _module, text) => logged.push(text) } });
}

Deno.test("a list that does not exist is created empty, and keeps what is learnt", async () => {
  await inDirectory((path) => {
    const masters = new MasterList([A]);
    openDynamicMasterList(hostThatLogs([]), path, masters);
    assert.deepEqual(JSON.parse(Deno.readTextFileSync(path)), []);
    masters.add(B);
    assert.deepEqual(JSON.parse(Deno.readTextFileSync(path)), [["127.0.0.1", 10000], [
      "::1",
      10001,
    ]]);
    masters.remove(A);
    assert.deepEqual(JSON.parse(Deno.readTextFileSync(path)), [["::1", 10001]]);
    const again = new MasterList([A]);
    openDynamicMasterList(hostThatLogs([]), path, again);
    assert.deepEqual(again.addresses, [A, B]);
  });
});

Deno.test("what is no list of masters is refused", async () => {
  await inDirectory((path) => {
    const bad = ["", "{}", "[1]", '[["a"]]', '[["", 1]]', '[["a", "1"]]', '[["a", 65536]]'];
    for (const text of bad) {
      Deno.writeTextFileSync(path, text);
      assert.throws(
        () => openDynamicMasterList(hostThatLogs([]), path, new MasterList([A])),
        ConfigurationError,
      );
      assert.equal(Deno.readTextFileSync(path), text, "it is left as it is");
    }
  });
});

Deno.test("a list that can't be created is an error at once, later it is only logged", async () => {
  await inDirectory((path) => {
    assert.throws(
      () => openDynamicMasterList(hostThatLogs([]), `${path}/none`, new MasterList([A])),
      ConfigurationError,
    );
    const logged: string[] = [];
    const masters = new MasterList([A]);
    openDynamicMasterList(hostThatLogs(logged), path, masters);
    Deno.removeSync(path);
    Deno.mkdirSync(path);
    masters.add(B);
    assert.deepEqual(masters.addresses, [A, B]);
    assert.equal(logged.filter((line) => line.includes("not saved")).length, 1);
  });
});
