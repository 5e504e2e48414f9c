// What members a message has and what their values may be: sections 2, 3 and 4 as tables.

class ShapeError extends Error {}

/** `value`, if it has this shape; throws an Error that names the place otherwise. */
export function check(shape, value, place = "$") {
  return shape(value, place);
}

const no = (place, wanted) => {
  throw new ShapeError(`${place} is not ${wanted}`);
};

export const integer = (min, max) => (value, place) =>
  Number.isInteger(value) && value >= min && value <= max ? value : no(place, `an integer from ${min} to ${max}`);

export const boolean = (value, place) => (typeof value === "boolean" ? value : no(place, "true or false"));

export const text = (pattern, wanted) => (value, place) =>
  typeof value === "string" && pattern.test(value) ? value : no(place, wanted);

export const oneOf = (...allowed) => (value, place) =>
  allowed.includes(value) ? value : no(place, `one of ${allowed.join(", ")}`);

export const orNull = (shape) => (value, place) => (value === null ? null : shape(value, place));

export const list = (shape, min, max) => (value, place) =>
  Array.isArray(value) && value.length >= min && value.length <= max
    ? value.map((item, at) => shape(item, `${place}[${at}]`))
    : no(place, `a list of ${min} to ${max}`);

/** An object with exactly these members. `optional` ones may be left out; they then have the default given there. */
export const object = (required, optional = {}) => (value, place) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) no(place, "an object");
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(required, name) && !Object.hasOwn(optional, name)) no(`${place}.${name}`, "known");
  }
  for (const [name, shape] of Object.entries(required)) {
    if (!Object.hasOwn(value, name)) no(`${place}.${name}`, "there");
    shape(value[name], `${place}.${name}`);
  }
  const filled = { ...value };
  for (const [name, { shape, absent }] of Object.entries(optional)) {
    if (Object.hasOwn(value, name)) shape(value[name], `${place}.${name}`);
    else if (absent !== undefined) filled[name] = absent;
  }
  return filled;
};

export const also = (shape, rule, wanted) => (value, place) => {
  const checked = shape(value, place);
  return rule(checked) ? checked : no(place, wanted);
};

// --- section 2 -------------------------------------------------------------------------------------------------------

export const version1 = oneOf(1);
export const time = integer(0, 253402300799);
export const slug = text(/^[a-z0-9][a-z0-9._-]{0,63}$/, "a slug");
export const uuid = text(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, "a UUID");
export const nonce = text(/^[A-Za-z0-9_-]{21}[AQgw]$/, "16 bytes in base64url");
export const keyId = text(/^[A-Za-z0-9_-]{16}$/, "16 characters");
export const digest = text(/^[A-Za-z0-9_-]{43}$/, "43 characters");
const UNSHOWABLE = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069";
export const shown = text(new RegExp(`^[^${UNSHOWABLE}]{1,200}$`, "u"), "a text of 1 to 200 characters");
// Spaces, and what leaves no mark: of a machine name something is to be seen.
const BLANK =
  "\\u0020\\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5" +
  "\\u180b-\\u180f\\u200b-\\u200f\\u2060-\\u2065\\u206a-\\u206f\\u2800\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0" +
  "\\ufff0-\\ufffb\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}";
export const machine = text(
  new RegExp(`^(?=.{1,253}$)[${BLANK}]*[^${BLANK}${UNSHOWABLE}][^${UNSHOWABLE}]*$`, "u"),
  "a machine name",
);

// --- section 3 -------------------------------------------------------------------------------------------------------

export const header = object({
  alg: oneOf("Ed25519"),
  kid: digest,
  typ: text(/^.{1,64}$/, "a kind of document"),
});

const unique = (items) => new Set(items).size === items.length;

