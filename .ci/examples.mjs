// Compiles the examples: fenced `ts` blocks of doc comments and, where they start with an import, of the READMEs and of
// the pages in the packages' `docs`. Those of pages are programs: they are run, over what was built, and must end well.
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import ts from "typescript"
import { fail, root, shown, sourcesOf, wholeProject, workspaces } from "./workspace.mjs"

/** Each example is a module beside the file that it stands in, on the same lines. @type {Map<string, string>} */
const examples = new Map()

/** @param {string} file @param {RegExp} margin what stands before each line of a block */
const extract = (file, margin) => {
  /** @type {Array<string> | undefined} */
  let block
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    const text = line.replace(margin, "")
    if (block === undefined) {
      if (margin.test(line) && /^```(ts|typescript)\b/.test(text)) block = Array.from({ length: index + 1 }, () => "")
    } else if (text.startsWith("```")) {
      const whole = file.endsWith(".ts") || block.join("\n").trimStart().startsWith("import ")
      if (whole) examples.set(`${file}.${index}.ts`, block.join("\n"))
      block = undefined
    } else {
      block.push(text)
    }
  }
}

for (const file of workspaces.flatMap((each) => sourcesOf(each, "src"))) extract(file, /^\s*\* ?/)
for (const folder of [root, ...workspaces.map((each) => each.folder)]) {
  if (existsSync(join(folder, "README.md"))) extract(join(folder, "README.md"), /^/)
  if (!existsSync(join(folder, "docs"))) continue
  for (const page of readdirSync(join(folder, "docs"))) {
    if (page.endsWith(".md")) extract(join(folder, "docs", page), /^/)
  }
}

const { options } = wholeProject({ incremental: false, noUnusedLocals: false })
const disk = ts.createCompilerHost(options)
const program = ts.createProgram([...examples.keys()], options, {
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

for (const name of examples.keys()) {
  const source = program.getSourceFile(name)
  for (
    const { messageText, start } of [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source)
    ]
  ) {
    const line = source?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0
    failAt(name, line + 1, ts.flattenDiagnosticMessageText(messageText, "\n"))
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

const programs = [...examples].filter(([name]) => /[\\/]docs[\\/][^\\/]+$/.test(name) && !broken.has(name)).entries()
const worker = async () => {
  for (const [index, [name, text]] of programs) await run(name, text, index)
}
await Promise.all(Array.from({ length: availableParallelism() }, worker))
rmSync(folder, { recursive: true })
