// Adds a nineteenth operation, in memory, and lists the sources that then no longer compile: every place that decides
// what an operation does. Fails if the list is not the one below.
import { join } from "node:path"
import ts from "typescript"
import { fail, root, shown, wholeProject } from "./workspace.mjs"

/** The places that someone who adds an operation has to visit. @type {ReadonlyArray<string>} */
const expected = [
  "examples/gateway/src/gateway.ts",
  "packages/client/src/Client.ts",
  "packages/core/src/Middleware.ts",
  "packages/core/src/OperationSchema.ts",
  "packages/core/src/OperationTraits.ts",
  "packages/core/src/UploadIds.ts",
  "packages/explain/src/internal/overlay.ts",
  "packages/laws/src/internal/models.ts",
  "packages/laws/src/internal/quotaModel.ts",
  "packages/laws/src/internal/response.ts",
  "packages/laws/src/internal/spec.ts",
  "packages/laws/src/internal/unionModel.ts",
  "packages/middleware/src/AsCaller.ts",
  "packages/middleware/src/Authorize.ts",
  "packages/middleware/src/Filter.ts",
  "packages/middleware/src/Gate.ts",
  "packages/middleware/src/Immutable.ts",
  "packages/middleware/src/Matured.ts",
  "packages/middleware/src/Quota.ts",
  "packages/middleware/src/Route.ts",
  "packages/middleware/src/Sub.ts",
  "packages/middleware/src/Tracing.ts",
  "packages/middleware/src/Under.ts",
  "packages/middleware/src/Union.ts",
  "packages/middleware/src/internal/cache/shared.ts",
  "packages/middleware/src/internal/observe.ts",
  "packages/middleware/src/internal/rejectAll.ts",
  "packages/middleware/src/internal/retry/rows.ts",
  "packages/protocol/src/Endpoint.ts",
  "packages/protocol/src/ErrorBody.ts",
  "packages/protocol/src/Request.ts",
  "packages/protocol/src/internal/errorCodes.ts",
  "packages/protocol/src/internal/responseDecoders.ts",
  "packages/protocol/src/internal/responseEncoders.ts",
  "packages/recording/src/internal/comparableResponse.ts",
  "packages/recording/src/internal/shadowReplay.ts",
  "packages/server/src/internal/brokenUploads.ts",
  "packages/store/src/Store.ts",
  "packages/testing/src/History.ts",
  "packages/testing/src/OperationScopes.ts",
  "packages/testing/src/RegistrySamples.ts",
  "packages/testing/src/arbitraries/operations.ts",
  "packages/testing/src/internal/fuzz/requests.ts",
  "packages/testing/src/internal/fuzz/responses.ts",
  "packages/testing/src/internal/fuzz/sampleOperations.ts",
  "packages/verify/src/Verify.ts"
]

/** What makes the operation exist: its class, its name and its result. @type {Record<string, (text: string) => string>} */
const additions = {
  "packages/core/src/OperationTag.ts": (text) =>
    text.replace("\"ListReferrers\"\n", "\"ListReferrers\",\n  \"RenameTag\"\n"),
  "packages/core/src/OperationModel.ts": (text) =>
    text.replace("  | ListReferrers\n", "  | ListReferrers\n  | RenameTag\n") +
    `export class RenameTag extends Data.TaggedClass("RenameTag")<{
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly to: Tag
}> {}
`,
  "packages/core/src/OperationResult.ts": (text) =>
    text.replace("  readonly ListRepositories:", "  readonly RenameTag: Upload\n  readonly ListRepositories:")
}

const { fileNames, options } = wholeProject({ incremental: false })
const host = ts.createCompilerHost(options)
let changed = 0
host.readFile = (/** @type {string} */ file) => {
  const text = ts.sys.readFile(file)
  const change = additions[shown(file)]
  if (text === undefined || change === undefined) return text
  const result = change(text)
  if (result !== text) changed += 1
  return result
}
const sources = fileNames.filter((file) => /^(packages|examples)\/[^/]+\/src\//.test(shown(file)))
const program = ts.createProgram(sources, options, host)
const broken = ts.getPreEmitDiagnostics(program).flatMap(({ file }) => file === undefined ? [] : [shown(file.fileName)])
const found = Array.from(new Set(broken)).sort()

if (changed !== Object.keys(additions).length) fail(`could not add the operation: changed ${changed} files`)
for (const file of found.filter((file) => !expected.includes(file))) {
  fail(`${file}: stops compiling; add it to the list`)
}
for (const file of expected.filter((file) => !found.includes(file))) {
  fail(`${join(root, file)}: compiles although it does not know the new operation`)
}
if (process.exitCode === undefined) console.log(`Places that decide what an operation does:\n${found.join("\n")}`)
