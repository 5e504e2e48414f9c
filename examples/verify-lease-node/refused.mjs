// The one error: something is refused, for a reason that has a stable code.

export class Refused extends Error {
  constructor(code, why) {
    super(why);
    this.code = code;
  }
}
