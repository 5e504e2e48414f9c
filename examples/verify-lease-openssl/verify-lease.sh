#!/usr/bin/env bash
# Verifies a Quorate lease with openssl and jq alone: publisher's keys -> host certificate -> lease.
#
#   verify-lease.sh --publisher FILE --product FILE --cmid UUID --edition ID --nonce NONCE
#                   (--answer FILE | --lease FILE --certificate FILE) [--now SECONDS]
#   verify-lease.sh --publisher FILE --document FILE --typ KIND         one document: its claims
#   verify-lease.sh --publisher FILE                                    the key set: thumbprints
#
# Prints what was verified as JSON. Ends with 0 for a lease, 3 for a refusal that the host signed, 1 when nothing is
# proven (or a stored lease has ended), 2 when it was called wrongly, and something else when a tool failed.
# Section numbers are those of spec/protocol.md.
set -euo pipefail
export LC_ALL=C
HERE=$PWD
[[ ${BASH_SOURCE[0]} != */* ]] || HERE=${BASH_SOURCE[0]%/*}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

declare -A GIVEN=()
declare -A SIZE_MAX=(["product+jwt"]=65536 ["host-request+jwt"]=8192 ["host-certificate+jwt"]=8192
    ["lease+jwt"]=8192 ["refusal+jwt"]=8192 ["revocations+jwt"]=2097152 ["trust+jwt"]=8192)
declare -A PROGRAM=(["product+jwt"]='check(product)' ["lease+jwt"]='check(lease)' ["refusal+jwt"]='check(refusal)'
    ["trust+jwt"]='check(trust) | ., (.keys[] | key_line)' ["revocations+jwt"]='check(revocations)'
    ["host-request+jwt"]='check(host_request) | ., (.jwk | key_line)' # the key inside comes on a line of its own
    ["host-certificate+jwt"]='check(host_certificate) | ., (.cnf.jwk | key_line)')
TEXTS='s/"([^"\\[:cntrl:]]|\\["\\/bfnrt]|\\u([0-9abcefABCEF]...|[dD][0-7]..))*"//g'
BONES='
    /[^][{}:, \t\r0-9]/ || /(^|[^0-9])0[0-9]/ { exit strange = 1 }
    { for (at = 1; at <= length($0); at++) {
          sign = substr($0, at, 1)
          if (sign == "[" || sign == "{") { if (++depth > 32) exit strange = 1 }
          else if (sign == "]" || sign == "}") depth--
      } }
    END { exit strange }'
KID="" TYP="" TOKEN="" # of the document that was read last

main() {
    options "$@"
    readable publisher product answer lease certificate document
    read_json "${GIVEN[publisher]}" 'check(jwk_set) | signs_documents | key_line' "$WORK/keys"
    while IFS= read -r; do add_key publisher "$REPLY"; done <"$WORK/keys"
    if [[ -n ${GIVEN[document]:-} ]]; then
        verify_document
    elif [[ -n ${GIVEN[product]:-} ]]; then
        verify_chain
    else
        cat "$WORK/kids"
    fi
}

refuse() { # why
    echo "refused: $1" >&2
    exit 1
}

options() {
    while (($#)); do
        case $1 in
            --publisher | --product | --cmid | --edition | --nonce | --answer | --lease | --certificate | --now | \
                --document | --typ)
                (($# > 1)) || misuse "$1 needs a value"
                GIVEN[${1#--}]=$2
                shift 2
                ;;
            *) misuse "unknown option $1" ;;
        esac
    done
    [[ ${GIVEN[now]:-0} =~ ^(0|[1-9][0-9]{0,11})$ ]] || misuse "--now is whole seconds"
    need publisher
    if [[ -n ${GIVEN[document]:-} ]]; then need typ; fi
    if [[ -n ${GIVEN[product]:-} ]]; then
        need cmid edition nonce
        if [[ -z ${GIVEN[answer]:-} ]]; then need lease certificate; fi
    fi
}

need() { # options
    local name
    for name in "$@"; do [[ -n ${GIVEN[$name]:-} ]] || misuse "--$name is missing"; done
}

readable() { # options that name files
    local name
    for name in "$@"; do [[ -z ${GIVEN[$name]:-} || -r ${GIVEN[$name]} ]] || misuse "${GIVEN[$name]} cannot be read"; done
}

misuse() {
    echo "error: $1; fix: see the first lines of verify-lease.sh" >&2
    exit 2
}

# --- one document ------------------------------------------------------------------------------------------------------

verify_document() {
    local claims
    token_in "${GIVEN[document]}"
    if [[ ${GIVEN[typ]} == host-request+jwt ]]; then
        read_host_request "$TOKEN"
    else
        read_document document "$TOKEN" publisher "${GIVEN[typ]}"
    fi
    {
        IFS= read -r claims
        while IFS= read -r; do add_key inside "$REPLY"; done
    } <"$WORK/document.json"
    printf '%s\n' "$claims"
}

# --- the chain (section 6) ---------------------------------------------------------------------------------------------

verify_chain() {
    local certificate said now verdict
    token_in "${GIVEN[product]}"
    read_document product "$TOKEN" publisher product+jwt
    if [[ -n ${GIVEN[answer]:-} ]]; then
        (($(wc -c <"${GIVEN[answer]}") <= 65536)) || refuse "the answer is too large"
        read_json "${GIVEN[answer]}" 'check(answer) | .host_certificate, .answer' "$WORK/answer"
        { IFS= read -r certificate && IFS= read -r said; } <"$WORK/answer"
        certificate=${certificate//\"/} said=${said//\"/}
        now=${GIVEN[now]:-$(date +%s)}
    else
        token_in "${GIVEN[certificate]}" && certificate=$TOKEN
        token_in "${GIVEN[lease]}" && said=$TOKEN
        now=stored
    fi
    read_document certificate "$certificate" publisher host-certificate+jwt
    { IFS= read -r && IFS= read -r; } <"$WORK/certificate.json"
    add_key host "$REPLY"
    if [[ $now == stored ]]; then
        read_document said "$said" host lease+jwt
    else
        read_document said "$said" host lease+jwt refusal+jwt
    fi
    verdict=$(jq -rn --slurpfile product "$WORK/product.json" --slurpfile certificate "$WORK/certificate.json" \
        --slurpfile said "$WORK/said.json" --arg typ "$TYP" --arg cmid "${GIVEN[cmid]}" \
        --arg edition "${GIVEN[edition]}" --arg nonce "${GIVEN[nonce]}" --arg now "$now" \
        --arg link "$(link_of "${GIVEN[cmid]}" "${GIVEN[nonce]}")" --from-file "$HERE/chain.jq")
    [[ $verdict == good* ]] || refuse "$verdict"
    if [[ $now == stored ]] && ((${verdict#good } <= ${GIVEN[now]:-$(date +%s)})); then refuse "the lease has ended"; fi
    cat "$WORK/said.json"
    [[ $TYP == lease+jwt ]] || exit 3
}

link_of() { # CMID, nonce (section 7)
    local digest
    digest=$(printf 'quorate-link:%s:%s' "$1" "$2" | openssl dgst -sha256 -binary | head -c 16 | base64 -w 0)
    to_url "$digest"
}

# --- documents (section 3) ---------------------------------------------------------------------------------------------

# Sets TOKEN to what is in a file; the file may end with one line break.
token_in() { # file
    if IFS= read -r -d '' TOKEN <"$1"; then refuse "$1: a zero byte"; fi
    TOKEN=${TOKEN%$'\n'}
}

# Leaves the claims in $WORK/NAME.json and their kind in TYP. The signature is checked before they are read.
read_document() { # name, token, folder of trusted keys, kinds that are taken
    local name=$1 keys=$3
    split_token "$name" "$2"
    shift 3
    [[ " $* " == *" $TYP "* ]] || refuse "$name: this is a $TYP, expected is: $*"
    [[ -f $WORK/$keys.$KID ]] || refuse "$name: signed by $KID, which is not trusted here"
    verify_signature "$name" "$WORK/$keys.$KID"
    read_json "$WORK/$name.payload" "${PROGRAM[$TYP]}" "$WORK/$name.json"
}

# A host request brings its own key: its signature proves possession, nothing else.
read_host_request() { # token
    split_token document "$1"
    [[ $TYP == host-request+jwt ]] || refuse "this is a $TYP"
    read_json "$WORK/document.payload" "${PROGRAM[$TYP]}" "$WORK/document.json"
    { IFS= read -r && IFS= read -r; } <"$WORK/document.json"
    add_key host "$REPLY"
    [[ -f $WORK/host.$KID ]] || refuse "the kid is not that of the key inside"
    verify_signature document "$WORK/host.$KID"
}

split_token() { # name, token
    local name=$1 token=$2 head payload signature text
    [[ $token =~ ^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)$ ]] || refuse "$name: no compact JWS"
    head=${BASH_REMATCH[1]} payload=${BASH_REMATCH[2]} signature=${BASH_REMATCH[3]}
    ((${#head} <= 512)) || refuse "$name: its header is too long"
    decode "$head" "$WORK/$name.head"
    decode "$payload" "$WORK/$name.payload"
    decode "$signature" "$WORK/$name.signature"
    ((${#signature} == 86)) || refuse "$name: its signature has not 64 bytes"
    printf '%s.%s' "$head" "$payload" >"$WORK/$name.signed"
    if IFS= read -r -d '' text <"$WORK/$name.head"; then refuse "$name: a zero byte"; fi
    if [[ $text =~ ^\{\"alg\":\"Ed25519\",\"kid\":\"([A-Za-z0-9_-]{43})\",\"typ\":\"([a-z+-]+)\"\}$ ]]; then
        KID=${BASH_REMATCH[1]} TYP=${BASH_REMATCH[2]} # the usual spelling, for which no JSON reader is needed
    else
        read_json "$WORK/$name.head" 'check(header) | .kid, .typ' "$WORK/$name.header"
        { IFS= read -r KID && IFS= read -r TYP; } <"$WORK/$name.header"
        KID=${KID//\"/} TYP=${TYP//\"/}
    fi
    [[ -n $TYP && -n ${PROGRAM[$TYP]:-} ]] || refuse "$name: $TYP is no kind of document"
    ((${#token} <= SIZE_MAX[$TYP])) || refuse "$name: too long"
}

verify_signature() { # name, file of the key
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$2" -rawin -in "$WORK/$1.signed" \
        -sigfile "$WORK/$1.signature" >/dev/null 2>&1 || refuse "$1: the signature is not right"
}

# --- keys (section 3) --------------------------------------------------------------------------------------------------

# The key as DER (RFC 8410) in a file $WORK/WHOSE.THUMBPRINT (RFC 7638).
add_key() { # whose, key_line
    local line=${2//\"/} x kid raw digest thumbprint
    x=${line%% *} kid=${line#* }
    decode "$x" "$WORK/key"
    raw=$(od -An -v -tx1 "$WORK/key")
    raw=${raw//[[:space:]]/}
    ((${#raw} == 64)) || refuse "a public key has not 32 bytes"
    owner_only "$raw"
    digest=$(printf '{"crv":"Ed25519","kty":"OKP","x":"%s"}' "$x" | openssl dgst -sha256 -binary | base64 -w 0)
    thumbprint=$(to_url "$digest")
    [[ -z $kid || $kid == "$thumbprint" ]] || refuse "a public key: its kid is not its thumbprint"
    { printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00' && cat "$WORK/key"; } >"$WORK/$1.$thumbprint"
    echo "$thumbprint" >>"$WORK/kids"
}

# Anybody can sign under a point of order 1, 2, 4 or 8, and openssl finds such signatures good; y without the sign bit,
# low byte first. A y of 2^255 - 19 or more is a second spelling of a smaller one.
owner_only() { # hexadecimal
    local ff zero y last
    last=$(printf '%02x' $((0x${1:62} & 0x7f)))
    y=${1:0:62}$last
    printf -v ff 'ff%.0s' {1..30}
    printf -v zero '00%.0s' {1..30}
    case $y in
        "00${zero}00" | "01${zero}00" | "ec${ff}7f" | \
            26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05 | \
            c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a)
            refuse "a public key of small order"
            ;;
        e[def]"${ff}7f" | f?"${ff}7f") refuse "a public key that is not reduced" ;;
    esac
}

# --- base64url and JSON (section 2) ------------------------------------------------------------------------------------

# One value has one text: no padding, the unused bits of the last character zero.
decode() { # text, file
    local text=$1
    [[ $text =~ ^[A-Za-z0-9_-]*$ ]] || refuse "not base64url"
    case $((${#text} % 4)) in
        1) refuse "base64url that is cut off" ;;
        2) [[ $text == *[AQgw] ]] || refuse "not canonical base64url" && text+="==" ;;
        3) [[ $text == *[AEIMQUYcgkosw048] ]] || refuse "not canonical base64url" && text+="=" ;;
    esac
    text=${text//-/+}
    printf '%s' "${text//_//}" | base64 -d >"$2"
}

to_url() { # standard base64
    local text=${1%%=*}
    text=${text//+/-}
    printf '%s' "${text//\//_}"
}

# jq takes more than JSON, does not tell 25.0 from 25, and mends broken characters. So: UTF-8 only, and once texts and
# words are taken out, nothing but brackets (not deep in one another: jq would need minutes), commas, colons, blanks and
# digits. A text with half a character, a bad escape or a control character is not taken out, so its quotation marks
# remain.
read_json() { # file, jq program, file for what it prints
    local status=0
    iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1 || refuse "$2: not UTF-8"
    sed -E -e 's/\\\\//g; s/\\u[dD][89abAB]..\\u[dD][c-fC-F]..//g' -e "$TEXTS" -e 's/\b(true|false|null)\b//g' "$1" |
        awk "$BONES" || refuse "$2: not strict JSON"
    jq -cn --stream -L "$HERE" "include \"shapes\"; $2" "$1" >"$3" 2>"$WORK/why" || status=$?
    case $status in
        0) ;;
        2 | 5) refuse "$2: $(head -c 200 "$WORK/why")" ;; # no JSON; not of this shape
        *) cat "$WORK/why" >&2 && exit 70 ;;
    esac
    [[ -s $3 ]] || refuse "$2: nothing in it"
}

main "$@"
