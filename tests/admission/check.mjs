// SPDX-License-Identifier: GPL-2.0-or-later
// SPDX-FileCopyrightText: podfence authors
//
// check.mjs DIRECTORY: evaluates deploy/admission over samples, in TAP. The CEL implementation is
// @bufbuild/cel, which is neither that of Kubernetes nor that of Gatekeeper.
import {readFileSync, readdirSync} from "node:fs";
import {join} from "node:path";
import {run} from "@bufbuild/cel";
import {parseAllDocuments} from "yaml";
import {nodeChanges, samples} from "./samples.mjs";

const root = process.argv[2];
let count = 0, failed = 0;

function check(isGood, name, ...details) {
  console.log(`${isGood ? "ok" : "not ok"} ${++count} - ${name.replaceAll("#", "")}`);
  if (isGood) return;
  failed++;
  console.error(`not ok ${count} - ${name}`, ...details);
}

/** JSON as CEL has it: objects are maps. */
function celValue(value) {
  if (Array.isArray(value)) return value.map(celValue);
  if (value === null || typeof value !== "object") return value;
  return new Map(Object.entries(value).map(([key, item]) => [key, celValue(item)]));
}

/** The messages of what refuses it; variables in their order, each sees those before. */
function evaluate({variables = [], validations}, bindings) {
  const known = new Map(Object.entries(bindings.variables ?? {}));
  const scope = {...bindings, variables: known};
  for (const {name, expression} of variables) known.set(name, run(expression, scope));
  return validations.filter(({expression, message}) => {
    const value = run(expression, scope);
    if (typeof value !== "boolean") throw new Error(`${message}: ${value} is no boolean`);
    return !value;
  }).map(({message}) => message);
}

function read(folder, file) {
  return parseAllDocuments(readFileSync(join(root, folder, file), "utf8")).map((document) => {
    if (document.errors.length) throw document.errors[0];
    return document.toJS();
  });
}

const files = (folder) => readdirSync(join(root, folder)).filter((file) => file.endsWith(".yaml")).sort();
const plural = {Pod: "pods", Service: "services"};

function nativeRule(file) {
  const [policy, binding] = read("validating-admission-policy", file);
  const {resourceRules} = policy.spec.matchConstraints;
  check(policy.kind === "ValidatingAdmissionPolicy" && binding.spec.policyName === policy.metadata.name,
    `${file}: a policy, and a binding to it`);
  check(policy.spec.failurePolicy === "Fail" && binding.spec.validationActions.includes("Deny"),
    `${file}: what cannot be evaluated is refused`);
  const [{key, operator, values}] = binding.spec.matchResources.namespaceSelector.matchExpressions;
  check(key === "kubernetes.io/metadata.name" && operator === "NotIn", `${file}: namespaces by name`);
  const resources = resourceRules.flatMap((rule) => rule.resources);
  return {file, exempt: values, resources,
    isFor: (object) => resources.includes(plural[object.kind]),
    refuses: (object) => evaluate(policy.spec, {object: celValue(object)})};
}

function gatekeeperRule(file) {
  const [template, constraint] = read("gatekeeper", file);
  const kind = template.spec.crd.spec.names.kind;
  const [{code: [{engine, source}]}] = template.spec.targets;
  check(template.metadata.name === kind.toLowerCase() && constraint.kind === kind &&
    engine === "K8sNativeValidation", `gatekeeper/${file}: a template, and a constraint of its kind`);
  const {kinds, excludedNamespaces} = constraint.spec.match;
  return {file, exempt: excludedNamespaces,
    isFor: (object) => kinds.some((one) => one.kinds.includes(object.kind)),
    refuses: (object) => evaluate(source, {variables: {anyObject: celValue(object)}})};
}

function messages(rule, object, where) {
  if (!rule.isFor(object)) return [];
  try {
    return rule.refuses(object);
  } catch (error) {
    check(false, `${where} can be evaluated`, error);
    return [];
  }
}

const native = files("validating-admission-policy").map(nativeRule);
const gatekeeper = files("gatekeeper").map(gatekeeperRule);
check(JSON.stringify(native.map(({file}) => file)) === JSON.stringify(gatekeeper.map(({file}) => file)),
  "both folders have the same rules");
const names = native.map(({file}) => file.replace(".yaml", ""));
const expected = new Set(samples.flatMap(({refused}) => refused));
check(names.every((name) => expected.has(name)) && expected.size === names.length,
  "every rule refuses some sample");
native.forEach((rule, i) => check(JSON.stringify(rule.exempt) === JSON.stringify(gatekeeper[i].exempt),
  `${rule.file}: both exempt the same namespaces`));
for (const rule of native.filter(({resources}) => resources.includes("pods")))
  if (rule.file !== "example-resource-limits.yaml") // ephemeral containers cannot have limits
    check(rule.resources.includes("pods/ephemeralcontainers"), `${rule.file}: ephemeral containers too`);

for (const {name, object, refused} of samples) {
  names.forEach((rule, i) => {
    const where = `${rule} about ${name}`;
    const said = messages(native[i], object, where), other = messages(gatekeeper[i], object, where);
    const should = refused.includes(rule);
    check(said.length > 0 === should, `${where}: ${should ? "refused" : "passes"}`, said);
    check(JSON.stringify(said) === JSON.stringify(other), `${where}: Gatekeeper says the same`, said, other);
  });
}
const [ownNode] = read("../kubernetes/components/startup-taint", "own-node.yaml");
for (const {name, user, extra, before, after, isAllowed} of nodeChanges) {
  const bindings = {object: celValue(after), oldObject: celValue(before),
    request: celValue({userInfo: {username: user, extra}})};
  const isMeant = ownNode.spec.matchConditions.every(({expression}) => run(expression, bindings) === true);
  const said = isMeant ? evaluate(ownNode.spec, bindings) : [];
  check(said.length === 0 === isAllowed, `startup taint, ${name}: ${isAllowed ? "passes" : "refused"}`, said);
}
console.log(`1..${count}`);
process.exit(failed ? 1 : 0);
