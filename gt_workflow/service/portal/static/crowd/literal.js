// Reads the JavaScript literals that worker templates write into attributes: lists, objects, texts,
// numbers. JSON is a part of that; AWS's samples also have single quotes, unquoted keys, trailing
// commas and comments. Nothing is ever evaluated.

/** What stands at `at` (counted from 0) is no literal. */
export class LiteralError extends Error {
  constructor(message, at) {
    super(`${message} at character ${at + 1}`);
    this.at = at;
  }
}

const MAX_LENGTH = 1_000_000;
const MAX_DEPTH = 50;
const WORDS = { true: true, false: false, null: null, undefined: undefined, NaN, Infinity };
const ESCAPES = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", 0: "\0" };
const SPACE = /(?:\s|\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\/)*/uy;
const NAME = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /0[xX][\da-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/uy;
const HEX = /[\da-fA-F]+/uy;

class Reader {
  #text;
  #at = 0;

  constructor(text) {
    this.#text = text;
  }

  whole() {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail(`unexpected ${this.#here()}`);
    return value;
  }

  #fail(message, at = this.#at) {
    throw new LiteralError(message, at);
  }

  #here() {
    const sign = this.#text[this.#at];
    return sign === undefined ? "end" : JSON.stringify(sign);
  }

  /** The longest match of a sticky expression here, "" if there is none. */
  #match(expression) {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #space() {
    this.#match(SPACE);
  }

  #take(sign) {
    this.#space();
    if (this.#text[this.#at] !== sign) return false;
    this.#at += 1;
    return true;
  }

  #value(depth) {
    if (depth > MAX_DEPTH) this.#fail("nested too deeply");
    this.#space();
    const sign = this.#text[this.#at];
    if (sign === "[") return this.#list(depth);
    if (sign === "{") return this.#object(depth);
    if (sign === "'" || sign === '"' || sign === "`") return this.#string(sign);
    if (sign === "-" || sign === "+") {
      this.#at += 1;
      this.#space();
      const number = this.#number();
      return sign === "-" ? -number : number;
    }
    const start = this.#at;
    const word = this.#match(NAME);
    if (word === "") return this.#number();
    if (!Object.hasOwn(WORDS, word)) this.#fail(`${word} is no value`, start);
    return WORDS[word];
  }

  #number() {
    const start = this.#at;
    const text = this.#match(NUMBER);
    if (text === "") this.#fail(`a value is missing before ${this.#here()}`);
    if (/^0\d/u.test(text)) this.#fail(`${text} is no number`, start);
    const after = this.#at;
    if (this.#match(NAME) !== "") this.#fail(`unexpected ${JSON.stringify(this.#text[after])}`, after);
    return Number(text);
  }

  #list(depth) {
    const values = [];
    this.#take("[");
    while (!this.#take("]")) {
      // A hole, as two commas in a row leave it, says nothing.
      if (this.#take(",")) continue;
      values.push(this.#value(depth + 1));
      if (this.#take("]")) break;
      if (!this.#take(",")) this.#fail(`"," or "]" is missing before ${this.#here()}`);
    }
    return values;
  }

  #object(depth) {
    const entries = [];
    this.#take("{");
    while (!this.#take("}")) {
      const name = this.#key();
      if (!this.#take(":")) this.#fail(`":" is missing before ${this.#here()}`);
      entries.push([name, this.#value(depth + 1)]);
      if (this.#take("}")) break;
      if (!this.#take(",")) this.#fail(`"," or "}" is missing before ${this.#here()}`);
    }
    // Makes own properties, `__proto__` too.
    return Object.fromEntries(entries);
  }

  #key() {
    this.#space();
    const sign = this.#text[this.#at];
    if (sign === "'" || sign === '"') return this.#string(sign);
    const name = this.#match(NAME);
    if (name !== "") return name;
    if (sign === undefined || !/[\d.]/u.test(sign)) this.#fail(`a key is missing before ${this.#here()}`);
    return String(this.#number());
  }

  #string(quote) {
    const start = this.#at;
    const parts = [];
    let from = this.#at + 1;
    for (this.#at = from; ; this.#at += 1) {
      const sign = this.#text[this.#at];
      if (sign === undefined) this.#fail("a text does not end that begins", start);
      if (sign === quote) break;
      if (quote === "`" && sign === "$" && this.#text[this.#at + 1] === "{") {
        this.#fail("a text has a part to be computed");
      }
      if (quote !== "`" && (sign === "\n" || sign === "\r")) {
        this.#fail("a text does not end in its line that begins", start);
      }
      if (sign === "\\") {
        parts.push(this.#text.slice(from, this.#at), this.#escape());
        from = this.#at + 1;
      }
    }
    parts.push(this.#text.slice(from, this.#at));
    this.#at += 1;
    return parts.join("");
  }

  /** Reads an escape; ends at its last character. */
  #escape() {
    const start = this.#at;
    this.#at += 1;
    const sign = this.#text[this.#at];
    if (sign === "x") return this.#code(start, 2);
    if (sign === "u" && this.#text[this.#at + 1] === "{") {
      this.#at += 2;
      const code = Number.parseInt(this.#match(HEX) || "x", 16);
      if (!(code <= 0x10ffff) || this.#text[this.#at] !== "}") this.#fail("a wrong escape", start);
      return String.fromCodePoint(code);
    }
    if (sign === "u") return this.#code(start, 4);
    if (sign === "\r" && this.#text[this.#at + 1] === "\n") this.#at += 1;
    // A line that goes on, as in JavaScript, adds nothing.
    if (sign === undefined || /[\n\r\u2028\u2029]/u.test(sign)) return "";
    if (/[1-9]/u.test(sign)) this.#fail("a wrong escape", start);
    return ESCAPES[sign] ?? sign;
  }

  #code(start, digits) {
    const hex = this.#text.slice(this.#at + 1, this.#at + 1 + digits);
    if (hex.length < digits || /[^\da-fA-F]/u.test(hex)) this.#fail("a wrong escape", start);
    this.#at += digits;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }
}

/** Return the value that a text spells, or throw a LiteralError. */
export function read(text) {
  if (text.length > MAX_LENGTH) throw new LiteralError("longer than a million characters", MAX_LENGTH);
  return new Reader(text).whole();
}
