// Who is no longer believed, and from when on (section 3.6).

import { isDeepStrictEqual } from "node:util";

import { importKey } from "./documents.mjs";
import { Refused } from "./refused.mjs";
import { signDocuments } from "./shapes.mjs";
import { readSigned } from "./trust.mjs";

/** The claims of a document that an issuing key of the publisher signs now. `state` is that of trust.mjs. */
export const readIssued = (token, typ, state) => readSigned(token, typ, signDocuments(state.keys), state);

/** The offered list, if it takes the place of the one that is held (null: none is). */
export async function acceptList(held, offered, state) {
  const fresh = await readIssued(offered, "revocations+jwt", state);
  if (held === null) return fresh;
  let known;
  try {
    known = await readIssued(held, "revocations+jwt", state);
  } catch (fault) {
    if (fault instanceof Refused) return fresh; // damaged, or of a dropped key: its number binds nobody
    throw fault;
  }
  if (fresh.number > known.number) return fresh;
  if (fresh.number === known.number && !isDeepStrictEqual(fresh, known)) {
    throw new Refused("LIST_CONFLICT", `two lists of number ${known.number}`);
  }
  throw new Refused("LIST_OUTDATED", `list ${fresh.number}, known is ${known.number}`);
}

/** Throws when a list (verified claims) says that a certificate's holder was not believed any more at `at`: for a new
 * answer the later one of now and its `iat`, for a stored lease its `iat`. */
export async function checkNotRevoked(certificate, at, list) {
  const [thumbprint] = await importKey(certificate.cnf.jwk);
  const named = {
    "host-key": certificate.key_id,
    host: certificate.sub,
    certificate: certificate.jti,
    "signing-key": thumbprint,
  };
  const found = list.entries.find(({ kind, id, since_s: since }) => named[kind] === id && since <= at);
  if (found) throw new Refused("HOST_REVOKED", found.reason);
}
