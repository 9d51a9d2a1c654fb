/**
 * Explanations: what a program asks of registries, as data.
 *
 * @since 0.1.0
 */
import { AuthScope, printable } from "@effect-oci/core"
import type { Caller, RegistryError } from "@effect-oci/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

const { optional, String: text } = Schema

/**
 * Requests that are the same: the fields other than `count` and `sent` are equal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /**
   * What the request is for: an endpoint of a `registry`, a `token` of a token server, an `operation` on a registry that
   * is not reached over HTTP, or an `other` URL, to which a registry redirected.
   */
  readonly kind: "registry" | "token" | "operation" | "other"
  /** The registry: its origin, `https://registry.example.com`, with the path before its API. For an operation, a name. */
  readonly registry: string
  /** The name of the repository, if the request is about one. */
  readonly repository?: string | undefined
  /** The method of the request, or the tag of the operation. */
  readonly method: string
  /**
   * The path and the query. `{id}` stands for the id of an upload session. For an operation, the repository and the
   * reference.
   */
  readonly path: string
  /** The scope that a token needs for the request, as text. */
  readonly scope: string
  /** How often the program makes the request. */
  readonly count: number
  /** Whether the request was really sent when the program was explained. A request that writes never is. */
  readonly sent: boolean
}

/**
 * The origin of the credentials for a registry. Never the credentials themselves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  readonly registry: string
  /** The repositories that these credentials are for. Empty if they are for all of the registry. */
  readonly repositories: ReadonlyArray<string>
  /** Where the credentials come from, such as `/home/alice/.docker/config.json, key ghcr.io`; or `anonymous`. */
  readonly source: string
}

/**
 * What a program asks of registries. The requests are in the order in which the first of each was made. That order is
 * the program's own only where it makes one request after another. The counts depend on it only if the program does.
 *
 * @since 0.1.0
 * @category models
 */
export interface Explanation {
  readonly version: 1
  readonly requests: ReadonlyArray<Request>
  readonly credentials: ReadonlyArray<Origin>
  /** The error of the program, if it failed: the explanation ends there. */
  readonly failure?: string | undefined
}

/**
 * The schema of an explanation, as JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const schema: Schema.Schema<Explanation, unknown> = Schema.Struct({
  version: Schema.Literal(1),
  requests: Schema.Array(Schema.Struct({
    kind: Schema.Literal("registry", "token", "operation", "other"),
    registry: text,
    repository: optional(text),
    method: text,
    path: text,
    scope: text,
    count: Schema.NonNegativeInt,
    sent: Schema.Boolean
  })),
  credentials: Schema.Array(Schema.Struct({ registry: text, repositories: Schema.Array(text), source: text })),
  failure: optional(text)
}) as never

/**
 * The error of a text that is not an explanation.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExplanationInvalid extends Data.TaggedError("OciExplanationInvalid")<{ readonly reason: string }> {
  override get message(): string {
    return `cannot read the explanation: ${this.reason}; explain the program again`
  }
}

/**
 * Returns an explanation as JSON, one request a line, so that a review shows what changed.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = ({ credentials, failure, requests, version }: Explanation): string => {
  const lines = (items: ReadonlyArray<unknown>) =>
    items.length === 0 ? "[]" : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`
  const fields = [
    `"version": ${version}`,
    `"requests": ${lines(requests)}`,
    `"credentials": ${lines(credentials)}`,
    ...failure === undefined ? [] : [`"failure": ${JSON.stringify(failure)}`]
  ]
  return `{\n${fields.map((field) => `  ${field}`).join(",\n")}\n}\n`
}

/**
 * Reads an explanation from JSON.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (json: string): Either.Either<Explanation, ExplanationInvalid> =>
  Either.try({
    try: (): unknown => JSON.parse(json),
    catch: () => new ExplanationInvalid({ reason: "it is not JSON" })
  }).pipe(Either.flatMap((value) =>
    Either.mapLeft(Schema.decodeUnknownEither(schema)(value), (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      return new ExplanationInvalid({ reason: issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}` })
    })
  ))

const isAsked = ({ kind }: Request): boolean => kind === "registry" || kind === "operation"

/**
 * Returns the registries, in the order in which the program asks them.
 *
 * @since 0.1.0
 * @category getters
 */
