import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readCertificate } from "../../nodes/host/certificates.ts";
import { readRevocationList, revocationProblem } from "../../nodes/host/crl.ts";
import { DerError, DerReader, oidText, readTime, TAG } from "../../nodes/host/der.ts";
import { Authority, readIdentityFiles } from "../support/authority.ts";

const DAY_MS = 86_400_000;

async function makeLists() {
  const directory = await Deno.makeTempDir({ prefix: "neo_crl_" });
  try {
    const authority = await Authority.create(directory);
    const { ca, cert } = readIdentityFiles(await authority.issue("node"));
    const revoked = await authority.issue("revoked");
    await authority.revoke(revoked);
    return {
      authority: new X509Certificate(ca),
      good: new X509Certificate(cert),
      revoked: new X509Certificate(readIdentityFiles(revoked).cert),
      list: derOf(await authority.revocationList()),
      partial: derOf(await authority.revocationList({ partial: true })),
    };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function derOf(pem: string): Uint8Array {
  return Uint8Array.from(atob(pem.replace(/-----[^-]*-----|\s/g, "")), (c) => c.charCodeAt(0));
}

const made = await makeLists();

function problem(certificate: X509Certificate, list: Uint8Array, nowMs = Date.now()) {
  const names = readCertificate(certificate.raw);
  return revocationProblem(names, made.authority, [readRevocationList(list)], nowMs);
}

Deno.test("CRL: a list says who is revoked, and from when until when it holds", () => {
  const list = readRevocationList(made.list);
  const numbers = [...list.revoked].map((serial) => BigInt(`0x${serial}`));
  assert.deepEqual(numbers, [BigInt(`0x${made.revoked.serialNumber}`)]);
  assert.equal(list.nextUpdateMs - list.thisUpdateMs, 30 * DAY_MS);
  assert.ok(Math.abs(list.thisUpdateMs - Date.now()) < DAY_MS);
  assert.ok(list.isSignedWith(made.authority.publicKey));
  assert.ok(!list.isSignedWith(made.good.publicKey));
  assert.equal(problem(made.good, made.list), null);
  assert.match(problem(made.revoked, made.list) ?? "", /is revoked$/);
});

Deno.test("CRL: a list holds neither before nor after its time", () => {
  const soon = Date.now() - 2 * DAY_MS;
  assert.match(problem(made.good, made.list, soon) ?? "", /is not valid before/);
  const late = Date.now() + 31 * DAY_MS;
  assert.match(problem(made.good, made.list, late) ?? "", /has expired on/);
});

Deno.test("CRL: a part of a list proves nothing", () => {
  assert.match(problem(made.good, made.partial) ?? "", /not supported \(partial or indirect\)$/);
});

Deno.test("CRL: a changed list is not signed, or is none", () => {
  let unsigned = 0;
  for (let at = 0; at < made.list.length; at++) {
    const changed = made.list.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    try {
      const list = readRevocationList(changed);
      assert.ok(!list.isSignedWith(made.authority.publicKey), `byte ${at}`);
      unsigned++;
    } catch (error) {
      assert.ok(error instanceof DerError, `byte ${at}: ${error}`);
    }
  }
  assert.ok(unsigned > made.list.length / 2);
});

Deno.test("CRL: certificates and lists that are cut off or followed by more are no such", () => {
  for (const [der, read] of [[made.list, readRevocationList], [made.good.raw, readCertificate]]) {
    assert.ok(der instanceof Uint8Array && typeof read === "function");
    for (let length = 0; length < der.length; length++) {
      assert.throws(() => read(der.subarray(0, length)), DerError);
    }
    assert.throws(() => read(Uint8Array.of(...der, 0)), DerError);
  }
});

Deno.test("DER: lengths have one form only", () => {
  const sizes: [number[], number | null][] = [
    [[0x04, 0x01, 0xaa], 1],
    [[0x04, 0x81, 0x80, ...Array(128).fill(0)], 128],
    [[0x04, 0x82, 0x01, 0x00, ...Array(256).fill(0)], 256],
    [[0x04, 0x81, 0x01, 0xaa], null],
    [[0x04, 0x82, 0x00, 0x80, ...Array(128).fill(0)], null],
    [[0x04, 0x80, 0x00, 0x00], null],
    [[0x04, 0x85, 0, 0, 0, 0, 1, 0xaa], null],
    [[0x04, 0x02, 0xaa], null],
    [[0x1f, 0x01, 0x00], null],
  ];
  for (const [bytes, length] of sizes) {
    const read = () => new DerReader(Uint8Array.from(bytes)).next().content.length;
    if (length === null) assert.throws(read, DerError);
    else assert.equal(read(), length);
  }
});

Deno.test("DER: times of both kinds, and object identifiers", () => {
  const time = (tag: number, text: string) => {
    const content = new TextEncoder().encode(text);
    return readTime({ tag, content, whole: content });
  };
  assert.equal(time(TAG.utcTime, "491231235959Z"), Date.UTC(2049, 11, 31, 23, 59, 59));
  assert.equal(time(TAG.utcTime, "500101000000Z"), Date.UTC(1950, 0, 1));
  assert.equal(time(TAG.generalizedTime, "20500101000000Z"), Date.UTC(2050, 0, 1));
  for (const text of ["20500101000000Z", "4912312359Z", "491231235959+0100", ""]) {
    assert.throws(() => time(TAG.utcTime, text), DerError, text);
  }
  assert.throws(() => time(TAG.generalizedTime, "491231235959Z"), DerError);
  assert.equal(
    oidText(Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11)),
    "1.2.840.113549.1.1.11",
  );
  assert.equal(oidText(Uint8Array.of(0x55, 0x1d, 0x0f)), "2.5.29.15");
});
