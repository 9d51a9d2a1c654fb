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
import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as instanceMetadata from "./internal/credentials/instanceMetadata.js"
import * as renewal from "./internal/credentials/renewal.js"
import * as webIdentity from "./internal/credentials/webIdentity.js"

/**
 * Credentials of an AWS account, or of a service with the same API.
 *
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  /** The token of temporary credentials. */
  readonly sessionToken?: Redacted.Redacted | undefined
  /** The time at which temporary credentials expire. */
  readonly expiration?: DateTime.Utc | undefined
}

/**
 * No credentials could be obtained. The message says from where, what happened, and what to do.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialsFailed extends Data.TaggedError("CredentialsFailed")<{
  readonly message: string
  readonly cause?: unknown
}> {}

/**
 * Returns credentials.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Returns credentials that have not expired. */
  readonly get: Effect.Effect<Credentials, CredentialsFailed>
}

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
 * Options of {@link layerWebIdentity}.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebIdentityOptions {
  /** The ARN of the role. */
  readonly roleArn: string
  /**
   * Returns the token of the identity provider. It runs for each renewal. In Kubernetes, it reads the file that
   * `AWS_WEB_IDENTITY_TOKEN_FILE` names.
   */
  readonly token: Effect.Effect<Redacted.Redacted, unknown>
  /** The name of the session, for the log of the account. Default: `effect-oci`. */
  readonly sessionName?: string | undefined
  /** The URL of the token service. Default: `https://sts.amazonaws.com`. */
  readonly endpoint?: string | undefined
}

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
 * Options of {@link layerInstanceMetadata}.
 *
 * @since 0.1.0
 * @category models
 */
export interface InstanceMetadataOptions {
  /** The URL of the metadata service of the instance. Default: `http://169.254.169.254`. */
  readonly endpoint?: string | undefined
  /**
   * The URL of the credentials of a container: the value of `AWS_CONTAINER_CREDENTIALS_FULL_URI`, or
   * `http://169.254.170.2` followed by the value of `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`. Default: none, so the
   * credentials of the instance are used.
   */
  readonly containerUrl?: string | undefined
  /** Returns the token that the service for containers requires. It runs for each renewal. */
  readonly containerToken?: Effect.Effect<Redacted.Redacted, unknown> | undefined
}

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
