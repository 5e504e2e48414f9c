// What a client believes, and why (section 6): publisher's key -> host certificate -> lease.

import { createHash, createHmac } from "node:crypto";

import { toBase64url } from "./base64url.mjs";
import { importKey, readDocument, readJson, readKeys, typOf } from "./documents.mjs";
import { Refused } from "./refused.mjs";
import { answer as answerShape } from "./shapes.mjs";

const ANSWER_BYTES_MAX = 65536;

/** What ships with the software: the publisher's keys (bytes of a JWK Set) and the product file they signed. */
export async function loadAnchor(jwks, productToken) {
  const keys = await readKeys(jwks);
  return { keys, product: await readDocument(productToken.trim(), "product+jwt", keys) };
}

/** The lease or refusal in the body of a host's answer: `{typ, claims}`. `question` has cmid, edition, nonce. */
export async function acceptAnswer(body, question, anchor, now) {
  if (body.length > ANSWER_BYTES_MAX) throw new Refused("MALFORMED_DOCUMENT", "the answer is too large");
  const answer = readJson(body, answerShape, "the answer");
  const certificate = await readDocument(answer.host_certificate, "host-certificate+jwt", anchor.keys);
  const typ = typOf(answer.answer) === "refusal+jwt" ? "refusal+jwt" : "lease+jwt";
  const claims = await readSaid(answer.answer, typ, certificate);
  checkQuestion(claims, question, certificate);
  if (typ === "refusal+jwt") {
    // A client that is told its clock is wrong cannot judge the certificate by that clock.
    checkInForce(certificate, anchor, claims.code === "CLOCK_SKEW" ? claims.iat : now);
    return { typ, claims };
  }
  checkInForce(certificate, anchor, now);
  if (Math.abs(claims.iat - now) > anchor.product.policy.clock_tolerance_s) {
    throw new Refused("CLOCK_SKEW", `the lease is of ${claims.iat}, now is ${now}`);
  }
  checkLease(claims, certificate, anchor);
  if (claims.exp <= now) throw new Refused("LEASE_EXPIRED", "the lease has ended");
  return { typ, claims };
}

/** A lease that was accepted once, read again. Whether it still runs (`exp`) is for the caller to see. */
export async function checkStoredLease(leaseToken, certificateToken, question, anchor) {
  const certificate = await readDocument(certificateToken, "host-certificate+jwt", anchor.keys);
  const claims = await readSaid(leaseToken, "lease+jwt", certificate);
  checkQuestion(claims, question, certificate);
  checkLease(claims, certificate, anchor);
  return claims;
}

/** When a lease is to be renewed, as a host that is not busy says it (section 7). */
export function renewalWindow(iat, renewalMin, validity) {
  const interval = Math.min(renewalMin * 60, Math.floor(validity / 2));
  return { renew_from_s: iat + interval - Math.floor(interval / 20), renew_until_s: iat + interval };
}

/** The lineage link of the lease that answers this nonce (section 7). */
export function linkOf(cmid, nonce) {
  return toBase64url(createHash("sha256").update(`quorate-link:${cmid}:${nonce}`, "ascii").digest().subarray(0, 16));
}

/** The key of a question, and the commit that hides it (section 7). */
export function questionKey(secret, cmid, nonce) {
  const key = createHmac("sha256", secret).update(`quorate-question:${cmid}:${nonce}`, "ascii").digest().subarray(0, 16);
  const commit = createHash("sha256").update("quorate-commit:", "ascii").update(key).digest().subarray(0, 16);
  return { key: toBase64url(key), commit: toBase64url(commit) };
}

async function readSaid(token, typ, certificate) {
  const [thumbprint, key] = await importKey(certificate.cnf.jwk);
  try {
    return await readDocument(token, typ, new Map([[thumbprint, key]]));
  } catch (fault) {
    // The certificate names the one key that may sign here.
    if (fault.code === "UNKNOWN_PUBLISHER") throw new Refused("BAD_SIGNATURE", "signed by another key");
    throw fault;
  }
}

function checkQuestion(said, question, certificate) {
  const same =
    said.nonce === question.nonce &&
    said.sub === question.cmid &&
    said.edition === question.edition &&
    said.iss === certificate.sub;
  if (!same) throw new Refused("ANSWER_MISMATCH", "the answer is for another question, or from another host");
}

function checkInForce(certificate, { product }, at) {
  if (at >= certificate.exp) throw new Refused("HOST_CERTIFICATE_EXPIRED", "the host certificate has ended");
  if (certificate.iat > at + product.policy.clock_tolerance_s) {
    throw new Refused("HOST_CERTIFICATE_NOT_YET_VALID", "the host certificate begins later");
  }
  if (!certificate.groups.includes(product.group)) {
    throw new Refused("PRODUCT_NOT_COVERED", `the host certificate does not name group ${product.group}`);
  }
}

function checkLease(lease, certificate, anchor) {
  checkInForce(certificate, anchor, lease.iat);
  const { policy, editions } = anchor.product;
  const edition = editions.find(({ id }) => id === lease.edition);
  if (edition === undefined) throw new Refused("NOT_KNOWN", `the product has no edition ${lease.edition}`);
  const validity = edition.class === "ephemeral" ? policy.ephemeral_validity_s : policy.activation_validity_s;
  const rules = {
    "it was given below the threshold": isEnough(lease, policy.thresholds[edition.class]),
    "it lasts longer than an activation": lease.iat < lease.exp && lease.exp <= lease.iat + validity,
    "its renewal window contradicts its renewal interval":
      lease.iat <= lease.renew_from_s &&
      lease.renew_from_s <= lease.renew_until_s &&
      lease.renew_until_s <= lease.iat + lease.intervals.renewal_min * 60,
    "it ends before it may be renewed": lease.renew_until_s <= lease.exp,
    "its link is not that of this answer": lease.link === linkOf(lease.sub, lease.nonce),
  };
  for (const [why, holds] of Object.entries(rules)) if (!holds) throw new Refused("LEASE_INVALID", why);
}

/** Enough machines; or fewer, and all that the policy's soft threshold demands: section 6, step 5. */
function isEnough({ count, iat, full_s: full }, { minimum, soft }) {
  if (full === undefined) return count >= minimum;
  if (soft === undefined || count >= minimum) return false;
  return count >= soft.minimum && full <= iat && iat < full + soft.lasts_s;
}
