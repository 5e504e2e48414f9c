// Signed documents (section 3): whose they are is proven before what they say is read. The signature itself, the key
// and its thumbprint are the jose library's.

import "./node18.mjs";
import { calculateJwkThumbprint, compactVerify, importJWK } from "jose";

import { fromBase64url } from "./base64url.mjs";
import { Refused } from "./refused.mjs";
import { check, documents, header as headerShape, jwkSet, signDocuments } from "./shapes.mjs";
import { parseStrict } from "./strict-json.mjs";

const HEADER_MAX = 512; // characters in base64url
const P = 2n ** 255n - 19n;
const ORDER_8_Y = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const SMALL_ORDER_Y = [0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y]; // anybody can sign under these

/** A value that the code names `MALFORMED_DOCUMENT` where making it throws anything. */
function wellFormed(what, make) {
  try {
    return make();
  } catch (fault) {
    throw new Refused("MALFORMED_DOCUMENT", `${what}: ${fault.message}`);
  }
}

/** Bytes as strict JSON of this shape. */
export function readJson(bytes, shape, what, options = {}) {
  return wellFormed(what, () => check(shape, parseStrict(bytes, options)));
}

/** The publisher's JWK Set: `{version, keys}`, each of which is a key. */
export async function readKeySet(bytes) {
  const set = readJson(bytes, jwkSet, "the JWK Set");
  await importKeys(set.keys);
  return set;
}

/** Those of the publisher's JWK Set that may sign documents, as a map from thumbprint to key. */
export async function readKeys(bytes) {
  return importKeys(signDocuments((await readKeySet(bytes)).keys));
}

/** JWKs as a map from thumbprint to key. */
export async function importKeys(jwks) {
  return new Map(await Promise.all(jwks.map(importKey)));
}

/** `[thumbprint, key]` of one public JWK. */
export async function importKey(jwk) {
  wellFormed("a public key", () => {
    const bytes = fromBase64url(jwk.x);
    const y = BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`) & (2n ** 255n - 1n);
    if (y >= P || SMALL_ORDER_Y.includes(y)) throw new Error("not a key that only its owner can sign with");
  });
  const { kty, crv, x } = jwk;
  const thumbprint = await calculateJwkThumbprint({ kty, crv, x }, "sha256");
  if (jwk.kid !== undefined && jwk.kid !== thumbprint) {
    throw new Refused("MALFORMED_DOCUMENT", "a public key: its kid is not its thumbprint");
  }
  try {
    return [thumbprint, await importJWK({ kty, crv, x }, "Ed25519")];
  } catch (fault) {
    throw new Refused("MALFORMED_DOCUMENT", `a public key: ${fault.message}`);
  }
}

/** The kind that a token says it is, unproven; undefined when it is no token. */
export function typOf(token) {
  try {
    return check(headerShape, parseStrict(fromBase64url(token.split(".", 1)[0]))).typ;
  } catch {
    return undefined;
  }
}

/** The claims of a document of kind `typ` that one of `keys` signed. */
export async function readDocument(token, typ, keys) {
  const { header, payload } = split(token, typ);
  const key = keys.get(header.kid);
  if (key === undefined) {
    throw Object.assign(new Refused("UNKNOWN_PUBLISHER", `the ${typ} is signed by ${header.kid}`), { kid: header.kid });
  }
  await verify(token, typ, key);
  const claims = readJson(payload, documents[typ].shape, `the ${typ}`);
  await importKeys([...(claims.cnf === undefined ? [] : [claims.cnf.jwk]), ...(claims.keys ?? [])]); // each of them is one
  return claims;
}

/** A host request brings its own key: its signature proves possession of that key, and nothing else. */
export async function readHostRequest(token) {
  const typ = "host-request+jwt";
  const { header, payload } = split(token, typ);
  const claims = readJson(payload, documents[typ].shape, `the ${typ}`);
  const [thumbprint, key] = await importKey(claims.jwk);
  if (header.kid !== thumbprint) throw new Refused("BAD_SIGNATURE", "the kid is not that of the key inside");
  await verify(token, typ, key);
  return claims;
}

function split(token, typ) {
  return wellFormed(`the ${typ}`, () => {
    if (token.length > documents[typ].max) throw new Error("it is too long");
    const parts = token.split(".");
    if (parts.length !== 3) throw new Error("it is no compact JWS");
    if (parts[0].length > HEADER_MAX) throw new Error("its header is too long");
    const [head, payload, signature] = parts.map(fromBase64url);
    if (signature.length !== 64) throw new Error("its signature has not 64 bytes");
    const header = check(headerShape, parseStrict(head));
    if (header.typ !== typ) throw new Error(`this is a ${header.typ}`);
    return { header, payload };
  });
}

async function verify(token, typ, key) {
  try {
    await compactVerify(token, key, { algorithms: ["Ed25519"] });
  } catch {
    throw new Refused("BAD_SIGNATURE", `the signature of the ${typ} is not right`);
  }
}
