// Compiles all sources, tests and the tooling as one program, with Effect's own diagnostics: floating effects and such. Then
// checks the public API.
import { createRequire } from "node:module"
import ts from "typescript"
import { checkApi } from "./api.mjs"
import { fail, root, wholeProject } from "./workspace.mjs"

const effect = "@effect/language-service"

// NodeNext reads effect's declarations as CommonJS, and its interop makes copies of their names behind `import * as`, which
// Effect's diagnostics then do not know as Effect's.
const { errors, fileNames, options } = wholeProject({
  esModuleInterop: false,
  allowSyntheticDefaultImports: true,
  incremental: false
})
const program = ts.createProgram(fileNames, options)
const diagnostics = [...errors, ...ts.getPreEmitDiagnostics(program)]

const plugin = /** @type {Array<ts.PluginImport>} */ (options.plugins).find(({ name }) => name === effect)
const transformer = createRequire(import.meta.url)(`${effect}/transform.js`).default
const check = transformer(program, plugin, {
  addDiagnostic: (/** @type {ts.Diagnostic} */ found) => diagnostics.push(found),
  ts
})(undefined)
for (const file of program.getSourceFiles()) {
  if (!file.isDeclarationFile && !file.fileName.endsWith(".tst.ts")) check(file)
}

if (diagnostics.length > 0) {
  fail(ts.formatDiagnosticsWithColorAndContext(ts.sortAndDeduplicateDiagnostics(diagnostics), {
    getCanonicalFileName: (file) => file,
    getCurrentDirectory: () => root,
    getNewLine: () => "\n"
  }))
}

checkApi(program)
