import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { writeTemplates } from "../scripts/templates.mjs"
import { templates } from "../src/internal/templates.js"
import { create, main } from "../src/NodeCreate.js"

interface Manifest {
  readonly name: string
  readonly scripts: { readonly [name: string]: string }
  readonly dependencies: { readonly [name: string]: string }
  readonly devDependencies: { readonly [name: string]: string }
}

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "create-"))
})

afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true })
})

const manifestIn = (directory: string) => JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest

const filesIn = (directory: string) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

describe("a project", () => {
  const from = mkdtempSync(join(tmpdir(), "templates-"))

  beforeAll(() => {
    expect(writeTemplates(from)).toEqual([])
  })

  afterAll(() => rm(from, { recursive: true }))

  const made = async (template: string) => {
    const directory = join(folder, "My Registry")
    await create({ directory, template, from })
    return directory
  }

  it.each(Object.keys(templates))("is created from the template %s, and stands alone", async (template) => {
    const directory = await made(template)
    const { dependencies, devDependencies, name, scripts } = manifestIn(directory)
    expect(name).toBe("my-registry")
    expect(Object.keys(scripts)).toEqual(["start", "build", "test", "check"])
    const installed = new Set(Object.keys({ ...dependencies, ...devDependencies }))
    expect([...installed].filter((each) => /testing|bench|example/.test(each))).toEqual([])
    for (const file of filesIn(directory).filter((each) => each.endsWith(".ts"))) {
      const imports = [...readFileSync(file, "utf8").matchAll(/ from "(@[\w-]+\/[\w-]+|[a-z][\w-]*)(?:\/[^"]*)?"/g)]
      expect(imports.map(([, imported]) => imported).filter((each) => !installed.has(String(each)))).toEqual([])
    }
    expect(readdirSync(directory)).toEqual(expect.arrayContaining([".gitignore", "README.md", "tsconfig.json"]))
    expect(readdirSync(join(directory, "test")).filter((file) => file.endsWith(".test.ts"))).not.toEqual([])
  })

  it("exists for each example that can stand alone", () => {
    const examples = readdirSync(new URL("../../../examples", import.meta.url))
    expect([...Object.keys(templates), "edge"].sort()).toEqual(examples.sort())
  })
})

describe("the command", () => {
  const run = async (...args: ReadonlyArray<string>) => {
    const written = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const) {
      vi.spyOn(process[name], "write").mockImplementation((text) => {
        written[name] += String(text)
        return true
      })
    }
    return { code: await main(args), ...written }
  }

  it("lists the templates", async () => {
    const { code, stdout } = await run("--help")
    expect(code).toBe(0)
    for (const name of Object.keys(templates)) expect(stdout).toContain(`  ${name} `)
  })

  it.each([
    [[], "The directory is missing."],
    [["app"], "The template is missing."],
    [["app", "other", "--template", "copy"], "Name one directory, not 2."],
    [["app", "--template", "toString"], "Unknown template \"toString\"."],
    [["app", "--tempalte", "copy"], "Unknown option '--tempalte'"]
  ])("refuses the arguments %j without a terminal", async (args, message) => {
    const { code, stderr, stdout } = await run(...args)
    expect(code).toBe(2)
    expect(stdout).toBe("")
    expect(stderr).toContain(`create-effect-oci: ${message}`)
  })

  it("does not write into a directory that has content, or into a file", async () => {
    const directory = join(folder, "app")
    await mkdir(directory)
    await writeFile(join(directory, "mine"), "mine")
    const full = await run(directory, "--template", "copy")
    expect(full.code).toBe(2)
    expect(full.stderr).toContain(`${directory} is not empty. Name a directory that does not exist yet.`)
    expect(readdirSync(directory)).toEqual(["mine"])
    const file = await run(join(directory, "mine"), "--template", "copy")
    expect(file.stderr).toContain("is a file. Name a directory")
  })
})
