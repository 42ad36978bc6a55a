/**
 * The options of the node commands: from the command line, then from the configuration file, then
 * by default. One table of a command's options is all there is to know of them: their flags, their
 * kinds and their keys in the file.
 */

import { CommanderError } from "commander";
import { Command, Option } from "@commander-js/extra-typings";
import { ConfigurationError } from "../nodes/errors.ts";
import { readSection, type Section } from "./config_file.ts";

/** What an option's value is. A `flag` takes none on the command line. */
export type OptionKind = "text" | "path" | "integer" | "number" | "flag";

/** One option of a command. */
export interface OptionSpec {
  /** `-c, --cluster <name>`. */
  readonly flags: string;
  readonly kind: OptionKind;
  readonly help: string;
  /** The value where neither the command line nor the file has one. */
  readonly default?: string;
  readonly choices?: readonly string[];
  readonly required?: true;
  /** Whether it may be given several times: then see {@link OptionValues.texts}. */
  readonly repeatable?: true;
  /** Whether an empty value means something. */
  readonly mayBeEmpty?: true;
  /** Whether it is not read from the configuration file. */
  readonly commandLineOnly?: true;
  /** Whether `--help` does not speak of it. */
  readonly hidden?: true;
}

/** A mistake on the command line: exit status 2, as argparse has it. */
export class UsageError extends ConfigurationError {}

/** The values of a command's options by their long names; an absent one is undefined. */
export class OptionValues {
  readonly #specs: ReadonlyMap<string, OptionSpec>;
  readonly #given: ReadonlyMap<string, readonly string[]>;
  readonly #section: Section;

  constructor(
    specs: ReadonlyMap<string, OptionSpec>,
    given: ReadonlyMap<string, readonly string[]>,
    section: Section,
  ) {
    this.#specs = specs;
    this.#given = given;
    this.#section = section;
    for (const [name, spec] of specs) this.#check(name, spec);
  }

  #check(name: string, spec: OptionSpec): void {
    const value = this.text(name);
    if (value === undefined && spec.required) {
      throw new UsageError(`argument ${flagsText(spec)} is required`);
    }
    if (value === "" && spec.kind !== "flag" && !spec.mayBeEmpty) {
      throw new UsageError(`argument ${flagsText(spec)}: value is empty`);
    }
    if (value !== undefined && spec.choices !== undefined && !spec.choices.includes(value)) {
      const choices = spec.choices.map((choice) => `'${choice}'`).join(", ");
      throw new UsageError(
        `argument ${flagsText(spec)}: invalid choice: '${value}' (choose from ${choices})`,
      );
    }
    if (spec.kind === "integer") this.integer(name);
    if (spec.kind === "number") this.number(name);
    if (spec.kind === "flag") this.flag(name);
  }

  /** The texts of a repeatable option, in the order in which they were given. */
  texts(name: string): readonly string[] {
    return this.#given.get(name) ?? [];
  }

  /** An option's text. */
  text(name: string): string | undefined {
    const spec = this.#specs.get(name);
    if (spec === undefined) throw new RangeError(`there is no option ${name}`);
    const given = this.#given.get(name)?.at(-1);
    if (given !== undefined) return given;
    const key = name.replaceAll("-", "_");
    const filed = spec.commandLineOnly ? undefined : this.#section.get(key);
    return filed ?? spec.default;
  }

  /** The text of an option that is required or has a default. */
  requiredText(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new RangeError(`option ${name} has no value`);
    return value;
  }

  integer(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined || /^-?\d+$/.test(text)) return text === undefined ? text : Number(text);
    return this.#invalid(name, "int", text);
  }

  number(name: string): number | undefined {
    const text = this.text(name);
    const value = Number(text ?? 0);
    if (Number.isNaN(value)) return this.#invalid(name, "float", text ?? "");
    return text === undefined ? undefined : value;
  }

  flag(name: string): boolean {
    const text = this.text(name) ?? "false";
    if (/^(1|yes|true|on)$/i.test(text)) return true;
    if (/^(0|no|false|off)$/i.test(text)) return false;
    throw new UsageError(`${name.replaceAll("-", "_")}: Not a boolean: ${text}`);
  }

  #invalid(name: string, type: string, text: string): never {
    const spec = this.#specs.get(name);
    const flags = spec === undefined ? name : flagsText(spec);
    throw new UsageError(`argument ${flags}: invalid ${type} value: '${text}'`);
  }
}

/** Everything that is wrong with the values of a section, one text for each option. */
export function mistakesIn(specs: readonly OptionSpec[], section: Section): string[] {
  return specs.flatMap((spec) => {
    try {
      new OptionValues(new Map([[longName(spec), spec]]), new Map(), section);
      return [];
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return [error.message];
    }
  });
}

/** The values of a section and, where it has none, the defaults. Throws a UsageError. */
export function sectionValues(specs: readonly OptionSpec[], section: Section): OptionValues {
  return new OptionValues(new Map(specs.map((spec) => [longName(spec), spec])), new Map(), section);
}

