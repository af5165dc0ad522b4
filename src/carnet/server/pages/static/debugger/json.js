// JSON of the strict kind: each name once, no BOM, no NaN, nested at most 32 deep, with the place
// of whatever is wrong.

import { Refusal } from "./refusal.js";

const MAX_DEPTH = 32;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;
const MARKS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

export class JsonProblem extends Error {}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.floats = new Set();
  }

  fail(words, at = this.at) {
    const before = this.text.slice(0, at).split("\n");
    throw new JsonProblem(`${words}, at line ${before.length}, character ${before.at(-1).length + 1}`);
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found ? found[0] : null;
  }

  take(mark) {
    this.match(SPACE);
    if (this.text[this.at] !== mark) return false;
    this.at += 1;
    return true;
  }

  string() {
    const begin = this.at;
    const found = this.match(STRING);
    if (found === null) this.fail("a text in double quotes is broken or not closed");
    const value = JSON.parse(found);
    if (!value.isWellFormed()) this.fail("a text holds half a character (a lone surrogate)", begin);
    return value;
  }

  value(depth, name) {
    this.match(SPACE);
    const first = this.text[this.at];
    if (first === undefined) this.fail("it ends too early");
    if (first === '"') return this.string();
    if (first === "{" || first === "[") {
      if (depth === MAX_DEPTH) this.fail(`it is nested more than ${MAX_DEPTH} deep`);
      return first === "{" ? this.object(depth + 1) : this.list(depth + 1);
    }
    for (const [word, value] of [["true", true], ["false", false], ["null", null]]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    const begin = this.at;
    const number = this.match(NUMBER);
    if (number === null) this.fail(`“${this.text.slice(begin, begin + 8)}” is no JSON value`);
    if (!Number.isFinite(Number(number))) this.fail("a number is out of range", begin);
    if (depth === 1 && /[.eE]/.test(number)) this.floats.add(name);
    return Number(number);
  }

  object(depth) {
    const members = Object.create(null);
    this.at += 1;
    if (this.take("}")) return members;
    do {
      this.match(SPACE);
      const begin = this.at;
      if (this.text[begin] !== '"') this.fail("a name in double quotes is expected");
      const name = this.string();
      if (name in members) this.fail(`the name “${name}” stands twice`, begin);
      if (!this.take(":")) this.fail(`a “:” is expected after the name “${name}”`);
      members[name] = this.value(depth, name);
    } while (this.take(","));
    if (!this.take("}")) this.fail("a “,” or “}” is expected");
    return members;
  }

  list(depth) {
    const items = [];
    this.at += 1;
    if (this.take("]")) return items;
    do items.push(this.value(depth)); while (this.take(","));
    if (!this.take("]")) this.fail("a “,” or “]” is expected");
    return items;
  }
}

export const isObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

// Give the object, and the names of its own members whose numbers are written as fractions.
export function parseObject(text) {
  const reader = new Reader(text);
  if (text.startsWith("\ufeff")) reader.fail("it begins with a byte order mark (BOM)");
  const value = reader.value(0);
  reader.match(SPACE);
  if (reader.at < text.length) reader.fail("something follows after its end");
  if (!isObject(value)) throw new JsonProblem("it is JSON, but not an object in braces");
  return { value, floats: reader.floats };
}

export function textOf(bytes) {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

export function decodeObject(bytes, what) {
  try {
    return parseObject(textOf(bytes));
  } catch {
    throw new Refusal(`${what} is not a JSON object in strict form`, {
      code: "malformed",
      expected: "UTF-8 JSON without BOM, each name once, nested at most 32 deep",
    });
  }
}

// Lay JSON out, or pack it, changing nothing but the white space between its marks.
export function compact(text) {
  return (text.match(MARKS) ?? []).join("");
}

export function pretty(text) {
  let depth = 0;
  let made = "";
  let last = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const mark of text.match(MARKS) ?? []) {
    if (mark === "}" || mark === "]") {
      depth -= 1;
      if (last !== "{" && last !== "[") made += line();
    } else if (last === "{" || last === "[" || last === ",") made += line();
    made += mark === ":" ? ": " : mark;
    if (mark === "{" || mark === "[") depth += 1;
    if (depth < 0) depth = 0;
    last = mark;
  }
  return made;
}
