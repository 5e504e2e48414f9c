// JSON as section 2 of the protocol wants it, where JSON.parse is too kind: a name that stands twice in one object, a
// number with fraction or exponent, a byte order mark, bytes that are not UTF-8 and half characters are all refused.

const DEPTH_MAX = 32; // the deepest message of the protocol has six
const INTEGER = /-?(?:0|[1-9][0-9]*)(?![0-9.eE])/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const BLANK = /[ \t\r\n]*/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const HALF_CHARACTER = /\p{Surrogate}/u;

/**
 * The value of a JSON text given as bytes. Throws SyntaxError, and nothing else. `anyNumber`: fractions and exponents
 * are let through, for messages with members that are passed over (sections 4 and 8); their shapes judge the others.
 */
export function parseStrict(bytes, { anyNumber = false } = {}) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SyntaxError("not UTF-8");
  }
  return new Reader(text, anyNumber).whole();
}

class Reader {
  constructor(text, anyNumber) {
    this.text = text;
    this.anyNumber = anyNumber;
    this.at = 0;
  }

  whole() {
    const value = this.value(0);
    this.take(BLANK);
    if (this.at !== this.text.length) this.fail("text after the value");
    return value;
  }

  value(depth) {
    if (depth > DEPTH_MAX) this.fail("nested too deeply");
    this.take(BLANK);
    const first = this.text[this.at];
    if (first === "{") return this.object(depth);
    if (first === "[") return this.list(depth);
    if (first === '"') return this.string();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  number() {
    const whole = this.take(INTEGER);
    if (whole) {
      const number = Number(whole) + 0; // + 0: there is no negative zero among integers
      if (!this.anyNumber && !Number.isSafeInteger(number)) this.fail("a number that is too large");
      return number;
    }
    const other = this.anyNumber ? this.take(NUMBER) : "";
    if (!other) this.fail("no value, or a number that is no integer");
    // Not as a number: JavaScript does not tell 25.0 from 25, and no shape takes an object here.
    return { fraction: other };
  }

  object(depth) {
    const members = new Map();
    this.expect("{");
    if (!this.skip("}")) {
      do {
        this.take(BLANK);
        const name = this.string();
        if (members.has(name)) this.fail(`${JSON.stringify(name)} stands twice`);
        this.expect(":");
        members.set(name, this.value(depth + 1));
      } while (this.skip(","));
      this.expect("}");
    }
    return Object.fromEntries(members); // own properties, "__proto__" too
  }

  list(depth) {
    const items = [];
    this.expect("[");
    if (!this.skip("]")) {
      do items.push(this.value(depth + 1));
      while (this.skip(","));
      this.expect("]");
    }
    return items;
  }

  string() {
    if (this.text[this.at] !== '"') this.fail("a text is expected");
    this.at += 1;
    let made = this.take(PLAIN);
    while (this.text[this.at] === "\\") {
      made += this.escape();
      made += this.take(PLAIN);
    }
    if (this.text[this.at] !== '"') this.fail("a text that does not end");
    this.at += 1;
    if (HALF_CHARACTER.test(made)) this.fail("half a character");
    return made;
  }

  escape() {
    const letter = this.text[this.at + 1];
    if (letter === "u") {
      const digits = this.text.slice(this.at + 2, this.at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail("a bad escape");
      this.at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    if (letter === undefined || !Object.hasOwn(ESCAPES, letter)) this.fail("a bad escape");
    this.at += 2;
    return ESCAPES[letter];
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return "";
    this.at = pattern.lastIndex;
    return found[0];
  }

  skip(sign) {
    this.take(BLANK);
    if (this.text[this.at] !== sign) return false;
    this.at += 1;
    return true;
  }

  expect(sign) {
    if (!this.skip(sign)) this.fail(`${sign} is expected`);
  }

  fail(why) {
    throw new SyntaxError(`${why} (character ${this.at})`);
  }
}
