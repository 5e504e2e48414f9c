// What a host takes as a question (section 4), and what a client takes as a problem (section 8).

import { readJson } from "./documents.mjs";
import { Refused } from "./refused.mjs";
import { check, problem, request } from "./shapes.mjs";
import { parseStrict } from "./strict-json.mjs";

const BODY_BYTES_MAX = 4096;

/** An activation request, what was left out filled in. */
export function readRequest(body) {
  if (body.length > BODY_BYTES_MAX) throw new Refused("REQUEST_TOO_LARGE", `more than ${BODY_BYTES_MAX} bytes`);
  let said;
  try {
    said = parseStrict(body);
    return check(request, said);
  } catch (fault) {
    if (Number.isInteger(said?.v) && said.v >= 0 && said.v !== 1) {
      throw new Refused("UNSUPPORTED_VERSION", `version ${said.v} is not known here`);
    }
    throw new Refused("MALFORMED_REQUEST", fault.message);
  }
}

/** Problem details. A client believes nothing of them but the waiting time. */
export const readProblem = (body) => readJson(body, problem, "the problem");
