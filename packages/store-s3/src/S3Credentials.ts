/**
 * The credentials that sign the calls of S3.
 *
 * Credentials from a service expire. They are kept, and renewed before they expire. Calls at the same time share one
 * renewal. If a renewal fails, the credentials are used until they expire.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as instanceMetadata from "./internal/credentials/instanceMetadata.js"
import * as renewal from "./internal/credentials/renewal.js"
import * as webIdentity from "./internal/credentials/webIdentity.js"
import { CredentialsFailed } from "./S3CredentialsModel.js"
import type { Credentials, InstanceMetadataOptions, Service, WebIdentityOptions } from "./S3CredentialsModel.js"

export * from "./S3CredentialsModel.js"

/**
 * The service that returns the credentials for S3.
 *
 * @since 0.1.0
 * @category services
 */
export class S3Credentials extends Context.Tag("@effect-oci/store-s3/S3Credentials")<S3Credentials, Service>() {}

/**
 * Creates the service from an effect that obtains credentials. The credentials are kept and renewed as the module
 * describes. Use it for a source of credentials of your own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (obtain: Effect.Effect<Credentials, CredentialsFailed>): Effect.Effect<Service> =>
  renewal.make(obtain)

/**
 * Creates a layer of credentials that do not change.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { S3Credentials } from "@effect-oci/store-s3"
 * import { Redacted } from "effect"
 *
 * const credentials = S3Credentials.layerStatic({ accessKeyId: "registry", secretAccessKey: Redacted.make("secret") })
 * ```
 */
export const layerStatic = (credentials: Credentials): Layer.Layer<S3Credentials> =>
  Layer.succeed(S3Credentials, { get: Effect.succeed(credentials) })

const environment = Config.all({
  accessKeyId: Config.nonEmptyString("AWS_ACCESS_KEY_ID"),
  secretAccessKey: Config.redacted(Config.nonEmptyString("AWS_SECRET_ACCESS_KEY")),
  sessionToken: Config.option(Config.redacted(Config.nonEmptyString("AWS_SESSION_TOKEN")))
})

/**
 * Creates a layer of the credentials in the configuration, by default in the environment: `AWS_ACCESS_KEY_ID`,
 * `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`. They are read at each call, so a `ConfigProvider` may change them.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<S3Credentials> = Layer.succeed(S3Credentials, {
  get: Effect.mapBoth(environment, {
    onFailure: (error) =>
      new CredentialsFailed({
        message: "no credentials in the environment; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        cause: error
      }),
    onSuccess: ({ sessionToken, ...credentials }) => ({
      ...credentials,
      sessionToken: Option.getOrUndefined(sessionToken)
    })
  })
})

/**
 * Creates a layer of credentials that the token service (STS) issues for the token of an identity provider:
 * [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWebIdentity = (
  options: WebIdentityOptions
): Layer.Layer<S3Credentials, never, HttpClient.HttpClient> =>
  Layer.effect(
    S3Credentials,
    Effect.flatMap(HttpClient.HttpClient, (client) => make(webIdentity.obtain(client, options)))
  )

/**
 * Creates a layer of the credentials of the role of a virtual machine (version 2 of the [instance metadata
 * service](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html)) or of a container
 * ([ECS](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html), EKS Pod Identity).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerInstanceMetadata = (
  options: InstanceMetadataOptions = {}
): Layer.Layer<S3Credentials, never, HttpClient.HttpClient> =>
  Layer.effect(
    S3Credentials,
    Effect.flatMap(HttpClient.HttpClient, (client) => make(instanceMetadata.obtain(client, options)))
  )
