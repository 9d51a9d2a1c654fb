/**
 * Runs a program without the requests that write, and reports what it asks of registries.
 *
 * @since 0.1.0
 */
import * as Credential from "@effect-oci/auth/Credential"
import * as Credentials from "@effect-oci/auth/Credentials"
import { AuthScope, Operation, Registry, RegistryError } from "@effect-oci/core"
import type { Middleware } from "@effect-oci/core"
import * as RegistryServer from "@effect-oci/server/RegistryServer"
import * as Origin from "@effect-oci/transport/Origin"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type * as Explanation from "./Explanation.js"
import * as current from "./internal/current.js"
import { blobsOf } from "./internal/links.js"
import { Overlay } from "./internal/overlay.js"
import { placeOf } from "./internal/place.js"
import { simulate } from "./internal/simulation.js"

/**
 * The result of a program, and its explanation. If the program failed, the explanation ends with that failure.
 *
 * @since 0.1.0
 * @category models
 */
export interface Explained<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly explanation: Explanation.Explanation
}

/**
 * Runs a program, and returns what it asks of registries: each request with its scope and its count, and the origin of
 * the credentials.
 *
 * The program must build its clients itself, over the `HttpClient` of its context: clients of registries, resolvers, and
 * stacks of wrappers around them. For the program, that client is another one:
 *
 * - A request that reads is sent by the `HttpClient` in the context of this effect: the shape of a copy depends on the
 *   manifests of its source, and on what its target has. Requests to token servers are sent too. Use
 *   {@link httpClient} to send nothing at all.
 * - A request that writes is never sent. It is answered as a registry would answer it, and what was written is kept in
 *   memory, so that later reads find it.
 * - The content of a blob is not transferred, unless the program reads it itself. A blob that a manifest names is assumed
 *   to be there.
 *
 * A request that a registry refused for lack of a token, and that is sent again with one, counts once.
 *
 * Law: run afterwards on the same content, the program makes the same requests. They may differ in what the registry
 * alone decides: where it redirects to, and how it answers when it is in trouble. Chunks of an upload whose size the
 * program does not know are read before they are counted. Registries whose API is not below `/v2/` are not supported.
 *
 * The origin of credentials is looked up in the `Credentials` in the context of this effect. This runs the credential
 * helpers that the program runs.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Client } from "@effect-oci/client"
 * import { RepositoryName, Tag } from "@effect-oci/core"
 * import { Explain, Explanation } from "@effect-oci/explain"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Console, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Client.make({ host: "registry.example.com" })
 *   yield* registry.deleteTag(RepositoryName.make("team/app"), Tag.make("old"))
 * })
 *
 * const explained = Explain.run(program).pipe(
 *   Effect.flatMap(({ explanation }) => Console.log(Explanation.format(explanation))),
 *   Effect.provide(FetchHttpClient.layer)
 * )
 * ```
 */
export const run = <A, E, R>(
  program: Effect.Effect<A, E, R>
): Effect.Effect<Explained<A, E>, never, R | HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const base = yield* HttpClient.HttpClient
    const explaining = current.make()
    const { requests, sizes } = explaining
    const exit = yield* program.pipe(
      Effect.provideService(HttpClient.HttpClient, simulate(base, requests, sizes)),
      Effect.provideService(current.Current, explaining),
      Effect.exit
    )
    const credentials = yield* origins(requests.all, yield* Credentials.Credentials)
    const failure = Exit.isFailure(exit) ? { failure: messageOf(exit.cause) } : {}
    return { exit, explanation: { version: 1, requests: requests.all, credentials, ...failure } }
  })

const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/** Returns the origin of the credentials for each repository of each registry. */
const origins = (
  requests: ReadonlyArray<Explanation.Request>,
  credentials: Credentials.Service
): Effect.Effect<ReadonlyArray<Explanation.Origin>> => {
  const repositories = new Map<string, Set<string | undefined>>()
  for (const { kind, registry, repository } of requests) {
    if (kind !== "registry") continue
    const known = repositories.get(registry) ?? new Set()
    repositories.set(registry, known.add(repository))
  }
  return Effect.map(
    Effect.forEach(repositories, ([registry, names]) => {
      const origin = Origin.parse(registry)
      return origin === undefined ? Effect.succeed([]) : Effect.map(
        Effect.forEach(
          names,
          (name) => Effect.map(sourceOf(credentials, origin, name), (source) => ({ name, source }))
        ),
        (found): ReadonlyArray<Explanation.Origin> => {
          const sources = Array.from(new Set(found.map(({ source }) => source)))
          return sources.map((source) => ({
            registry,
            repositories: sources.length === 1 ?
              [] :
              found.flatMap((each) => each.source === source && each.name !== undefined ? [each.name] : []),
            source
          }))
        }
      )
    }),
    (all) => all.flat()
  )
}

