// base64url without padding, one text for each value (section 2).

/** The bytes of a text. Throws SyntaxError where it is not exactly what `toBase64url` makes. */
export function fromBase64url(text) {
  const bytes = Buffer.from(text, "base64url"); // forgives much, so the way back is compared
  if (toBase64url(bytes) !== text) throw new SyntaxError("not canonical base64url");
  return bytes;
}

export function toBase64url(bytes) {
  return Buffer.from(bytes).toString("base64url");
}
