// Compiles the examples: fenced `ts` blocks of doc comments and, where they start with an import, of the READMEs and of
// the pages in `docs`. They see what users see: the declarations that were built, of all public modules, which must
// compile without `skipLibCheck`. Those of pages are programs: they are run, over what was built, and must end well. Two
// kinds are not run: blocks that begin with the comment of a file name, which import each other, and blocks marked
// `ts no-run`.
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { basename, join } from "node:path"
import ts from "typescript"
import {
  declarationsOf,
  fail,
  markdownOf,
  publicPackages,
  root,
  shown,
  sourcesOf,
  wholeProject,
  workspaces
} from "./workspace.mjs"

/** Each example is a module beside the file that it stands in, on the same lines. @type {Map<string, string>} */
const examples = new Map()

/** The names of examples that are programs. @type {Set<string>} */
const programs = new Set()

/** @typedef {{ index: number, text: string, file: string | undefined, runs: boolean }} Block */

/** Returns the blocks of a file. @param {string} file @param {RegExp} margin what stands before each line of a block */
const blocksOf = (file, margin) => {
  /** @type {Array<Block>} */
  const blocks = []
  /** @type {{ lines: Array<string>, isMarked: boolean } | undefined} */
  let open
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    const text = line.replace(margin, "")
    if (open === undefined) {
      if (!margin.test(line) || !/^```(ts|typescript)( no-run)?$/.test(text)) continue
      open = { lines: Array.from({ length: index + 1 }, () => ""), isMarked: text.endsWith(" no-run") }
    } else if (text.startsWith("```")) {
      const example = open.lines.join("\n")
      const [, named] = /^\n*\/\/ (?:[\w-]+\/)*([\w.-]+)\.ts\n/.exec(example) ?? []
      blocks.push({ index, text: example, file: named, runs: !open.isMarked && named === undefined })
      open = undefined
    } else {
      open.lines.push(text)
    }
  }
  return blocks
}

/** @param {string} file @param {RegExp} margin */
const extract = (file, margin) => {
  const blocks = blocksOf(file, margin)
  for (const { index, runs, text } of blocks) {
    const code = text.trimStart().replace(/^\/\/.*\n/, "")
    if (!file.endsWith(".ts") && !code.startsWith("import ")) continue
    // A file of a page is the last block with its name, or the next one.
    const linked = text.replaceAll(/"\.\/([\w.-]+)\.js"/g, (whole, name) => {
      const versions = blocks.filter((block) => block.file === name)
      const version = versions.findLast((block) => block.index <= index) ?? versions[0]
      return version === undefined ? whole : `"./${basename(file)}.${version.index}.js"`
    })
    const name = `${file}.${index}.ts`
    examples.set(name, linked)
    if (runs && /[\\/]docs[\\/]/.test(file)) programs.add(name)
  }
}

for (const file of workspaces.flatMap((each) => sourcesOf(each, "src"))) extract(file, /^\s*\* ?/)
for (const folder of [root, ...workspaces.map((each) => each.folder)]) {
  for (const page of markdownOf(folder)) extract(page, /^/)
}

const { options } = wholeProject({
  composite: false,
  declaration: false,
  declarationMap: false,
  incremental: false,
  noUnusedLocals: false,
  paths: {},
  skipLibCheck: false
})
const declarations = publicPackages.flatMap(declarationsOf)
const disk = ts.createCompilerHost(options)
const program = ts.createProgram([...examples.keys(), ...declarations], options, {
  ...disk,
  fileExists: (file) => examples.has(file) || disk.fileExists(file),
  getSourceFile: (file, target, ...rest) => {
    const example = examples.get(file)
    return example === undefined
      ? disk.getSourceFile(file, target, ...rest)
      : ts.createSourceFile(file, example, target)
  }
})

/** @param {string} name @param {number} line counted from 1 @param {string} problem */
const failAt = (name, line, problem) => {
  fail(`${shown(name.replace(/\.\d+\.ts$/, ""))}:${line}: ${problem}`)
  broken.add(name)
}

/** @type {Set<string>} */
const broken = new Set()

const inPackages = `${join(root, "packages")}/`.replaceAll("\\", "/")
/** @param {ts.SourceFile} file */
const isOurs = ({ fileName }) => fileName.startsWith(inPackages) || examples.has(fileName)

for (const source of program.getSourceFiles().filter(isOurs)) {
  const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
  for (const { messageText, start } of diagnostics) {
    const { line } = source.getLineAndCharacterOfPosition(start ?? 0)
    failAt(source.fileName, line + 1, ts.flattenDiagnosticMessageText(messageText, "\n"))
  }
}

/** How long a program may take, in milliseconds. */
const timeout = 60_000

// Below the root, so that Node finds the packages.
const folder = mkdtempSync(join(root, "node_modules", ".examples-"))
const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }

/** @param {string} name @param {string} text @param {number} index */
const run = (name, text, index) => {
  const file = join(folder, `${index}.mjs`)
  writeFileSync(file, ts.transpileModule(text, { compilerOptions }).outputText)
  return new Promise((resolve) =>
    execFile(process.execPath, [file], { timeout }, (error, stdout, stderr) => {
      const line = Number(/\.(\d+)\.ts$/.exec(name)?.[1])
      if (error !== null) failAt(name, line, error.killed ? `took over ${timeout} ms` : `fails\n${stdout}${stderr}`)
      resolve(undefined)
    })
  )
}

const queue = [...examples].filter(([name]) => programs.has(name) && !broken.has(name)).entries()
const worker = async () => {
  for (const [index, [name, text]] of queue) await run(name, text, index)
}
await Promise.all(Array.from({ length: availableParallelism() }, worker))
rmSync(folder, { recursive: true })
