/**
 * The stores of a registry on any number of machines: metadata in PostgreSQL, bytes in S3 or a service with the same API.
 * Nodes with the same settings are one registry. No node keeps anything.
 *
 * @since 0.1.0
 */
import type { Checks } from "@effect-oci/daemon/Health"
import * as Settings from "@effect-oci/daemon/Settings"
import * as S3BlobStore from "@effect-oci/store-s3/S3BlobStore"
import * as S3Credentials from "@effect-oci/store-s3/S3Credentials"
import * as Postgres from "@effect-oci/store-sql/Postgres"
import type { SqlBatch } from "@effect-oci/store-sql/SqlBatch"
import * as SqlMetadataStore from "@effect-oci/store-sql/SqlMetadataStore"
import { BlobStore } from "@effect-oci/store/BlobStore"
import { MetadataStore } from "@effect-oci/store/MetadataStore"
import type * as StoreError from "@effect-oci/store/StoreError"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { readFile } from "node:fs/promises"
import { Pool } from "pg"

/**
 * The settings of the two stores.
 *
 * @since 0.1.0
 * @category settings
 */
export const tables = {
  database: {
    url: Settings.required((key) => Config.redacted(key)),
    connections: Settings.withDefault(Settings.count, 16)
  },
  s3: {
    endpoint: Settings.withDefault(Config.string, "https://s3.amazonaws.com"),
    bucket: Settings.required(Config.string),
    region: Settings.withDefault(Config.string, "us-east-1"),
    prefix: Settings.withDefault(Config.string, ""),
    forcePathStyle: Settings.withDefault(Config.boolean, false),
    credentials: Settings.withDefault(
      (key) => Config.literal("environment", "web-identity", "instance")(key),
      "environment"
    ),
    redirect: Settings.optional(Config.duration),
    redirectEndpoint: Settings.optional(Config.string)
  }
} satisfies Settings.Tables

/**
 * The values of {@link tables}.
 *
 * @since 0.1.0
 * @category settings
 */
export type StoreSettings = Settings.Values<typeof tables>

/**
 * The settings name a role or a file that does not exist.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialsMissing extends Data.TaggedError("OciCredentialsMissing")<{ readonly message: string }> {}

/** Reads the role and the token as Kubernetes and other platforms provide them. */
const webIdentity = Layer.unwrapEffect(Effect.gen(function*() {
  const { AWS_ROLE_ARN: roleArn, AWS_WEB_IDENTITY_TOKEN_FILE: path } = process.env
  if (roleArn === undefined || path === undefined) {
    return yield* new CredentialsMissing({
      message: "cannot use s3.credentials = \"web-identity\": set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE"
    })
  }
  const token = Effect.map(Effect.tryPromise(() => readFile(path, "utf8")), (text) => Redacted.make(text.trim()))
  return S3Credentials.layerWebIdentity({ roleArn, token })
}))

const credentialsOf = (
  { credentials }: StoreSettings["s3"]
): Layer.Layer<S3Credentials.S3Credentials, CredentialsMissing, HttpClient.HttpClient> => {
  switch (credentials) {
    case "environment":
      return S3Credentials.layerConfig
    case "web-identity":
      return webIdentity
    case "instance":
      return S3Credentials.layerInstanceMetadata()
  }
}

/**
 * Creates a pool of connections to PostgreSQL. The end of the scope closes it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pool = ({ connections, url }: StoreSettings["database"]): Effect.Effect<Pool, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const created = new Pool({
        connectionString: Redacted.value(url),
        max: connections,
        application_name: "effect-oci",
        connectionTimeoutMillis: 10_000,
        keepAlive: true
      })
      // A restart of the database ends all connections. A query that runs fails by itself, and the next one opens another
      // connection. Without listeners, these events would end the program.
      created.on("error", () => {})
      created.on("connect", (client) => client.on("error", () => {}))
      return created
    }),
    (created) => Effect.promise(() => created.end())
  )

/**
 * Creates a layer of the metadata store, and of the database for others, such as `SqlRefreshTokens`. Creates or upgrades
 * the tables of the database, also while other nodes do.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMetadataStore = (
  settings: StoreSettings["database"]
): Layer.Layer<MetadataStore | SqlBatch, SqlMetadataStore.SchemaTooNew | StoreError.Failed> =>
  SqlMetadataStore.layer().pipe(
    Layer.provideMerge(
      Layer.unwrapScoped(Effect.map(pool(settings), (connections) => Postgres.layer({ pool: connections })))
    )
  )

/**
 * Creates a layer of the blob store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBlobStore = (settings: StoreSettings["s3"]) => {
  const { bucket, endpoint, forcePathStyle, prefix, redirect, redirectEndpoint, region } = settings
  return S3BlobStore.layer({
    bucket,
    endpoint,
    forcePathStyle,
    prefix,
    region,
    redirect: redirect !== undefined,
    redirectEndpoint
  }).pipe(
    Layer.provide(credentialsOf(settings)),
    Layer.provide(NodeHttpClient.layerUndici)
  )
}

/**
 * Creates a layer of the two stores.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Clustered } from "@effect-oci/clustered"
 * import { Settings } from "@effect-oci/daemon"
 * import { Store } from "@effect-oci/store"
 * import { Effect, Layer } from "effect"
 *
 * const registry = Layer.unwrapEffect(Effect.map(
 *   Settings.read(Clustered.tables, { environment: process.env }),
 *   (settings) => Layer.provide(Store.layer(), Clustered.layerStores(settings))
 * ))
 * ```
 */
export const layerStores = ({ database, s3 }: StoreSettings) =>
  Layer.merge(layerMetadataStore(database), layerBlobStore(s3))

/**
 * Checks that this node may write to the database, and that S3 answers. A node whose program is too old for the schema, or
 * whose database is a replica, has a problem.
 *
 * @since 0.1.0
 * @category getters
 */
export const checks: Effect.Effect<Checks, never, BlobStore | MetadataStore> = Effect.gen(function*() {
  const blobs = yield* BlobStore
  const metadata = yield* MetadataStore
  return {
    database: Effect.as(metadata.forgetGarbage([]), {}),
    s3: Effect.as(blobs.list(undefined, 1), {})
  }
})
