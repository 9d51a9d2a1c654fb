/**
 * Sources of credentials: static, environment, the files of Docker and Podman.
 *
 * @since 0.1.0
 */
import * as Caller from "@effect-oci/core/Caller"
import { CredentialError } from "@effect-oci/core/RegistryError"
import { SingleFlight } from "@effect-oci/core/SingleFlight"
import { format } from "@effect-oci/transport/Origin"
import type { Origin } from "@effect-oci/transport/Origin"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Credential from "./Credential.js"
import * as CredentialHelper from "./CredentialHelper.js"
import { Credentials, none } from "./CredentialsModel.js"
import type { Service } from "./CredentialsModel.js"
import * as DockerConfig from "./DockerConfig.js"
import * as files from "./internal/dockerConfigFiles.js"
import { candidates, normalise } from "./internal/hostKey.js"

export * from "./CredentialsModel.js"

/**
 * A layer without credentials.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerAnonymous: Layer.Layer<Credentials> = /* @__PURE__ */ Layer.succeed(Credentials, none)

/**
 * Creates a layer of the given credentials. A key is `host[:port]`, or `host[:port]/path` for the repositories below a
 * path. The nearest key counts. A key that is not a host is a mistake in the program, and causes a defect.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Credential, Credentials } from "@effect-oci/auth"
 * import { Redacted } from "effect"
 *
 * const credentials = Credentials.layerStatic({
 *   "registry.example.com": Credential.basic("alice", Redacted.make("secret")),
 *   "registry.example.com/public": Credential.anonymous
 * })
 * ```
 */
export const layerStatic = (
  entries: { readonly [key: string]: Credential.Credential | Credential.Entry }
): Layer.Layer<Credentials> =>
  Layer.sync(Credentials, () => {
    const known = new Map<string, Credential.Entry>()
    for (const [key, value] of Object.entries(entries)) {
      const host = hostKey(key)
      const entry: Credential.Entry = Array.isArray(value) ? value : [value as Credential.Credential]
      known.set(host, Credential.withSource(entry, Credential.sourceOf(entry) ?? `static credentials, key ${host}`))
    }
    return {
      get: (origin, repository) =>
        Effect.sync(() => {
          const key = candidates(origin, repository).find((key) => known.has(key))
          return key === undefined ? [] : known.get(key)!
        })
    }
  })

const hostKey = (key: string): string => {
  const host = normalise(key)
  if (host !== undefined) return host
  throw new CredentialError({
    reason: "a key of the credentials is not a host: use a host such as registry.example.com or localhost:5000"
  })
}

/**
 * Creates a layer of credentials that come from the configuration. The keys are those of {@link layerStatic}.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Credential, Credentials } from "@effect-oci/auth"
 * import { Config } from "effect"
 *
 * const credentials = Credentials.layerConfig({
 *   "ghcr.io": Config.map(Config.redacted("GITHUB_TOKEN"), (token) => Credential.basic("token", token)),
 *   "registry.example.com": Config.map(Config.redacted("REGISTRY_TOKEN"), Credential.registryToken)
 * })
 * ```
 */
export const layerConfig = (
  entries: { readonly [key: string]: Config.Config<Credential.Credential | Credential.Entry> }
): Layer.Layer<Credentials, ConfigError.ConfigError> => Layer.unwrapEffect(Effect.map(Config.all(entries), layerStatic))

/**
 * Options for {@link layerCaller}.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallerOptions {
  /** The registry that the credentials of callers are for, as `host[:port]`. No other registry gets them. */
  readonly host: string
}

/**
 * Creates a layer of the credentials that the caller of each operation presented (`Caller.Presented`), for a client that acts
 * on behalf of the callers of a server. A caller without credentials is anonymous. A name and a password are used as such;
 * a bearer token is sent to the registry unchanged. A guard passes credentials on only if configured so:
 * `Guard.passThrough`, or the option `present`.
 *
 * The client's registry depends on the caller, so `Cache` does not wrap it; `AsCaller` does.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Credentials } from "@effect-oci/auth"
 *
 * const credentials = Credentials.layerCaller({ host: "registry.example.com" })
 * ```
 */
export const layerCaller = ({ host }: CallerOptions): Layer.Layer<Credentials> =>
  Layer.sync(Credentials, () => {
    const key = hostKey(host)
    return {
      dependsOnCaller: true,
      get: (origin) =>
        candidates(origin, undefined).includes(key)
          ? Effect.map(Caller.Presented, (presented) => presented === undefined ? [] : [ofCaller(presented)])
          : Effect.succeed([])
    }
  })

const ofCaller = (presented: Caller.Presentation): Credential.Credential =>
  presented._tag === "Basic"
    ? Credential.basic(presented.username, presented.password)
    : Credential.registryToken(presented.token)

/**
 * Options for {@link layerEnv}: the host, and the names of the variables that contain its credentials.
 *
 * @since 0.1.0
 * @category models
 */
export interface EnvOptions {
  /** The registry, as `host[:port]`. No other registry gets the credentials. */
  readonly host: string
  /** @default "REGISTRY_USERNAME" */
  readonly username?: string | undefined
  /** @default "REGISTRY_PASSWORD" */
  readonly password?: string | undefined
  /** @default "REGISTRY_IDENTITY_TOKEN" */
  readonly identityToken?: string | undefined
  /** @default "REGISTRY_TOKEN" */
  readonly registryToken?: string | undefined
}

