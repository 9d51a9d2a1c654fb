/**
 * The model of credentials. Import it from `S3Credentials`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"

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
export class CredentialsFailed extends Data.TaggedError("OciCredentialsFailed")<{
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
  /**
   * Reports that the service refused these credentials because they have expired, so that `get` obtains others. If
   * absent, the call fails.
   */
  readonly expired?: ((credentials: Credentials) => Effect.Effect<void>) | undefined
}

/**
 * Options of `S3Credentials.layerWebIdentity`.
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
 * Options of `S3Credentials.layerInstanceMetadata`.
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
