import * as Body from "@effect-oci/core/Body"
import type * as Operation from "@effect-oci/core/Operation"
import type { Expected } from "../Law.js"
import type { Difference, Fault } from "./judge.js"
import type { Line, Script } from "./script.js"

const quoted = (text: string): string => JSON.stringify(text)

const bytesOf = (bytes: Uint8Array): string => {
  const [first] = bytes
  if (bytes.byteLength > 64 && bytes.every((byte) => byte === first)) {
    return `new Uint8Array(${bytes.byteLength}).fill(${first})`
  }
  return `new TextEncoder().encode(${quoted(new TextDecoder().decode(bytes))})`
}

const makers: { readonly [field: string]: string } = {
  repository: "RepositoryName",
  from: "RepositoryName",
  digest: "Digest",
  ifMatch: "Digest",
  tag: "Tag"
}

/** Fields whose type depends on the operation. */
const makerOf = (operation: Operation.Operation, field: string, value: string): string | undefined => {
  if (field === "reference") return value.includes(":") ? "Digest" : "Tag"
  if (field === "last") return operation._tag === "ListRepositories" ? "RepositoryName" : "Tag"
  return makers[field]
}

const fieldOf = (operation: Operation.Operation, field: string, value: unknown): string => {
  if (field === "id") return `${field}: ${String(value)}?.id ?? ""`
  if (Body.isBody(value)) return `${field}: Body.bytes(${bytesOf(value.bytes ?? new Uint8Array(0))})`
  if (value instanceof Uint8Array) return `${field}: ${bytesOf(value)}`
  if (field === "tags") return `${field}: ${JSON.stringify(value)}.map(Tag.make)`
  if (field === "descriptor") {
    const { digest, mediaType, size } = value as { readonly [name: string]: unknown }
    return `${field}: { mediaType: ${JSON.stringify(mediaType)}, digest: Digest.make(${
      JSON.stringify(digest)
    }), size: ${String(size)} }`
  }
  const maker = typeof value === "string" ? makerOf(operation, field, value) : undefined
  return `${field}: ${maker === undefined ? JSON.stringify(value) : `${maker}.make(${JSON.stringify(value)})`}`
}

/** Returns the code of an operation. The id of an upload session comes from a variable. */
export const operation = (of: Operation.Operation): string => {
  const fields = Object.entries(of).filter(([name, value]) => name !== "_tag" && value !== undefined)
  return `new Operation.${of._tag}({ ${fields.map(([name, value]) => fieldOf(of, name, value)).join(", ")} })`
}

const uses = (script: Script, name: string): boolean =>
  script.some(({ operation }) => "id" in operation && operation.id === name)

/** Returns the upload sessions opened so far. A shortened script may lack the line that opened a session. */
const known = (script: Script, upTo: number): ReadonlySet<string> =>
  new Set(script.slice(0, upTo).map(({ opens }) => opens))

const call = (script: Script, line: Line, at: number, handle: string, suffix = ""): string => {
  const code = operation(line.operation)
  const named = "id" in line.operation && !known(script, at).has(line.operation.id)
    ? code.replace(`${line.operation.id}?.id ?? ""`, quoted("unopened"))
    : code.replace(/(upload\d+)\?\.id/, `$1${suffix}?.id`)
  const effect = `yield* Laws.perform(${line.behind ? "behind" : handle}${line.behind ? suffix : ""}, ${named})`
  return uses(script, line.opens) ? `const { upload: ${line.opens}${suffix} } = ${effect}` : effect
}

const expectation = (expected: Expected): string => {
  if ("result" in expected) return `expect(response.result).toEqual(${JSON.stringify(expected.result)})`
  return expected.errors.length === 1
    ? `expect(response.error).toBe(${quoted(expected.errors[0]!)})`
    : `expect(${JSON.stringify(expected.errors)}).toContain(response.error)`
}

/** The modules of the names that occur in the code of operations and of this project's wrappers. */
const sources: ReadonlyArray<readonly [module: string, names: ReadonlyArray<string>]> = [
  [
    "@effect-oci/core",
    ["Body", "Digest", "Middleware", "Operation", "ReferenceSet", "Registry", "RepositoryName", "Tag"]
  ],
  ["@effect-oci/laws", ["Laws"]],
  [
    "@effect-oci/middleware",
    [
      "Authorize",
      "Cache",
      "Filter",
      "Immutable",
      "Limit",
      "Logging",
      "Metrics",
      "ReadOnly",
      "Retry",
      "Route",
      "Sub",
      "Tracing",
      "Union"
    ]
  ],
  ["@effect-oci/recording", ["Record", "Shadow"]],
  ["@effect-oci/store", ["Memory"]],
  ["@effect-oci/verify", ["Requirement", "Verify"]],
  ["@effect/vitest", ["expect", "it"]],
  ["effect", ["Effect", "LogLevel"]]
]

/** Returns a test file with the imports that it needs. */
const file = (law: string, lines: ReadonlyArray<string>): string => {
  const body = lines.join("\n")
  return [
    ...sources.flatMap(([module, names]) => {
      const used = module === "@effect/vitest"
        ? names
        : names.filter((name) => name === "Effect" || new RegExp(`\\b${name}\\b[.,)]`).test(body))
      return used.length === 0 ? [] : [`import { ${used.join(", ")} } from "${module}"`]
    }),
    ``,
    `it.scoped(${quoted(law)}, () =>`,
    `  Effect.gen(function*() {`,
    ...lines.map((line) => `    ${line}`),
    `  }))`
  ].join("\n")
}

const open = (name: string, wrappers: ReadonlyArray<string>): ReadonlyArray<string> => [
  `const { handle: behind${name} } = yield* Laws.open(Memory.layer())`,
  `const handle${name} = yield* Laws.wrap(behind${name}, [${wrappers.join(", ")}])`
]

/** Returns a test of a registry whose response differs from its models. */
export const faultTest = (law: string, wrappers: ReadonlyArray<string>, script: Script, fault: Fault): string => {
  const last = script[fault.at]!
  return file(law, [
    ...open("", wrappers),
    ...script.slice(0, fault.at).map((line, at) => call(script, line, at, "handle")),
    `const { response } = ${call(script, { ...last, opens: "" }, fault.at, "handle")}`,
    `// The response is ${JSON.stringify(fault.response)}`,
    expectation(fault.expected)
  ])
}

/** Returns a test of two registries whose responses differ. */
export const differenceTest = (
  law: string,
  [left, right]: readonly [string, string],
  script: Script,
  { at: end, left: one, right: other }: Difference
): string => {
  const last = { ...script[end]!, opens: "" }
  return file(law, [
    ...open("1", [left]),
    ...open("2", [right]),
    ...["1", "2"].flatMap((name) =>
      script.slice(0, end).map((line, at) => call(script, line, at, `handle${name}`, name))
    ),
    `const { response: left } = ${call(script, last, end, "handle1", "1")}`,
    `const { response: right } = ${call(script, last, end, "handle2", "2")}`,
    `// ${JSON.stringify(one)}`,
    `// ${JSON.stringify(other)}`,
    `expect(left).toEqual(right)`
  ])
}
