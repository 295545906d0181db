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
  const isNoNumber = typeof value === "number" && !Number.isFinite(value);
  if (isNoNumber || typeof value === "function" || value?._jsonata_lambda || value?._jsonata_function)
    throw new Error("not JSON");
  return value;
}

async function evaluate(text, { variables, now }, where) {
  const said = `The JSONata expression '${text}' specified for the field '${where}'`;
  const failed = (how) => Object.assign(new Error(`${said} ${how}`), { where });
  let value;
  try {
    const at = { now: () => new Date(now).toISOString(), millis: () => now };
    value = await compile(text).evaluate(undefined, { ...variables, ...at });
  } catch (error) {
    const code = error.code ? error.code + ": " : "";
    throw failed(`threw an error during evaluation. ${code}${error.message}`);
  }
  if (value === undefined) throw failed("returned nothing (undefined).");
  try {
    return JSON.parse(JSON.stringify(value, plain));
  } catch {
    throw failed("returned an unsupported result type.");
  }
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
    const refused = error.code ? `${error.code}: ${error.message}` : error.message;
    return { refused, where: error.where };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin }))
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
})();