const keyMembers = { kty: oneOf("OKP"), crv: oneOf("Ed25519"), x: digest };
const keyOptions = { kid: { shape: digest }, alg: { shape: oneOf("Ed25519") }, use: { shape: oneOf("sig") } };
export const jwk = object(keyMembers, keyOptions);
const publisherJwk = object(keyMembers, { ...keyOptions, role: { shape: oneOf("root", "issuing") } });

/** Of a publisher's keys, those that may sign the next set. */
export const signNext = (keys) => {
  const hasRoot = keys.some(({ role }) => role === "root");
  return keys.filter(({ role }) => role === (hasRoot ? "root" : undefined));
};

/** Those that may sign everything else. */
export const signDocuments = (keys) => keys.filter(({ role }) => role !== "root");

const keys = also(
  list(publisherJwk, 1, 16),
  (all) => unique(all.map(({ x }) => x)) && signNext(all).length > 0 && signDocuments(all).length > 0,
  "a set of different keys that can go on and can sign documents",
);
export const jwkSet = object({ keys }, { version: { shape: integer(1, 1000), absent: 1 } });
const machineClass = oneOf("server", "client", "ephemeral");
const seconds = integer(0, 100 * 366 * 86400);
const HOUR = 3600;
const soft = object({ minimum: integer(1, 10000), lasts_s: integer(HOUR, 100 * 366 * 86400) });
const threshold = also(
  object({ minimum: integer(1, 10000), counts: list(oneOf("server", "client"), 1, 2) }, { soft: { shape: soft } }),
  (said) => unique(said.counts) && (said.soft === undefined || said.soft.minimum < said.minimum),
  "a threshold that names each class once, its soft one lower",
);
const policy = also(
  object({
    profile: slug,
    thresholds: object({ server: threshold, client: threshold, ephemeral: threshold }),
    activation_validity_s: seconds,
    ephemeral_validity_s: seconds,
    count_window_s: seconds,
    initial_grace_s: seconds,
    additional_grace_s: seconds,
    clock_tolerance_s: seconds,
    rearm_limit: integer(0, 1000),
    interval_min_s: seconds,
    interval_max_s: seconds,
  }),
  (said) =>
    Math.min(said.activation_validity_s, said.ephemeral_validity_s, said.count_window_s) >= HOUR &&
    60 <= said.interval_min_s &&
    said.interval_min_s <= said.interval_max_s &&
    said.interval_max_s <= 30 * 24 * HOUR,
  "a policy without contradictions",
);

const product = object({
  v: version1,
  iss: shown,
  iat: time,
  sub: slug,
  name: shown,
  group: slug,
  covers: list(slug, 0, 64),
  service: text(/^_[a-z0-9-]{1,15}\._tcp$/, "a DNS service label"),
  editions: also(
    list(object({ id: slug, name: shown, class: machineClass }), 1, 64),
    (editions) => unique(editions.map(({ id }) => id)),
    "a list of editions with different ids",
  ),
  policy,
});

const hostRequest = object({
  v: version1,
  iat: time,
  sub: uuid,
  jti: nonce,
  machine,
  jwk,
  key_id: keyId,
  key_proof: digest,
  last_five: text(/^[2-9A-Z]{5}$/, "five symbols"),
});

const hostCertificate = also(
  object({
    v: version1,
    iss: shown,
    iat: time,
    exp: time,
    sub: uuid,
    jti: nonce,
    request_id: nonce,
    customer: shown,
    groups: list(slug, 1, 64),
    key_id: keyId,
    cnf: object({ jwk }),
  }),
  ({ iat, exp }) => iat < exp,
  "a certificate that ends after it begins",
);

const trust = object({ v: version1, iss: shown, iat: time, version: integer(2, 1000), keys });

