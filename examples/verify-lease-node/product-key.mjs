// Product keys and the proof that a host holds one (section 9).

import { createHash, createHmac } from "node:crypto";

import { toBase64url } from "./base64url.mjs";
import { Refused } from "./refused.mjs";

const ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

const hash = (mark, key) => createHash("sha256").update(mark + key, "ascii").digest();

// Every dash, every space, tab and line break, and the marks nobody sees.
const BETWEEN = /[\t\n\r\u2212\p{Pd}\p{Zs}\p{Cf}]/gu;

/** The symbols in what was typed, their check digit right; undefined where they are none, or not so many. */
export function readSymbols(typed, length) {
  const symbols = typed.replace(BETWEEN, "").replace(/[a-z]/g, (letter) => letter.toUpperCase());
  const values = [...symbols].map((symbol) => ALPHABET.indexOf(symbol));
  const sum = values.reduce((total, value, at) => total + (at + 1) * value, 0);
  return values.includes(-1) || values.length !== length || sum % 31 !== 0 ? undefined : symbols;
}

export const inGroups = (symbols) => symbols.match(/.{5}/g).join("-");

/** The key in what was typed: any case, with or without dashes and white space. */
export function readProductKey(typed) {
  const symbols = readSymbols(typed, 25);
  if (!symbols?.startsWith("QH")) throw new Refused("PRODUCT_KEY_INVALID", "this is no host key");
  return inGroups(symbols);
}

export const keyId = (key) => toBase64url(hash("quorate-host-key-id:", key).subarray(0, 12));

export const verifier = (key) => hash("quorate-host-key-verifier:", key);

export function keyProof(key, hostId, thumbprint, requestId) {
  const said = `quorate-host-key-proof:${hostId}:${thumbprint}:${requestId}`;
  return toBase64url(createHmac("sha256", verifier(key)).update(said, "ascii").digest());
}
