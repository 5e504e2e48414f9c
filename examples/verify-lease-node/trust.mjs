// How the publisher's keys are followed (section 3.7): each version of the key set is signed by a key of the one before.

import { importKeys, readDocument, readKeySet } from "./documents.mjs";
import { Refused } from "./refused.mjs";
import { signDocuments, signNext } from "./shapes.mjs";

/** Where everybody begins: the publisher.jwks (bytes) that shipped. A state is `{version, keys, retired}`. */
export async function shipped(jwks) {
  const { version, keys } = await readKeySet(jwks);
  return { version, keys, retired: [] };
}

/** The state at the end of a chain that holds every trust document there ever was, version 2 first. */
export async function followChain(state, chain) {
  if (chain.length + 1 < state.version) {
    throw new Refused("TRUST_OUTDATED", `the chain ends with version ${chain.length + 1}, known is ${state.version}`);
  }
  let reached = state;
  for (const token of chain.slice(state.version - 1)) reached = await followOne(reached, token);
  return reached;
}

async function followOne(state, token) {
  const { version, keys } = await readSigned(token, "trust+jwt", signNext(state.keys), state);
  if (version <= state.version) throw new Refused("TRUST_OUTDATED", `version ${version} is known already`);
  if (version !== state.version + 1) throw new Refused("TRUST_GAP", `version ${version} after ${state.version}`);
  const present = new Set(keys.map(({ x }) => x));
  const retired = [...state.retired, ...state.keys].filter(({ x }) => !present.has(x));
  return { version, keys, retired };
}

/** The claims of a document that one of `allowed` signed; tells a wrong role and a dropped key from a stranger. */
export async function readSigned(token, typ, allowed, state) {
  const kids = [state.keys, state.retired].map(async (jwks) => [...(await importKeys(jwks)).keys()]);
  const [present, retired] = await Promise.all(kids);
  try {
    return await readDocument(token, typ, await importKeys(allowed));
  } catch (fault) {
    if (fault.code !== "UNKNOWN_PUBLISHER") throw fault;
    if (present.includes(fault.kid)) throw new Refused("KEY_ROLE", `${fault.kid} may not sign a ${typ}`);
    if (retired.includes(fault.kid)) throw new Refused("RETIRED_KEY", `${fault.kid} is not used any more`);
    throw fault;
  }
}

export const issuingKids = async ({ keys }) => [...(await importKeys(signDocuments(keys))).keys()];

export const nextKids = async ({ keys }) => [...(await importKeys(signNext(keys))).keys()];
