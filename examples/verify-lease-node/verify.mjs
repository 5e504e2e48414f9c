// Verifies a KMS host's answer, or a lease that was stored, with nothing but what ships with the software.

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { acceptAnswer, checkStoredLease, loadAnchor } from "./chain.mjs";
import { Refused } from "./refused.mjs";

const HELP = `node verify.mjs --publisher FILE --product FILE --cmid UUID --edition ID --nonce NONCE
               (--answer FILE | --lease FILE --certificate FILE) [--now SECONDS]

  --publisher    publisher.jwks, the publisher's public keys
  --product      the product file
  --cmid, --edition, --nonce
                 what the client asked
  --answer       body of the host's answer
  --lease, --certificate
                 instead of an answer: a lease that was accepted earlier, and the certificate that came with it
  --now          seconds since 1970 UTC instead of this machine's clock

Prints what was verified as JSON. Ends with 0 for a lease, 3 for a refusal that the host signed, 1 when nothing is
proven or a stored lease has ended, 2 when it was called wrongly.

Example:
  node verify.mjs --publisher publisher.jwks --product acme-cad.product --answer answer.json \\
    --cmid 00000000-0000-4000-8000-000000000001 --edition acme-cad-pro --nonce "$NONCE"
`;

class Misuse extends Error {}

function options() {
  const names = ["publisher", "product", "cmid", "edition", "nonce", "answer", "lease", "certificate", "now"];
  let values;
  try {
    const known = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
    ({ values } = parseArgs({ options: { ...known, help: { type: "boolean" } } }));
  } catch (fault) {
    throw new Misuse(fault.message);
  }
  if (values.help) return values;
  const wanted = ["publisher", "product", "cmid", "edition", "nonce"];
  wanted.push(...(values.answer === undefined ? ["lease", "certificate"] : ["answer"]));
  const missing = wanted.filter((name) => values[name] === undefined);
  if (missing.length) throw new Misuse(`--${missing[0]} is missing`);
  if (values.now !== undefined && !/^[0-9]{1,12}$/.test(values.now)) throw new Misuse("--now is whole seconds");
  return values;
}

async function main() {
  const given = options();
  if (given.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { cmid, edition, nonce } = given;
  const question = { cmid, edition, nonce };
  const now = given.now === undefined ? Math.floor(Date.now() / 1000) : Number(given.now);
  const text = async (file) => (await readFile(file, "utf8")).trim();
  const anchor = await loadAnchor(await readFile(given.publisher), await text(given.product));
  if (given.answer !== undefined) {
    const { typ, claims } = await acceptAnswer(await readFile(given.answer), question, anchor, now);
    process.stdout.write(`${JSON.stringify({ typ, claims }, null, 2)}\n`);
    return typ === "lease+jwt" ? 0 : 3;
  }
  const claims = await checkStoredLease(await text(given.lease), await text(given.certificate), question, anchor);
  if (claims.exp <= now) throw new Refused("LEASE_EXPIRED", "the lease has ended");
  process.stdout.write(`${JSON.stringify({ typ: "lease+jwt", claims }, null, 2)}\n`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (fault) {
  if (fault instanceof Misuse) process.stderr.write(`error: ${fault.message}; fix: node verify.mjs --help\n`);
  else if (fault instanceof Refused) process.stderr.write(`error: ${fault.code}: ${fault.message}\n`);
  else process.stderr.write(`error: ${fault.message}\n`);
  process.exitCode = fault instanceof Misuse ? 2 : 1;
}
