# What must be true of a lease or refusal whose signatures are right (section 6, steps 2, 4 and 5). Prints "good" and
# the lease's end, or the first thing that is wrong.
#
#   jq --raw-output --null-input --from-file chain.jq, with: $product, $certificate, $said, $answer (claims, each in a
#   list), $typ, $cmid, $edition, $nonce, $link, and $now: seconds, or "stored"

($product[0]) as $product | ($certificate[0]) as $certificate | ($said[0]) as $said
| $product.policy as $policy
| ($product.editions | map(select(.id == $edition))[0]) as $known
| (if $now == "stored" then $said.iat else ($now | tonumber) end) as $now_s
| (if $typ == "refusal+jwt" and $said.code == "CLOCK_SKEW" then $said.iat else $now_s end) as $judged_s
| def in_force($at):
      if $at >= $certificate.exp then "the host certificate has ended"
      elif $certificate.iat > $at + $policy.clock_tolerance_s then "the host certificate begins later"
      elif $certificate.groups | index([$product.group]) | not then "the host certificate is for other product groups"
      else empty end;
  def same_question:
      if $said.nonce != $nonce then "it answers another nonce"
      elif $said.sub != $cmid then "it answers another CMID"
      elif $said.edition != $edition then "it answers another edition"
      elif $said.iss != $certificate.sub then "its host is not the certificate's"
      else empty end;
  # Enough machines; or fewer, and all that the soft threshold demands.
  def enough:
      if $said | has("full_s") | not then $said.count >= .minimum
      else has("soft") and $said.count < .minimum and $said.count >= .soft.minimum
          and $said.full_s <= $said.iat and $said.iat < $said.full_s + .soft.lasts_s end;
  def lease:
      (if $known.class == "ephemeral" then $policy.ephemeral_validity_s else $policy.activation_validity_s end) as $validity
      | if $known == null then "the product has no such edition"
        elif $said.iat - $now_s > $policy.clock_tolerance_s or $now_s - $said.iat > $policy.clock_tolerance_s then
            "it is from another time than now"
        elif $policy.thresholds[$known.class] | enough | not then "it was given below the threshold"
        elif $said.exp <= $said.iat or $said.exp > $said.iat + $validity then "it lasts longer than an activation"
        elif $said.renew_from_s < $said.iat or $said.renew_until_s < $said.renew_from_s
            or $said.renew_until_s > $said.iat + 60 * $said.intervals.renewal_min then
            "its renewal window contradicts its renewal interval"
        elif $said.renew_until_s > $said.exp then "it ends before it may be renewed"
        elif $said.link != $link then "its link is not that of this answer"
        elif $now != "stored" and $said.exp <= $now_s then "it has ended"
        else empty end;
  [same_question, in_force($judged_s), (if $typ == "lease+jwt" then in_force($said.iat), lease else empty end)]
| .[0] // "good \($said.exp // 0)"