export const registries = (self: Explanation): ReadonlyArray<string> =>
  Array.from(new Set(self.requests.filter(isAsked).map(({ registry }) => registry)))

/**
 * Returns the scope that a token needs for all requests to a registry. Without a registry, the scope for all of them.
 * `AuthScope.format` returns its text, for a request to a token server.
 *
 * @since 0.1.0
 * @category getters
 */
export const scope = (self: Explanation, registry?: string): AuthScope.AuthScope =>
  AuthScope.canonical(AuthScope.unionAll(
    self.requests.filter((request) => isAsked(request) && (registry === undefined || request.registry === registry))
      .map((request) => AuthScope.parse(request.scope))
  ))

/**
 * Returns a policy for `Guard` of `@effect-oci/guard` that grants what the program asks, and nothing else: to every
 * caller, or to those for whom `allows` returns `true`. Without a registry, what it asks of all registries.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import { Explanation } from "@effect-oci/explain"
 *
 * const policyOf = (explanation: Explanation.Explanation) =>
 *   Explanation.policy(explanation, "https://registry.example.com", ({ name }) => name === "ci")
 * ```
 */
export const policy = (
  self: Explanation,
  registry?: string,
  allows: (caller: Caller.Identity) => boolean = () => true
) => {
  const granted = scope(self, registry)
  return (
    caller: Caller.Identity,
    requested: AuthScope.AuthScope
  ): Effect.Effect<AuthScope.AuthScope, RegistryError.RegistryError> =>
    Effect.succeed(allows(caller) ? AuthScope.intersection(requested, granted) : AuthScope.empty)
}

const times = (count: number): string => `${count}x`.padStart(5)

const credentialsOf = ({ credentials }: Explanation, registry: string): ReadonlyArray<string> =>
  credentials.filter((each) => each.registry === registry).map(({ repositories, source }) =>
    `  credentials: ${printable(source, 300)}${repositories.length === 0 ? "" : `, for ${repositories.join(", ")}`}`
  )

/**
 * Returns an explanation as text: for each registry the credentials, the scope and the requests with their counts. `*`
 * marks the requests that were really sent.
 *
 * @since 0.1.0
 * @category encoding
 */
export const format = (self: Explanation): string => {
  const line = ({ count, method, path, sent }: Request) =>
    `${times(count)} ${sent ? "*" : " "} ${method.padEnd(6)} ${printable(path, 500)}`
  const ofRegistry = (registry: string) => {
    const scopes = AuthScope.values(scope(self, registry)).length === 0
      ? ["(none)"]
      : AuthScope.format(scope(self, registry)).split(" ")
    return [
      registry,
      ...credentialsOf(self, registry),
      ...scopes.map((word) => `  scope: ${word}`),
      ...self.requests.filter((request) => isAsked(request) && request.registry === registry).map(line)
    ]
  }
  const others = self.requests.filter((request) => !isAsked(request))
  const other = (request: Request) =>
    `${times(request.count)} ${request.sent ? "*" : " "} ${
      request.method.padEnd(6)
    } ${request.registry}${request.path} ${
      request.kind === "token" ? `(a token for ${request.scope})` : "(a redirect)"
    }`
  return [
    ...registries(self).flatMap((registry) => [...ofRegistry(registry), ""]),
    ...others.length === 0 ? [] : ["token servers and redirects", ...others.map(other), ""],
    ...self.failure === undefined ? [] : [`the program failed: ${printable(self.failure)}`, ""]
  ].join("\n")
}