/**
 * Creates a layer of the credentials of one registry, which it reads from the environment or from another
 * `ConfigProvider`. Fails with a `ConfigError` if there is a user without a password, or a password without a user.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Credentials } from "@effect-oci/auth"
 *
 * const credentials = Credentials.layerEnv({ host: "ghcr.io", username: "GITHUB_ACTOR", password: "GITHUB_TOKEN" })
 * ```
 */
export const layerEnv = (options: EnvOptions): Layer.Layer<Credentials, ConfigError.ConfigError> => {
  const {
    host,
    identityToken = "REGISTRY_IDENTITY_TOKEN",
    password = "REGISTRY_PASSWORD",
    registryToken = "REGISTRY_TOKEN",
    username = "REGISTRY_USERNAME"
  } = options
  const settings = Config.all({
    registry: Config.option(Config.redacted(registryToken)),
    identity: Config.option(Config.redacted(identityToken)),
    name: Config.option(Config.string(username)),
    secret: Config.option(Config.redacted(password))
  })
  return Layer.unwrapEffect(
    Effect.gen(function*() {
      const { identity, name, registry, secret } = yield* settings
      if (Option.isSome(name) !== Option.isSome(secret)) {
        const [present, absent] = Option.isSome(name) ? [username, password] : [password, username]
        const message = `${present} is set, but ${absent} is not; set both variables, or neither`
        return yield* Effect.fail(ConfigError.MissingData([absent], message))
      }
      return layerStatic({
        [host]: Credential.withSource([
          ...Option.toArray(Option.map(registry, Credential.registryToken)),
          ...Option.toArray(Option.map(identity, Credential.identityToken)),
          ...Option.toArray(Option.zipWith(name, secret, Credential.basic))
        ], `the environment, key ${host}`)
      })
    })
  )
}

/**
 * Combines several sources. For each lookup, the first source that has credentials counts. If a source fails, the
 * lookup fails: it does not continue with the next source.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Credentials } from "@effect-oci/auth"
 *
 * const credentials = Credentials.firstOf(
 *   Credentials.layerEnv({ host: "ghcr.io" }),
 *   Credentials.layerDockerConfig()
 * )
 * ```
 */
export const firstOf = <Layers extends ReadonlyArray<Layer.Layer<Credentials, unknown, unknown>>>(
  ...layers: Layers
): Layer.Layer<Credentials, Layer.Layer.Error<Layers[number]>, Layer.Layer.Context<Layers[number]>> =>
  Layer.scoped(
    Credentials,
    Effect.map(
      Effect.forEach(layers, (layer) => Effect.map(Layer.build(layer), Context.get(Credentials))),
      (services): Service => ({
        dependsOnCaller: services.some(({ dependsOnCaller }) => dependsOnCaller === true),
        get: (origin, repository) =>
          Effect.reduce(services, [] as Credential.Entry, (entry, service) =>
            entry.length > 0 ? Effect.succeed(entry) : service.get(origin, repository))
      })
    )
  ) as never

/**
 * Options for reading the files of Docker and Podman.
 *
 * @since 0.1.0
 * @category models
 */
export interface DockerConfigOptions {
  /**
   * The environment variables that determine the paths of the files.
   *
   * @default the environment of the process
   */
  readonly environment?: { readonly [name: string]: string | undefined } | undefined
  /**
   * How long a credential helper may take. A user may have to type a PIN or sign in.
   *
   * @default "60 seconds"
   */
  readonly helperTimeout?: Duration.DurationInput | undefined
}

/**
 * Creates a layer that reads the credentials that `docker login` and `podman login` store. Each lookup reads the files
 * again, so a new login takes effect at once. A missing file is skipped. A lookup fails with a `CredentialError` if a
 * file is not JSON, if the entry of the requested host is malformed, or if its helper fails.
 *
 * The first source that contains a matching key counts, in this order: `$DOCKER_AUTH_CONFIG` (the content itself),
 * `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json` (default: `~/.docker/config.json`),
 * `$XDG_RUNTIME_DIR/containers/auth.json`, and `$XDG_CONFIG_HOME/containers/auth.json` (default: `~/.config`). The
 * helper of the host, or of all hosts, comes before `auths`. Helpers require a `HelperRunner`:
 * `NodeCredentials.layerDockerConfig` provides it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDockerConfig = (
  options?: DockerConfigOptions
): Layer.Layer<Credentials, never, FileSystem.FileSystem> =>
  Layer.effect(
    Credentials,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const runner = yield* CredentialHelper.HelperRunner
      const environment = options?.environment ?? (typeof process === "undefined" ? {} : process.env)
      const load = files.load(fs, environment)
      // Concurrent lookups for one host share one helper process.
      const processes = new SingleFlight<string, Credential.Entry, CredentialError>()
      const fromHelper = (helper: string, origin: Origin) =>
        processes.share(
          `${helper} ${format(origin)}`,
          CredentialHelper.get(runner, helper, origin, { timeout: options?.helperTimeout })
        )
      return {
        get: (origin, repository) =>
          Effect.gen(function*() {
            const configs = yield* load
            const helper = yield* DockerConfig.helper(configs, origin)
            const entry = helper === undefined ? [] : yield* fromHelper(helper, origin)
            return entry.length > 0 ? entry : yield* DockerConfig.entry(configs, origin, repository)
          })
      }
    })
  )
