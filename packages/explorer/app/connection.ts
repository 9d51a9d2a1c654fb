/** A registry that the page is connected to, with the credentials of the user. Nothing is kept after the page is closed. */
import * as Credential from "@effect-oci/auth/Credential"
import * as Credentials from "@effect-oci/auth/Credentials"
import * as Client from "@effect-oci/client/Client"
import type { Registry } from "@effect-oci/core/Registry"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as grants from "./grants.js"
import type { Granted } from "./grants.js"
import * as route from "./route.js"

export interface Login {
  readonly username: string
  readonly password: string
  /** The token servers that the user allows to receive the password. */
  readonly trustedRealms: ReadonlyArray<string>
}

export interface Connection {
  /** `https://registry.example.com` */
  readonly origin: string
  /** The host as references contain it. */
  readonly host: string
  readonly registry: Registry.Service
  /** Returns what a token server grants to the user in a repository. */
  readonly grants: (repository: RepositoryName) => Effect.Effect<Granted>
  /** The user that is logged in. */
  readonly username: string | undefined
}

/** The repositories of registries without the referrers API, by URL. The client reads referrers tags instead. */
const withoutReferrers = new Set<string>()

/** Requests have no cookies of the browser, and a 401 opens no dialog of the browser. Lists are never old. */
const fetchPlainly: typeof fetch = async (input, init) => {
  const answer = fetch(input, { ...init, credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" })
  const url = input instanceof Request ? input.url : new URL(input).href
  const [, repository] = /^([^?]*)\/referrers\/[^/]+$/.exec(url) ?? []
  if (repository === undefined) return answer
  // Many registries send the headers of CORS only in answers of paths that they know: the browser hides their 404.
  const response = await answer.catch((error) => {
    if (init?.signal?.aborted === true) throw error
    return new Response(undefined, { status: 404 })
  })
  if (response.ok && response.headers.get("content-type")?.includes("html") !== true) {
    withoutReferrers.delete(repository)
  } else withoutReferrers.add(repository)
  return response
}

const runtime = Runtime.make({
  ...Runtime.defaultRuntime,
  context: Context.make(FetchHttpClient.Fetch, fetchPlainly) as Context.Context<never>
})

/** Starts an effect. The returned function interrupts it, and then `done` is not called. */
export const run = <A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void): () => void => {
  let isStopped = false
  const stop = Runtime.runCallback(runtime)(effect, {
    onExit: (exit) => {
      if (!isStopped) done(exit)
    }
  })
  return () => {
    isStopped = true
    stop()
  }
}

const optionsOf = (origin: string, login: Login | undefined) =>
  ({
    host: route.hostOf(origin),
    insecure: origin.startsWith("http:"),
    idle: "30 seconds",
    // The user waits: an error is better than a long wait.
    retry: { retries: 1, maxDelay: "3 seconds" },
    auth: { trustedRealms: login?.trustedRealms ?? [] }
  }) as const

const credentialOf = ({ password, username }: Login): Credential.Credential => Credential.basic(username, password)

const withLogin = <A, E, R>(effect: Effect.Effect<A, E, R>, origin: string, login: Login | undefined) =>
  Effect.provide(
    effect,
    Layer.merge(
      FetchHttpClient.layer,
      login === undefined
        ? Credentials.layerAnonymous
        : Credentials.layerStatic({ [route.hostOf(origin)]: credentialOf(login) })
    )
  )

/** Creates a connection. It sends no request. Returns `undefined` if the origin is not one of a registry. */
export const connect = (origin: string, login?: Login): Connection | undefined =>
  Exit.getOrElse(
    Runtime.runSyncExit(runtime)(withLogin(
      Effect.map(
        Effect.all([
          Client.make(optionsOf(origin, login)),
          grants.make({
            origin,
            entry: login === undefined ? [] : [credentialOf(login)],
            trustedRealms: login?.trustedRealms ?? []
          })
        ]),
        ([registry, grants]): Connection => ({
          origin,
          host: route.hostOf(origin),
          registry,
          grants,
          username: login?.username
        })
      ),
      origin,
      login
    )),
    () => undefined
  )

/** Checks that the registry accepts a login. */
export const check = (origin: string, login: Login): Effect.Effect<void, RegistryError> =>
  Effect.asVoid(Effect.catchTag(
    withLogin(Client.ping(optionsOf(origin, login)), origin, login),
    "OciSyntaxInvalid",
    (error) => Effect.die(error)
  ))

/** Returns whether a registry has shown that it has no referrers API for a repository. */
export const hasNoReferrers = ({ origin }: Connection, repository: RepositoryName): boolean =>
  withoutReferrers.has(`${origin}/v2/${repository}`)
