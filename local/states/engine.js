// Evaluates JSONata for local/states/expressions.py: one request and one answer a line.
const readline = require("readline");
const jsonata = require("jsonata");

const compiled = new Map();
function compile(text) {
  if (!compiled.has(text)) {
    const other = /\$(partition|range|hash|random|shuffle|uuid)\s*\(/.exec(text);
    if (other) throw new Error(`$${other[1]} is not played offline`);
    const expression = jsonata(text);
    expression.registerFunction("parse", (given) => JSON.parse(given));
    // Step Functions has no $eval; chance would not follow from the seed.
    for (const name of ["eval", "random", "shuffle"]) expression.assign(name, undefined);
    compiled.set(text, expression);
  }
  return compiled.get(text);
}

function plain(key, value) {
  // What is no JSON: numbers beyond a double, and functions.
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error("a number out of range");
  if (typeof value === "function" || (value && (value._jsonata_lambda || value._jsonata_function)))
    throw new Error("a function is no JSON value");
  return value;
}

async function evaluate(text, { variables, now }, where) {
  const said = `The JSONata expression '${text}' specified for the field '${where}'`;
  let value;
  try {
    const at = { now: () => new Date(now).toISOString(), millis: () => now };
    value = await compile(text).evaluate(undefined, { ...variables, ...at });
    if (value !== undefined) value = JSON.parse(JSON.stringify(value, plain));
  } catch (error) {
    const code = error.code ? error.code + ": " : "";
    throw new Error(`${said} threw an error during evaluation. ${code}${error.message}`);
  }
  if (value === undefined) throw new Error(`${said} returned nothing (undefined).`);
  return value;
}

async function fill(template, request, where) {
  const found = typeof template === "string" && /^\{%([\s\S]*)%\}$/.exec(template);
  if (found) return evaluate(found[1].trim(), request, where);
  if (!template || typeof template !== "object") return template;
  const filled = Array.isArray(template) ? [] : {};
  for (const [key, each] of Object.entries(template))
    filled[key] = await fill(each, request, Array.isArray(template) ? `${where}[${key}]` : `${where}/${key}`);
  return filled;
}

async function answer(request) {
  try {
    if (request.check !== undefined) return { value: compile(request.check) && null };
    return { value: await fill(request.template, request, request.where) };
  } catch (error) {
    return { refused: error.code ? `${error.code}: ${error.message}` : error.message };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin }))
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
})();
