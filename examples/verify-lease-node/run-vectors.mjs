// Runs vectors: `node run-vectors.mjs FOLDER`. One JSON line each with what came out; ends with 1 when that is not what
// the vector expects.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { acceptAnswer, checkStoredLease, linkOf, loadAnchor, questionKey, renewalWindow } from "./chain.mjs";
import { fromBase64url, toBase64url } from "./base64url.mjs";
import { clockAfter, toldWait } from "./clock.mjs";
import { readDocument, readHostRequest, readKeys } from "./documents.mjs";
import { checkEnrolment, enrolmentKey, readEnrolmentSecret } from "./enrolment.mjs";
import { acceptList, checkNotRevoked, readIssued } from "./revocations.mjs";
import { readText } from "./texts.mjs";
import { followChain, issuingKids, nextKids, shipped } from "./trust.mjs";
import { keyId, keyProof, readProductKey, verifier } from "./product-key.mjs";
import { Refused } from "./refused.mjs";
import { readActivation, readHostDescription, readProbeResult, readProblem, readRequest } from "./requests.mjs";

const bodyOf = (input) =>
  input.body === undefined ? Buffer.from(input.body_base64url, "base64url") : Buffer.from(input.body, "utf8");

const jwksOf = (input) => Buffer.from(JSON.stringify(input.keys), "utf8");

const told = async (state) => ({
  version: state.version,
  kids: await issuingKids(state),
  next_kids: await nextKids(state),
});

const DO = {
  "jwk-set": async ({ text }) => told(await shipped(Buffer.from(text, "utf8"))),
  "trust-chain": async (input) => told(await followChain(await shipped(jwksOf(input)), input.chain)),
  "revocation-list": async (input) => ({
    claims: await acceptList(input.held, input.offered, await shipped(jwksOf(input))),
  }),
  revoked: async (input) => {
    const state = await shipped(jwksOf(input));
    const certificate = await readIssued(input.host_certificate, "host-certificate+jwt", state);
    const list = await readIssued(input.revocations, "revocations+jwt", state);
    await checkNotRevoked(certificate, input.at_s, list);
    return {};
  },
  text: async ({ typ, text }) => ({ token: readText(text, typ) }),
  document: async (input) => ({
    claims:
      input.typ === "host-request+jwt"
        ? await readHostRequest(input.token)
        : await readDocument(input.token, input.typ, await readKeys(jwksOf(input))),
  }),
  answer: async (input) =>
    acceptAnswer(bodyOf(input), input.question, await loadAnchor(jwksOf(input), input.product), input.now_s),
  "stored-lease": async (input) => ({
    claims: await checkStoredLease(
      input.lease,
      input.host_certificate,
      input.question,
      await loadAnchor(jwksOf(input), input.product),
    ),
  }),
  request: async (input) => ({ claims: readRequest(bodyOf(input)) }),
  problem: async (input) => ({ claims: readProblem(bodyOf(input)) }),
  "product-key": async ({ typed }) => {
    const key = readProductKey(typed);
    return { key, key_id: keyId(key), verifier: toBase64url(verifier(key)), last_five: key.slice(-5) };
  },
  "key-proof": async (input) => ({
    key_proof: keyProof(input.key, input.host_id, input.thumbprint, input.request_id),
  }),
  "retry-after": async (input) => ({
    wait_s: toldWait(input.retry_after_s, input.told_to_wait, input.interval_min_s),
  }),
  clock: async (input) => clockAfter(input.shown_s, input.proven_s, input.clock_tolerance_s),
  "renewal-window": async (input) => renewalWindow(input.iat, input.renewal_min, input.validity_s),
  "probe-result": async (input) => ({ claims: readProbeResult(bodyOf(input)) }),
  "host-description": async (input) => ({ claims: readHostDescription(bodyOf(input)) }),
  activation: async (input) => ({ claims: readActivation(bodyOf(input)) }),
  "enrolment-secret": async ({ typed }) => {
    const secret = readEnrolmentSecret(typed);
    return { secret, key: toBase64url(enrolmentKey(secret)) };
  },
  enrolment: async (input) => {
    checkEnrolment(readRequest(bodyOf(input)), input.secrets);
    return {};
  },
  "question-key": async ({ secret, cmid, nonce }) => questionKey(fromBase64url(secret), cmid, nonce),
  link: async ({ cmid, nonce }) => ({ link: linkOf(cmid, nonce) }),
};

async function outcomeOf(vector) {
  try {
    return { outcome: "valid", ...(await DO[vector.kind](vector.input)) };
  } catch (fault) {
    if (fault instanceof Refused) return { outcome: "invalid", code: fault.code };
    return { outcome: "broken", why: String(fault.stack) }; // a fault of this program, never an answer
  }
}

function agrees({ expected }, outcome) {
  if (expected.outcome === "valid") return isDeepStrictEqual(outcome, expected);
  return outcome.outcome === "invalid" && expected.codes.includes(outcome.code);
}

async function* vectorsIn(folder) {
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* vectorsIn(path);
    else if (entry.name.endsWith(".json")) yield JSON.parse(await readFile(path, "utf8"));
  }
}

let run = 0;
let wrong = 0;
for await (const vector of vectorsIn(process.argv[2] ?? "../../spec/vectors")) {
  const outcome = await outcomeOf(vector);
  const right = agrees(vector, outcome);
  run += 1;
  if (!right) wrong += 1;
  process.stdout.write(`${JSON.stringify({ name: vector.name, agrees: right, outcome })}\n`);
}
process.stderr.write(`${run - wrong} of ${run} vectors agree\n`);
process.exitCode = wrong || !run ? 1 : 0;