const sourceOf = (
  credentials: Credentials.Service,
  origin: Origin.Origin,
  repository: string | undefined
): Effect.Effect<string> =>
  Effect.match(credentials.get(origin, repository), {
    onFailure: (error) => `unknown (${error.message})`,
    onSuccess: (entry) => {
      const [first] = entry
      if (first === undefined) return "anonymous"
      return `${Credential.sourceOf(entry) ?? "credentials of the program"} (${Credential.describe(first)})`
    }
  })

/**
 * Creates an HTTP client that reaches nothing: it answers from the registries of the given hosts. A request to another
 * host fails. Use it for {@link run} and for tests.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Explain } from "@effect-oci/explain"
 * import { Memory } from "@effect-oci/store"
 * import { HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const offline = <A, E>(program: Effect.Effect<A, E, HttpClient.HttpClient>) =>
 *   Effect.gen(function*() {
 *     const registry = yield* Memory.make()
 *     return yield* Explain.run(program).pipe(
 *       Effect.provideService(HttpClient.HttpClient, Explain.httpClient({ "registry.example.com": registry }))
 *     )
 *   }).pipe(Effect.scoped)
 * ```
 */
export const httpClient = (registries: { readonly [host: string]: Registry["Type"] }): HttpClient.HttpClient => {
  const clients = new Map(
    Object.entries(registries).map(([host, { handle }]) => [
      host,
      RegistryServer.toHttpClient(RegistryServer.make()(handle))
    ])
  )
  return HttpClient.make((request, { host }) =>
    clients.get(host)?.execute(request) ?? Effect.fail(
      new HttpClientError.RequestError({
        request,
        reason: "Transport",
        cause: new RegistryError.TransportError({
          reason: `cannot reach ${host}: only ${[...clients.keys()].join(", ") || "no host"} can be reached here`
        })
      })
    )
  )
}

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The name of the registry in the explanation. */
  readonly name: string
}

/**
 * Creates a middleware that reports the operations on a registry to the explanation that {@link run} makes. Use it for a
 * registry that is not reached over HTTP, such as a store or an image layout.
 *
 * Operations that read go to the next handler. Operations that write do not: what they write is kept in memory, so that
 * later reads find it.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = ({ name }: Options): Effect.Effect<Middleware.Middleware> =>
  Effect.map(current.Current, ({ requests, sizes }) => (next) => {
    const { handler } = new Overlay(next, { sizeOf: (digest) => sizes.get(digest), blobOf: () => undefined })
    return (operation) => {
      requests.add({
        kind: "operation",
        registry: name,
        repository: Operation.errorFields(operation).repository,
        method: operation._tag,
        path: placeOf(operation),
        scope: AuthScope.format(AuthScope.canonical(Operation.requiredScope(operation))),
        sent: Operation.isRead(operation)
      })()
      const answer = handler(operation)
      return operation._tag !== "GetManifest" ? answer : Effect.tap(answer, (result) =>
        Effect.sync(() => {
          const { bytes, descriptor: { mediaType } } = result as Operation.Results["GetManifest"]
          for (const { digest, size } of blobsOf({ mediaType, bytes })) sizes.set(digest, size)
        }))
    }
  })

/**
 * Creates a layer that requires a registry, and provides that registry with its operations explained. {@link wrap} does
 * the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that its operations are explained.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { Registry } from "@effect-oci/core"
 * import { Explain } from "@effect-oci/explain"
 * import type { Layer } from "effect"
 *
 * const explained = (registry: Layer.Layer<Registry>) => registry.pipe(Explain.wrap({ name: "oci:./layout" }))
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
