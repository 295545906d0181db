// Evaluates JSONata for local/states/expressions.py: one request and one answer a line.
// argv: the folder that has node_modules, and a seed for what is random.
const path = require("path");
const readline = require("readline");
const crypto = require("crypto");
const jsonata = require(path.join(process.argv[2], "node_modules", "jsonata"));

let drawn = 0;
function random(seed) {
  const text = seed === undefined ? `${process.argv[3]}/${drawn++}` : String(Math.floor(seed));
  return crypto.createHash("sha256").update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}
Math.random = () => random();

function uuid() {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join("");
  const variant = "89ab"[parseInt(hex[16], 16) % 4];
  const parts = [hex.slice(0, 8), hex.slice(8, 12), "4" + hex.slice(13, 16)];
  return [...parts, variant + hex.slice(17, 20), hex.slice(20)].join("-");
}

function partition(array, size) {
  const step = Math.floor(size);
  if (!(step > 0)) throw new Error("the size of a partition must be a positive integer");
  const count = Math.ceil(array.length / step);
  return Array.from({ length: count }, (_, i) => array.slice(i * step, (i + 1) * step));
}

function range(start, end, step) {
  if (!Math.floor(step)) throw new Error("the step of a range must not be zero");
  const values = [];
  const by = Math.floor(step);
  for (let v = Math.floor(start); by > 0 ? v <= end : v >= end; v += by) values.push(v);
  return values;
}

const ALGORITHMS = { "MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384",
  "SHA-512": "sha512" };
function hash(text, algorithm) {
  if (!ALGORITHMS[algorithm]) throw new Error("unknown hash algorithm " + algorithm);
  return crypto.createHash(ALGORITHMS[algorithm]).update(text).digest("hex");
}

const compiled = new Map();
function compile(text) {
  if (!compiled.has(text)) {
    const expression = jsonata(text);
    const functions = { parse: (given) => JSON.parse(given), partition, range, hash, random, uuid };
    for (const [name, act] of Object.entries(functions)) expression.registerFunction(name, act);
    expression.assign("eval", undefined);  // Step Functions has $parse instead
    compiled.set(text, expression);
  }
  return compiled.get(text);
}

class Refused extends Error {}

function plain(key, value) {
  // What is no JSON: numbers beyond a double, and functions.
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error("a number out of range");
  if (typeof value === "function" || (value && (value._jsonata_lambda || value._jsonata_function)))
    throw new Error("a function is no JSON value");
  return value;
}

async function evaluate(text, variables, now, where) {
  const said = `The JSONata expression '${text}' specified for the field '${where}'`;
  let value;
  try {
    const at = { now: () => new Date(now).toISOString(), millis: () => now };
    value = await compile(text).evaluate(undefined, { ...variables, ...at });
    if (value !== undefined) value = JSON.parse(JSON.stringify(value, plain));
  } catch (error) {
    const code = error.code ? error.code + ": " : "";
    throw new Refused(`${said} threw an error during evaluation. ${code}${error.message}`);
  }
  if (value === undefined) throw new Refused(`${said} returned nothing (undefined).`);
  return value;
}

async function fill(template, variables, now, where) {
  if (Array.isArray(template)) {
    const filled = [];
    for (const [i, each] of template.entries())
      filled.push(await fill(each, variables, now, `${where}[${i}]`));
    return filled;
  }
  if (template && typeof template === "object") {
    const filled = {};
    for (const [key, each] of Object.entries(template))
      filled[key] = await fill(each, variables, now, `${where}/${key}`);
    return filled;
  }
  const found = typeof template === "string" && /^\{%([\s\S]*)%\}$/.exec(template);
  return found ? evaluate(found[1].trim(), variables, now, where) : template;
}

function check(text) {
  try {
    compile(text);
    return null;
  } catch (error) {
    return `${error.code}: ${error.message}`;
  }
}

async function answer(request) {
  if (request.check !== undefined) return { value: check(request.check) };
  try {
    const { template, variables, now, where } = request;
    return { value: await fill(template, variables, now, where) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { refused: error.message };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin }))
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
})();
