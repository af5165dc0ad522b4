// What a verifier says when it refuses: the same code, claim and words as carnet's InvalidToken.

export class Refusal extends Error {
  constructor(message, { code, claim = null, expected = null }) {
    super(message);
    this.code = code;
    this.claim = claim;
    this.expected = expected;
  }
}

// A key that can't be made of what was given; the message is for the person who gave it.
export class KeyProblem extends Error {}
