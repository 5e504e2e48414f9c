// Documents as text that survives mail (section 10).

import { createHash } from "node:crypto";

import { Refused } from "./refused.mjs";

const NAMES = {
  "host-request+jwt": "HOSTREQUEST",
  "host-certificate+jwt": "HOSTCERTIFICATE",
  "product+jwt": "PRODUCT",
};
const TEXT_MAX = 262144;
const TOKEN = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** The token of kind `typ` in a text: between its marks, or alone. It is not verified by this. */
export function readText(text, typ) {
  if ([...text].length > TEXT_MAX) throw new Refused("MALFORMED_DOCUMENT", "the text is too long");
  const plain = text.replace(/[\p{White_Space}>|\p{Cf}]/gu, "").replace(/[\p{Pd}\u2212]/gu, "-");
  if (!plain.includes("BEGINQUORATE")) return bare(plain);
  const found = new Set();
  for (const { name, body } of blocks(plain)) if (name === NAMES[typ]) found.add(tokenOf(body));
  if (found.size !== 1) throw new Refused("TEXT_FOREIGN", found.size ? "several different ones" : "another document");
  return [...found][0];
}

function bare(plain) {
  if (plain.includes("ENDQUORATE")) throw new Refused("TEXT_DAMAGED", "its BEGIN line is missing");
  if (!TOKEN.test(plain)) throw new Refused("TEXT_FOREIGN", "there is no document in it");
  return plain;
}

function* blocks(plain) {
  const [, ...parts] = plain.split("BEGINQUORATE");
  for (const part of parts) {
    const name = /^[A-Z]+(?=-)/.exec(part)?.[0];
    const end = name === undefined ? -1 : part.indexOf(`ENDQUORATE${name}`);
    if (end < 0) throw new Refused("TEXT_DAMAGED", "a mark is missing");
    yield { name, body: part.slice(name.length, end).replace(/^-+|-+$/g, "") };
  }
}

function tokenOf(body) {
  const [, data, checksum] = /^([A-Za-z0-9+/.]*)#([A-Za-z0-9+/]*)$/.exec(body) ?? [];
  if (data === undefined) throw new Refused("TEXT_DAMAGED", "foreign characters, or no checksum");
  const token = data.replaceAll("+", "-").replaceAll("/", "_");
  const wanted = createHash("sha256").update(token, "ascii").digest().subarray(0, 6).toString("base64");
  if (checksum !== wanted) throw new Refused("TEXT_DAMAGED", "a wrong checksum");
  return token;
}