const IDS = { "host-key": keyId, host: uuid, certificate: nonce, "signing-key": digest };
const entryMembers = object({
  kind: oneOf(...Object.keys(IDS)),
  id: text(/^/, "a text"),
  since_s: time,
  reason: shown,
});
const entry = (value, place) => {
  const checked = entryMembers(value, place);
  IDS[checked.kind](checked.id, `${place}.id`);
  return checked;
};
const revocations = object({
  v: version1,
  iss: shown,
  iat: time,
  number: integer(1, Number.MAX_SAFE_INTEGER),
  entries: also(
    list(entry, 0, 10000),
    (entries) => unique(entries.map(({ kind, id }) => `${kind} ${id}`)),
    "a list of different entries",
  ),
});

const count = integer(0, 1000000);
const intervals = object({ activation_min: integer(1, 43200), renewal_min: integer(1, 43200) });
const said = { v: version1, iss: uuid, iat: time, sub: uuid, edition: slug, nonce, count, threshold: count, intervals };

export const documents = {
  "product+jwt": { shape: product, max: 65536 },
  "host-request+jwt": { shape: hostRequest, max: 8192 },
  "host-certificate+jwt": { shape: hostCertificate, max: 8192 },
  "lease+jwt": {
    shape: object(
      { ...said, exp: time, link: nonce, renew_from_s: time, renew_until_s: time },
      { full_s: { shape: time } },
    ),
    max: 8192,
  },
  "refusal+jwt": {
    shape: object({
      ...said,
      code: oneOf("COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED", "CLOCK_SKEW", "CMID_SUPERSEDED"),
      client_time_s: time,
    }),
    max: 8192,
  },
  "revocations+jwt": { shape: revocations, max: 2097152 },
  "trust+jwt": { shape: trust, max: 8192 },
};

// --- sections 4 and 8 ------------------------------------------------------------------------------------------------

const token = text(/^[^]{0,8192}$/u, "a document");
export const answer = object({
  answer: token,
  host_certificate: token,
  revocations: integer(0, Number.MAX_SAFE_INTEGER),
});

export const request = object(
  {
    v: version1,
    edition: slug,
    cmid: uuid,
    machine,
    status: oneOf("unlicensed", "initial_grace", "licensed", "additional_grace", "notification"),
    time_s: time,
    nonce,
  },
  {
    expires_in_min: { shape: integer(0, 5256000), absent: 0 },
    vm: { shape: boolean, absent: false },
    previous_cmid: { shape: orNull(uuid), absent: null },
    link: { shape: orNull(nonce), absent: null },
    enrolment: { shape: text(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, "32 bytes in base64url") },
    commit: { shape: nonce },
    reveals: { shape: list(nonce, 0, 4) },
  },
);

const told = text(/^[^]{0,2000}$/u, "a text of at most 2000 characters");
export const probeResult = object({
  would_activate: boolean,
  code: orNull(told),
  message: told,
  count,
  threshold: count,
  host_time_s: time,
});
export const hostDescription = object({
  service: shown,
  version: shown,
  protocol: list(integer(0, 1000000), 0, 16),
  host_id: shown,
  activated: boolean,
  host_certificate: orNull(token),
  products: list(shown, 0, 1024),
  time_s: time,
});
export const activation = object({
  host_certificate: token,
  trust: list(token, 0, 1000),
  revocations: orNull(text(/^[^]{0,2097152}$/u, "a list")),
});
const problemMembers = { type: told, title: told, status: integer(100, 599), detail: told, code: told, hint: told };
const problemOptional = {
  hresult: { shape: orNull(told), absent: null },
  retry_after_s: { shape: orNull(integer(0, 2 ** 31)), absent: null },
};
const problemNames = [...Object.keys(problemMembers), ...Object.keys(problemOptional)];
const knownProblem = object(problemMembers, problemOptional);

/** Problem details may have more members than are known here (RFC 9457, section 3.2): they are passed over. */
export const problem = (value, place) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) no(place, "an object");
  const known = problemNames.filter((name) => Object.hasOwn(value, name)).map((name) => [name, value[name]]);
  return knownProblem(Object.fromEntries(known), place);
};
