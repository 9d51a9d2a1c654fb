/**
 * The command `create-effect-oci`, which `npm create effect-oci` runs: creates a project from a template.
 *
 * @since 0.1.0
 */
import * as prompts from "@clack/prompts"
import { cp, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises"
import { basename, join, relative, resolve } from "node:path"
import { parseArgs } from "node:util"
import { templates } from "./internal/templates.js"

/** A message for the user. */
class Problem extends Error {}

const usage = `npm create effect-oci@latest DIRECTORY -- --template NAME

Creates a project in a new directory. On a terminal, asks for what is missing.

Templates:
${Object.entries(templates).map(([name, text]) => `  ${name.padEnd(18)}${text}`).join("\n")}
`

const isTerminal = () => process.stdin.isTTY && process.stdout.isTTY

/** Returns the answer. Ctrl-C ends the program. */
const answered = (answer: string | symbol): string => {
  if (typeof answer === "string") return answer
  prompts.cancel("Nothing was created.")
  process.exit(130)
}

const askForDirectory = async (): Promise<string> =>
  answered(
    await prompts.text({
      message: "In which directory?",
      placeholder: "my-registry",
      defaultValue: "my-registry"
    })
  )

const askForTemplate = async (): Promise<string> =>
  answered(
    await prompts.select({
      message: "Which template?",
      options: Object.entries(templates).map(([value, hint]) => ({ value, label: value, hint }))
    })
  )

/** Returns the given value. Without one, asks on a terminal, and fails elsewhere. */
const given = async (value: string | undefined, ask: () => Promise<string>, missing: string): Promise<string> => {
  if (value !== undefined) return value
  if (!isTerminal()) throw new Problem(`${missing}\n\n${usage}`)
  return ask()
}

/** Returns the entries of a directory, none if it does not exist. */
const entriesOf = async (directory: string): Promise<ReadonlyArray<string>> => {
  try {
    return await readdir(directory)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "ENOENT") return []
    if (code === "ENOTDIR") throw new Problem(`${directory} is a file. Name a directory that does not exist yet.`)
    throw error
  }
}

/** Makes a name that npm accepts: lower case, without a dot or an underscore at its start, at most 214 characters. */
const packageName = (directory: string): string =>
  basename(directory).toLowerCase().replaceAll(/[^a-z0-9._~-]+/g, "-").replace(/^[._-]+/, "").slice(0, 214) ||
  "registry"

const templatesDirectory = resolve(import.meta.dirname, "../templates")

/**
 * Options for {@link create}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The directory of the project, which does not exist yet or is empty. */
  readonly directory: string
  /** The name of a template. */
  readonly template: string
  /** The directory with the templates. Default: the templates of this package. */
  readonly from?: string | undefined
}

/**
 * Creates a project from a template. Rejects with an error whose message is for the user if the template is unknown or
 * if the directory has content, and then writes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const create = async ({ directory, from = templatesDirectory, template }: Options): Promise<void> => {
  if (!Object.hasOwn(templates, template)) {
    throw new Problem(`Unknown template ${JSON.stringify(template)}.\n\n${usage}`)
  }
  const target = resolve(directory)
  if ((await entriesOf(target)).length > 0) {
    throw new Problem(`${directory} is not empty. Name a directory that does not exist yet.`)
  }
  await mkdir(target, { recursive: true })
  await cp(join(from, template), target, { recursive: true })
  // npm leaves a file `.gitignore` out of a package.
  await rename(join(target, "gitignore"), join(target, ".gitignore"))
  const file = join(target, "package.json")
  const manifest = JSON.parse(await readFile(file, "utf8")) as object
  await writeFile(file, `${JSON.stringify({ ...manifest, name: packageName(target) }, undefined, 2)}\n`)
}

const nextSteps = (directory: string, template: string): string => {
  const path = relative(process.cwd(), resolve(directory))
  return [
    `Created ${directory} from the template ${template}. Next:`,
    "",
    ...(path === "" ? [] : [`  cd ${/^[\w./-]+$/.test(path) ? path : JSON.stringify(path)}`]),
    "  npm install",
    "  npm start      # builds and runs it; README.md has its settings",
    "  npm test",
    ""
  ].join("\n")
}

/**
 * Runs the command. Returns the exit code: 0 if the project was created, 2 for a wrong argument, 1 for another failure.
 *
 * @since 0.1.0
 * @category main
 */
export const main = async (args: ReadonlyArray<string>): Promise<number> => {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { template: { type: "string", short: "t" }, help: { type: "boolean", short: "h" } }
    })
    if (values.help === true) {
      process.stdout.write(usage)
      return 0
    }
    if (positionals.length > 1) throw new Problem(`Name one directory, not ${positionals.length}.\n\n${usage}`)
    const directory = await given(positionals[0], askForDirectory, "The directory is missing.")
    const template = await given(values.template, askForTemplate, "The template is missing.")
    await create({ directory, template })
    process.stdout.write(nextSteps(directory, template))
    return 0
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    process.stderr.write(`create-effect-oci: ${message}\n`)
    return error instanceof Problem || code?.startsWith("ERR_PARSE_ARGS") === true ? 2 : 1
  }
}
