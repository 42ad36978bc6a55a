/**
 * Keeps the door to the outside shut: whatever a room wants of clocks, timers, randomness, sockets,
 * files or the environment, it has to ask of its Host, or a simulated cluster could not be replayed
 * from its seed. And the client, which others import, must depend on nobody's packages.
 *
 * The rules know names, not scopes: a local variable called `fetch` is reported as well, and is
 * better named otherwise.
 */

type Node = Deno.lint.Node;
type Context = Deno.lint.RuleContext;

const ROOT = new URL("../../", import.meta.url).pathname;

/** Rooms whose every import the client carries along. */
const CLIENT_ROOMS = /^(mod\.ts|gen\/.*|nodes\/(errors\.ts|(codec|wire|cluster|client|host)\/.*))$/;

/** All that lives behind the door: it has no outside but its Host. */
const INNER_ROOMS = /^(mod\.ts|gen\/.*|nodes\/(?!host\/).*)$/;

/** The part of the host that runs on Deno alone; the rest also runs on Node and Bun. */
const SERVER_HOST = /^nodes\/host\/(node|sqlite|mysql|database_lock|random_file|signals)\.ts$/;

/** Globals that reach the outside, or anything global at all. */
const GLOBALS = new Set([
  "Deno",
  "crypto",
  "fetch",
  "globalThis",
  "performance",
  "process",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);

/** Members of otherwise harmless globals. */
const MEMBERS = new Set(["Date.now", "Math.random"]);

/** Modules of Node that compute and do nothing else; and which of their names do. */
const PURE_MODULES = new Map<string, RegExp>([
  ["node:assert", /./],
  ["node:assert/strict", /./],
  ["node:buffer", /^Buffer$/],
  ["node:crypto", /^createHash$/],
  ["node:zlib", /^(\w+Sync|constants)$/],
]);

const ASK_THE_HOST = "Ask for it through the Host (nodes/host/host.ts).";

function roomOf(context: Context): string {
  const { filename } = context;
  return filename.startsWith(ROOT) ? filename.slice(ROOT.length) : filename;
}

function sameNode(a: Node | null, b: Node): boolean {
  return a !== null && a.range[0] === b.range[0] && a.range[1] === b.range[1];
}

/** Whether an identifier is the name of a member or of a declared property, not a variable. */
function isMemberName(node: Deno.lint.Identifier): boolean {
  const { parent } = node;
  switch (parent.type) {
    case "MemberExpression":
      return !parent.computed && sameNode(parent.property, node);
    case "Property":
      return !parent.computed && !parent.shorthand && sameNode(parent.key, node);
    case "MethodDefinition":
    case "PropertyDefinition":
    case "TSMethodSignature":
    case "TSPropertySignature":
    case "TSAbstractMethodDefinition":
    case "TSAbstractPropertyDefinition":
      return !parent.computed && sameNode(parent.key, node);
    case "TSQualifiedName":
      return sameNode(parent.right, node);
    default:
      return false;
  }
}

function isNamed(node: Node | null, name: string): boolean {
  return node?.type === "Identifier" && node.name === name;
}

/** `Date.now` of `Date.now` and of `Date["now"]`. */
function memberPath(node: Deno.lint.MemberExpression): string {
  const object = node.object.type === "Identifier" ? node.object.name : "";
  const { property } = node;
  if (property.type === "Identifier" && !node.computed) return `${object}.${property.name}`;
  return property.type === "Literal" ? `${object}.${property.value}` : "";
}

function report(context: Context, node: Node, what: string): void {
  context.report({ node, message: `${what} reaches outside.`, hint: ASK_THE_HOST });
}

function watchNames(context: Context, names: ReadonlySet<string>): Deno.lint.LintVisitor {
  return {
    Identifier(node) {
      if (names.has(node.name) && !isMemberName(node)) report(context, node, node.name);
    },
  };
}

/** Watches `Date` and `Math`, which are harmless but for a member each. */
function watchDateAndMath(context: Context): Deno.lint.LintVisitor {
  return {
    MemberExpression(node) {
      const path = memberPath(node);
      if (MEMBERS.has(path)) report(context, node, path);
    },
    NewExpression(node) {
      if (isNamed(node.callee, "Date") && node.arguments.length === 0) {
        report(context, node, "new Date()");
      }
    },
    CallExpression(node) {
      if (isNamed(node.callee, "Date")) report(context, node, "Date()");
    },
    VariableDeclarator(node) {
      for (const name of ["Date", "Math"]) {
        if (isNamed(node.init, name)) report(context, node, `another name for ${name}`);
      }
    },
  };
}

/** Calls back for each module that a file imports or exports, with the names that it takes. */
function watchModules(
  visit: (node: Node, specifier: string, names: readonly string[]) => void,
): Deno.lint.LintVisitor {
  const literal = (node: Node | null) =>
    node?.type === "Literal" && typeof node.value === "string" ? node.value : "";
  const nameOf = (node: Node) => (node.type === "Identifier" ? node.name : literal(node));
  return {
    ImportDeclaration(node) {
      visit(
        node,
        node.source.value,
        node.specifiers.map((each) =>
          each.type === "ImportSpecifier" ? nameOf(each.imported) : "*"
        ),
      );
    },
    ImportExpression(node) {
      visit(node, literal(node.source), ["*"]);
    },
    ExportAllDeclaration(node) {
      visit(node, node.source.value, ["*"]);
    },
    ExportNamedDeclaration(node) {
      if (node.source === null) return;
      visit(node, literal(node.source), node.specifiers.map((each) => nameOf(each.local)));
    },
  };
}

/** Which part of an import is not pure, or null. */
function impurePart(specifier: string, names: readonly string[]): string | null {
  if (!specifier.startsWith("node:")) return null;
  const pure = PURE_MODULES.get(specifier);
  if (pure === undefined) return specifier;
  const found = names.filter((name) => !pure.test(name));
  return found.length === 0 ? null : `${found.join(", ")} of ${specifier}`;
}

const outside: Deno.lint.Rule = {
  create(context) {
    const room = roomOf(context);
    if (room.startsWith("nodes/host/") && !SERVER_HOST.test(room)) {
      return watchNames(context, new Set(["Deno"]));
    }
    if (!INNER_ROOMS.test(room)) return {};
    return {
      ...watchNames(context, GLOBALS),
      ...watchDateAndMath(context),
      ...watchModules((node, specifier, names) => {
        const part = impurePart(specifier, names);
        if (part !== null) report(context, node, part);
      }),
    };
  },
};

const thirdParty: Deno.lint.Rule = {
  create(context) {
    if (!CLIENT_ROOMS.test(roomOf(context)) || SERVER_HOST.test(roomOf(context))) return {};
    return watchModules((node, specifier) => {
      if (/^(\.{1,2}\/|node:)/.test(specifier)) return;
      context.report({
        node,
        message: `The client imports ${JSON.stringify(specifier)}, which is not its own.`,
        hint: "Import relative files and node: modules only.",
      });
    });
  },
};

const plugin: Deno.lint.Plugin = {
  name: "door",
  rules: { "outside": outside, "third-party": thirdParty },
};

export default plugin;
