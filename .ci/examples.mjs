// Compiles the examples: fenced `ts` blocks of doc comments and, where they start with an import, of the READMEs.
import { existsSync, readFileSync } from "node:fs"
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

for (const name of examples.keys()) {
  const source = program.getSourceFile(name)
  for (
    const { messageText, start } of [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source)
    ]
  ) {
    const line = source?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0
    fail(`${shown(name.replace(/\.\d+\.ts$/, ""))}:${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`)
  }
}
