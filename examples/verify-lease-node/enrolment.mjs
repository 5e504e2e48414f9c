// The enrolment secret of a site, and the proof in a request that a client knows it (section 12).

import { createHash, createHmac, timingSafeEqual } from "node:crypto";

import { toBase64url } from "./base64url.mjs";
import { inGroups, readSymbols } from "./product-key.mjs";
import { Refused } from "./refused.mjs";

/** The secret in what was typed, read as tolerantly as a product key. */
export function readEnrolmentSecret(typed) {
  const symbols = readSymbols(typed, 30);
  if (!symbols?.startsWith("QE")) throw new Refused("ENROLMENT_SECRET_INVALID", "this is no enrolment secret");
  return inGroups(symbols);
}

export const enrolmentKey = (secret) =>
  createHash("sha256").update(`quorate-enrolment-key:${secret}`, "ascii").digest();

/** The proof over a request in which what was left out is filled in. */
export function enrolmentProof(request, key) {
  const said = [
    "quorate-enrolment",
    request.v,
    request.edition,
    request.cmid,
    request.machine,
    request.status,
    request.time_s,
    request.nonce,
    request.expires_in_min,
    request.vm,
    request.previous_cmid ?? "",
    request.link ?? "",
    ...(request.commit === undefined ? [] : [`commit:${request.commit}`]),
    ...(request.reveals === undefined ? [] : [`reveals:${request.reveals.join(",")}`]),
  ].join("\n");
  return toBase64url(createHmac("sha256", key).update(said, "utf8").digest());
}

/** That whoever made the request knew one of these secrets. */
export function checkEnrolment(request, secrets) {
  if (request.enrolment === undefined) throw new Refused("ENROLMENT_REQUIRED", "the request has no proof");
  const proofs = secrets.map((secret) => Buffer.from(enrolmentProof(request, enrolmentKey(secret))));
  const given = Buffer.from(request.enrolment);
  if (!proofs.some((proof) => timingSafeEqual(proof, given))) {
    throw new Refused("ENROLMENT_WRONG", "the proof was made with another secret, or the request was changed");
  }
}
