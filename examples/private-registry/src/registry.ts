/**
 * A private registry. Users log in and receive tokens. They may do everything below their own names. Everyone may pull from
 * `public/`. `admin` may do everything.
 */
import { Durable } from "@effect-oci/durable"
import { Guard, Policy, TokenKeys, TokenService, TokenVerifier } from "@effect-oci/guard"
import * as NodeHtpasswd from "@effect-oci/guard/NodeHtpasswd"
import { Logging } from "@effect-oci/middleware"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { FileSystem } from "@effect/platform"
import { Config, ConfigError, Effect, Layer, Option, Redacted } from "effect"

/** Reads the settings from environment variables. */
const settings = Effect.gen(function*() {
  const host = yield* Config.string("HOST").pipe(Config.withDefault("127.0.0.1"))
  const port = yield* Config.port("PORT").pipe(Config.withDefault(5000))
  const certificate = yield* Config.option(Config.string("TLS_CERT"))
  const scheme = Option.isSome(certificate) ? "https" : "http"
  return {
    host,
    port,
    certificate,
    // The URL that clients use. Tokens are valid for its host, and clients request them below this URL.
    url: yield* Config.url("PUBLIC_URL").pipe(Config.withDefault(new URL(`${scheme}://${host}:${port}`))),
    // A file with a line `name:hash` for each user, as `htpasswd -B` writes it.
    users: yield* Config.string("USERS").pipe(Config.withDefault("users"))
  }
})

/** Decides who may do what. Change this function to change the policy. */
const policy = Policy.make(({ name }, { action, resource, type }) => {
  if (name === "admin") return true
  const [first] = resource.split("/")
  return type === "repository" && (first === name || (first === "public" && action === "pull"))
})

/** Reads a private key in PEM from TOKEN_KEY. Default: a new key for each start; clients then request new tokens. */
const signingKey = TokenKeys.config("TOKEN_KEY").pipe(
  Effect.catchIf(
    ConfigError.isConfigError,
    (error) => ConfigError.isMissingDataOnly(error) ? TokenKeys.generate() : Effect.fail(error)
  )
)

/** Reads a certificate, and its private key from the file in TLS_KEY. */
const readTls = (certificate: string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const key = yield* Config.string("TLS_KEY")
    return {
      certificate: yield* files.readFileString(certificate),
      key: Redacted.make(yield* files.readFileString(key))
    }
  })

const server = Layer.unwrapScoped(Effect.gen(function*() {
  const { certificate, host, port, url, users: path } = yield* settings
  const users = yield* NodeHtpasswd.make({ path })
  const keys = yield* TokenKeys.ring(yield* signingKey)
  const issuer = url.origin
  const service = url.host
  const tokens = yield* TokenService.make({ issuer, service, keys, users, policy })
  const verify = yield* TokenVerifier.make({ issuer, audience: service, keys })
  return NodeRegistryServer.layer({
    host,
    port,
    tls: Option.getOrUndefined(yield* Effect.transposeMapOption(certificate, readTls)),
    guard: Guard.make({ tokens: { verify, service, realm: `${issuer}/token` }, policy }),
    mounts: { "/token": tokens.answer, "/.well-known/jwks.json": tokens.jwks }
  })
}))

/** Keeps the content in a directory: see `Durable`. `Memory.layer()` keeps it until the process ends. */
const registry = Layer.unwrapEffect(Effect.map(
  Config.string("DATA").pipe(Config.withDefault("data")),
  (directory) => Durable.layer({ directory })
)).pipe(Logging.wrap())

export const layer = server.pipe(Layer.provide(registry))
