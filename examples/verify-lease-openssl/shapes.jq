# What members a message has and what their values may be (sections 2, 3 and 4), for text that verify-lease.sh has
# found to be strict JSON. The input is a stream of events: an object made of them would no longer show that a name
# stood twice in it.
#
#   jq --null-input --stream -L . 'include "shapes"; check(lease)' FILE

def int($low; $high): type == "number" and . >= $low and . <= $high;
def text($pattern): type == "string" and test("\\A(?:" + $pattern + ")\\z");
def letters($max): type == "string" and (explode | length >= 1 and length <= $max and all(
    . >= 32 and (. < 127 or . > 159) and (. < 8232 or . > 8238) and (. < 8294 or . > 8297)));
def members($needed; $optional): type == "object" and keys - $needed - $optional == [] and $needed - keys == [];
def members($needed): members($needed; []);
def list($low; $high; item): type == "array" and length >= $low and length <= $high and all(item);
def one_of($allowed): . as $value | any($allowed[]; . == $value);
def distinct: length == (unique | length);

# --- section 2
def version: int(1; 1);
def time: int(0; 253402300799);
def slug: text("[a-z0-9][a-z0-9._-]{0,63}");
def uuid: text("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
def nonce: text("[A-Za-z0-9_-]{21}[AQgw]");
def key_id: text("[A-Za-z0-9_-]{16}");
def digest: text("[A-Za-z0-9_-]{43}");
def shown: letters(200);
def machine: letters(253);

# --- section 3
def header: members(["alg", "kid", "typ"])
    and .alg == "Ed25519" and (.kid | digest) and (.typ | type == "string");
def jwk($optional): members(["kty", "crv", "x"]; ["kid", "alg", "use"] + $optional)
    and .kty == "OKP" and .crv == "Ed25519" and (.x | digest)
    and (if has("kid") then .kid | digest else true end)
    and (if has("alg") then .alg == "Ed25519" else true end)
    and (if has("use") then .use == "sig" else true end);
def jwk: jwk([]);
def key_line: .x + " " + (.kid // "");
# Where there is a root key, only root keys sign the next set; root keys sign nothing else.
def publisher_keys: list(1; 16; jwk(["role"]) and (if has("role") then .role | one_of(["root", "issuing"]) else true end))
    and (map(.x) | distinct) and any(.[]; .role != "root")
    and (any(.[]; .role == "root") or any(.[]; has("role") | not));
def jwk_set: members(["keys"]; ["version"]) and (.keys | publisher_keys)
    and (if has("version") then .version | int(1; 1000) else true end);
def signs_documents: .keys[] | select(.role != "root");

def soft: members(["minimum", "lasts_s"]) and (.minimum | int(1; 10000)) and (.lasts_s | int(3600; 3162240000));
def threshold: members(["minimum", "counts"]; ["soft"])
    and (.minimum | int(1; 10000)) and (.counts | list(1; 2; one_of(["server", "client"])) and distinct)
    and (if has("soft") then (.soft | soft) and .soft.minimum < .minimum else true end);
def seconds: int(0; 3162240000);
def policy: members(["profile", "thresholds", "activation_validity_s", "ephemeral_validity_s", "count_window_s",
        "initial_grace_s", "additional_grace_s", "clock_tolerance_s", "rearm_limit", "interval_min_s", "interval_max_s"])
    and (.profile | slug)
    and (.thresholds | members(["server", "client", "ephemeral"]) and all(.[]; threshold))
    and all(to_entries[] | select(.key | endswith("_s")); .value | seconds)
    and ([.activation_validity_s, .ephemeral_validity_s, .count_window_s] | min >= 3600)
    and (.rearm_limit | int(0; 1000))
    and .interval_min_s >= 60 and .interval_min_s <= .interval_max_s and .interval_max_s <= 2592000;
def edition: members(["id", "name", "class"])
    and (.id | slug) and (.name | shown) and (.class | one_of(["server", "client", "ephemeral"]));
def product: members(["v", "iss", "iat", "sub", "name", "group", "covers", "service", "editions", "policy"])
    and (.v | version) and (.iss | shown) and (.iat | time) and (.sub | slug) and (.name | shown) and (.group | slug)
    and (.covers | list(0; 64; slug)) and (.service | text("_[a-z0-9-]{1,15}\\._tcp"))
    and (.editions | list(1; 64; edition) and (map(.id) | distinct)) and (.policy | policy);

def host_request: members(["v", "iat", "sub", "jti", "machine", "jwk", "key_id", "key_proof", "last_five"])
    and (.v | version) and (.iat | time) and (.sub | uuid) and (.jti | nonce) and (.machine | machine) and (.jwk | jwk)
    and (.key_id | key_id) and (.key_proof | digest) and (.last_five | text("[2-9A-Z]{5}"));
def host_certificate: members(["v", "iss", "iat", "exp", "sub", "jti", "request_id", "customer", "groups", "key_id",
        "cnf"])
    and (.v | version) and (.iss | shown) and (.iat | time) and (.exp | time) and .iat < .exp and (.sub | uuid)
    and (.jti | nonce) and (.request_id | nonce) and (.customer | shown) and (.groups | list(1; 64; slug))
    and (.key_id | key_id) and (.cnf | members(["jwk"]) and (.jwk | jwk));

def count: int(0; 1000000);
def said: (.v | version) and (.iss | uuid) and (.iat | time) and (.sub | uuid) and (.edition | slug)
    and (.nonce | nonce) and (.count | count) and (.threshold | count)
    and (.intervals | members(["activation_min", "renewal_min"]) and all(.[]; int(1; 43200)));
def lease: members(["v", "iss", "iat", "exp", "sub", "edition", "nonce", "link", "count", "threshold", "intervals",
        "renew_from_s", "renew_until_s"]; ["full_s"])
    and said and (.exp | time) and (.link | nonce) and (.renew_from_s | time) and (.renew_until_s | time)
    and (if has("full_s") then .full_s | time else true end);
def refusal: members(["v", "iss", "iat", "sub", "edition", "nonce", "code", "count", "threshold", "intervals",
        "client_time_s"])
    and said and (.code | one_of(["COUNT_INSUFFICIENT", "PRODUCT_NOT_COVERED", "CLOCK_SKEW", "CMID_SUPERSEDED"]))
    and (.client_time_s | time);

def trust: members(["v", "iss", "iat", "version", "keys"])
    and (.v | version) and (.iss | shown) and (.iat | time) and (.version | int(2; 1000)) and (.keys | publisher_keys);
def entry: members(["kind", "id", "since_s", "reason"]) and (.since_s | time) and (.reason | shown)
    and if .kind == "host-key" then .id | key_id elif .kind == "host" then .id | uuid
        elif .kind == "certificate" then .id | nonce elif .kind == "signing-key" then .id | digest else false end;
def revocations: members(["v", "iss", "iat", "number", "entries"])
    and (.v | version) and (.iss | shown) and (.iat | time) and (.number | int(1; 9007199254740991))
    and (.entries | list(0; 10000; entry) and (map([.kind, .id]) | distinct));

# --- section 4
def answer: members(["answer", "host_certificate", "revocations"])
    and all(.answer, .host_certificate; text("[A-Za-z0-9_.-]{1,8192}")) and (.revocations | int(0; 9007199254740991));

# --- from the stream of events to the value
def leaves: [.[] | select(length == 2)] | length;
def check(shape):
    [inputs] as $events
    | [fromstream($events[])] as $values
    | if ($values | length) != 1 then error("not one JSON value")
      # A value that another of the same name pushed out is missing from the object: it has fewer leaves than the text.
      elif ($events | leaves) != ([$values[0] | tostream] | leaves) then error("a name stands twice in one object")
      elif $values[0] | shape then $values[0]
      else error("not the members that it should have, or not with such values") end;
