/** The grammar of cluster URLs. */

import assert from "node:assert/strict";
import { InvalidUrlError } from "../../mod.ts";
import { parseClusterUrl } from "../../nodes/client/url.ts";

Deno.test("a URL names a cluster, its masters and options", () => {
  assert.deepEqual(parseClusterUrl("neo://main@127.0.0.1:10000"), {
    secure: false,
    cluster: "main",
    masters: [{ host: "127.0.0.1", port: 10000 }],
  });
  assert.deepEqual(
    parseClusterUrl(
      "neos://a b@[::1]:1,host:2?compress=false&READ-ONLY=on&cache_size=3MB" +
        "&dynamic_master_list=/var/masters&ca=/a%20b&cert=c&key=k",
    ),
    {
      secure: true,
      cluster: "a b",
      masters: [{ host: "::1", port: 1 }, { host: "host", port: 2 }],
      compress: false,
      readOnly: true,
      cacheBytes: 3 << 20,
      dynamicMasterList: "/var/masters",
      ca: "/a b",
      cert: "c",
      key: "k",
    },
  );
});

Deno.test("options are read as zodburi reads them", () => {
  const option = (query: string) => parseClusterUrl(`neo://n@h:1?${query}`);
  assert.equal(option("compress=zlib").compress, true);
  assert.equal(option("compress=zlib=3").compress, 3);
  assert.equal(option("compress=Yes").compress, true);
  assert.equal(option("read_only=FALSE").readOnly, false);
  assert.equal(option("cache-size=20").cacheBytes, 20);
  assert.equal(option("cache_size=1Kb").cacheBytes, 1024);
  assert.equal(option("cache_size=2gb").cacheBytes, 2 * 1024 ** 3);
  assert.deepEqual(option("").masters, [{ host: "h", port: 1 }]);
});

Deno.test("what is wrong with a URL is said in one line", () => {
  const wrong: [string, RegExp][] = [
    ["", /expected a URL that begins with neo:\/\/ or neos:\/\//],
    ["zeo://n@h:1", /begins with neo/],
    ["neo://h:1", /expected the cluster's name and an @/],
    ["neo://@h:1", /expected a name before the @/],
    ["neo://n@", /expected masters as host:port/],
    ["neo://n@h:1,", /expected masters as host:port/],
    ["neo://n@h", /expected a port for each master/],
    ["neo://n@h:0", /expected a port for each master/],
    ["neo://n@h:99999", /expected masters as host:port/],
    ["neo://n@h:1/path", /expected no path/],
    ["neo://n@h:1/", /expected no path/],
    ["neo://n@h:1#fragment", /expected no fragment/],
    ["neo://n@h:1?ca=a&cert=c", /all three of ca, cert and key or none/],
    ["neo://n@h:1?colour=red", /expected the options compress, .*, found "colour"/],
    ["neo://n@h:1?toString=1", /found "toString"/],
    ["neo://n@h:1?compress=zlib=0", /expected a level from 1 to 9, found "0"/],
    ["neo://n@h:1?compress=best", /expected true or false, found "best"/],
    ["neo://n@h:1?read_only=1", /expected true or false, found "1"/],
    ["neo://n@h:1?read_only=toString", /expected true or false/],
    ["neo://n@h:1?read_only=", /expected a value of read_only/],
    ["neo://n@h:1?read_only=true&read-only=true", /expected read-only once/],
    ["neo://n@h:1?cache_size=20XB", /expected bytes such as 20MB, found "20XB"/],
    ["neo://n@h:1?cache_size=-1", /expected bytes such as 20MB/],
    ["neo://n@h:1?cache_size=99999999999GB", /expected bytes such as 20MB/],
  ];
  for (const [url, message] of wrong) {
    assert.throws(() => parseClusterUrl(url), (error) => {
      assert.ok(error instanceof InvalidUrlError, url);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  }
});
