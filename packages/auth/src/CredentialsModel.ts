/**
 * The service of credentials. Import it from `Credentials`. A client imports only this part, so that a browser does not
 * load the sources of credentials.
 *
 * @since 0.1.0
 */
import type { CredentialError } from "@effect-oci/core/RegistryError"
import type { Origin } from "@effect-oci/transport/Origin"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Credential from "./Credential.js"

/**
 * A source of credentials. `get` looks up the credentials for a repository, or for a registry if no repository is
 * given. Returns an empty entry if the source has none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly get: (
    origin: Origin,
    repository?: string
  ) => Effect.Effect<Credential.Entry, CredentialError>
  /**
   * Whether the result depends on the caller of the running operation. Then a client looks the credentials up for each
   * request, and its registry is marked: no cache shares its answers among callers. Default: `false`.
   */
  readonly dependsOnCaller?: boolean | undefined
}

/**
 * A source without credentials, which is the default of {@link Credentials}.
 *
 * @since 0.1.0
 * @category services
 */
export const none: Service = { get: () => Effect.succeed([]) }

/**
 * The credentials that clients use. A client takes them when its layer is built, so they are provided to that layer:
 * `client.pipe(Layer.provide(credentials))`. Credentials that a program provides beside a client
 * (`Effect.provide(program, [client, credentials])`) are not used. Default: none.
 *
 * @since 0.1.0
 * @category services
 */
export class Credentials extends Context.Reference<Credentials>()("@effect-oci/auth/Credentials", {
  defaultValue: () => none
}) {}

/**
 * Returns the end of an error message about an origin: no credentials are configured for it, and how a program provides
 * them.
 *
 * @since 0.1.0
 * @category errors
 */
export const missing = (origin: string): string =>
  `no credentials that it accepts are configured for ${origin}; log in with "docker login", which NodeClient uses, or ` +
  "provide Credentials to the layer of the client and not beside it: client.pipe(Layer.provide(credentials))"
