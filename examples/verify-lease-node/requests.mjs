// What a host takes as a question (section 4), and what a client takes as a problem (section 8).

import { readJson } from "./documents.mjs";
import { Refused } from "./refused.mjs";
import { activation, check, hostDescription, probeResult, problem, request } from "./shapes.mjs";
import { parseStrict } from "./strict-json.mjs";

const BODY_BYTES_MAX = 4096;
const VERSION_MAX = 1000000;

/** An activation request, what was left out filled in. */
export function readRequest(body) {
  if (body.length > BODY_BYTES_MAX) throw new Refused("REQUEST_TOO_LARGE", `more than ${BODY_BYTES_MAX} bytes`);
  let said;
  try {
    said = parseStrict(body, { anyNumber: true }); // a later version may have them
    return check(request, said);
  } catch (fault) {
    if (Number.isInteger(said?.v) && said.v >= 0 && said.v <= VERSION_MAX && said.v !== 1) {
      throw new Refused("UNSUPPORTED_VERSION", `version ${said.v} is not known here`);
    }
    throw new Refused("MALFORMED_REQUEST", fault.message);
  }
}

/** Problem details. A client believes nothing of them but the waiting time. */
export const readProblem = (body) => readJson(body, problem, "the problem", { anyNumber: true });

/** What a probe is answered (section 4): it proves nothing. */
export const readProbeResult = (body) => readJson(body, probeResult, "the probe result");

/** How a host describes itself (section 4): the certificate in it alone proves something. */
export const readHostDescription = (body) => readJson(body, hostDescription, "the description");

/** A publisher's answer to a host request (section 11): every document in it is to be read for itself. */
export const readActivation = (body) => readJson(body, activation, "the activation");