/** The key of an option in a configuration file. */
export function keyOf(spec: OptionSpec): string {
  return longName(spec).replaceAll("-", "_");
}

/** `-c, --cluster <name>` → `-c/--cluster`. */
function flagsText({ flags }: OptionSpec): string {
  return flags.replace(/ <.*$/, "").replace(", ", "/");
}

/** What a command is called and how its command line is read. */
export interface CommandSpec {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionSpec[];
  /** The section of the configuration file, where the command has one (`-f`, `-s`). */
  readonly section?: string;
  /** The names of what follows the options, such as `[command...]` or `<cluster> <file>`. */
  readonly arguments?: string;
  /** Whether options may follow arguments; otherwise what does belongs to these. */
  readonly interspersed?: true;
  readonly epilogue?: string;
}

/** A command line that was read; null when it asked for help, which was then printed. */
export interface CommandLine {
  readonly values: OptionValues;
  readonly arguments: readonly string[];
}

/** Reads files for {@link parseCommandLine}; null when there is none. */
export type ReadFile = (path: string) => string | null;

/** Reads a command line. Throws a UsageError or a ConfigurationError. */
export function parseCommandLine(
  spec: CommandSpec,
  args: readonly string[],
  readFile: ReadFile,
  expandHome: (path: string) => string,
): CommandLine | null {
  const options = new Map(spec.options.map((option) => [longName(option), option]));
  const given = new Map<string, string[]>();
  const command = commandOf(spec);
  for (const [name, option] of options) {
    const added = new Option(option.flags, helpOf(option));
    added.argParser((value: string) => {
      given.set(name, [...option.repeatable ? given.get(name) ?? [] : [], value]);
      return value;
    });
    if (option.hidden) added.hideHelp();
    command.addOption(added);
    if (option.kind === "flag") command.on(`option:${name}`, () => void given.set(name, ["true"]));
  }
  try {
    command.parse(expandAbbreviations(args, [...options.keys(), "help"], spec), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return null;
    throw new UsageError(error.message.replace(/^error: /, "").replaceAll("\n", " "));
  }
  const section = sectionOf(spec, given, readFile, expandHome);
  return { values: new OptionValues(options, given, section), arguments: command.args };
}

function commandOf(spec: CommandSpec) {
  const command = new Command(spec.name)
    .description(spec.description)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .helpOption("-h, --help", "show this help and exit");
  if (spec.arguments === undefined) command.allowExcessArguments(false);
  else if (spec.arguments.includes(" ")) {
    // The command looks at them itself: it knows what each of them means.
    command.argument("[words...]").usage(`[options] ${spec.arguments}`);
  } else command.argument(spec.arguments);
  // What follows the first argument belongs to it, options included.
  command.passThroughOptions(spec.arguments !== undefined && !spec.interspersed);
  if (spec.epilogue !== undefined) command.addHelpText("after", `\n${spec.epilogue}`);
  return command;
}

function helpOf({ help, default: value, choices }: OptionSpec): string {
  const chosen = choices === undefined ? "" : ` (${choices.join(", ")})`;
  return help + chosen + (value ? ` (default: ${value})` : "");
}

function longName({ flags }: OptionSpec): string {
  const found = /--([a-z_-]+)/.exec(flags);
  if (found?.[1] === undefined) throw new RangeError(`${flags} has no long name`);
  return found[1];
}

/** Long options may be cut short, as long as they stay the only ones that begin so. */
function expandAbbreviations(
  args: readonly string[],
  names: readonly string[],
  spec: CommandSpec,
): string[] {
  const end = args.findIndex((arg) => arg === "--");
  return args.map((arg, at) => {
    const found = /^--([a-z_-]+)(=.*)?$/s.exec(arg);
    if (found?.[1] === undefined || (end >= 0 && at >= end)) return arg;
    const matches = names.filter((name) => name.startsWith(found[1] ?? ""));
    if (names.includes(found[1]) || matches.length === 0) return arg;
    if (matches.length === 1) return `--${matches[0]}${found[2] ?? ""}`;
    // Options of a sub-command are not ours to judge.
    if (spec.arguments !== undefined && !spec.interspersed) return arg;
    throw new UsageError(
      `ambiguous option: ${arg} could match ${matches.map((name) => `--${name}`).join(", ")}`,
    );
  });
}

function sectionOf(
  spec: CommandSpec,
  given: ReadonlyMap<string, readonly string[]>,
  readFile: ReadFile,
  expandHome: (path: string) => string,
): Section {
  const file = given.get("file")?.at(-1);
  if (spec.section === undefined || file === undefined) return new Map();
  const text = readFile(expandHome(file));
  const section = given.get("section")?.at(-1) ?? spec.section;
  if (text === null) {
    throw new ConfigurationError(`No section: '${section}' (there is no file ${file})`);
  }
  return readSection(text, section, file);
}
