/**
 * A node of a registry on any number of machines: metadata in PostgreSQL, bytes in S3, users with tokens, metrics, health,
 * retention and a collector. A node keeps nothing: any node answers any request.
 */
import { Clustered } from "@effect-oci/clustered"
import { Registry, RepositoryName } from "@effect-oci/core"
import * as NodeDaemon from "@effect-oci/daemon/NodeDaemon"
import * as NodeSecrets from "@effect-oci/daemon/NodeSecrets"
import { Policy, RefreshTokens, Robots } from "@effect-oci/guard"
import { Logging, Metrics, Quota } from "@effect-oci/middleware"
import { Store } from "@effect-oci/store"
import { SqlBacklog, SqlQuota, SqlRefreshTokens, SqlRobots } from "@effect-oci/store-sql"
import { Effect, Layer } from "effect"
import type * as Settings from "./settings.js"

/** Decides who may do what. Change this function to change the policy. */
const policyOf = ({ access }: Settings.Values) =>
  Policy.make(({ name }, { action, resource, type }) => {
    if (name !== undefined && access.admins.includes(name)) return true
    const [first = ""] = resource.split("/")
    return type === "repository" && (first === name || (action === "pull" && access.public.includes(first)))
  })

/** How much the registry may contain, and all repositories together whose names have the same first part. */
const limitsOf = ({ quota: { bytes, bytesPerName, repositoriesPerName, tagsPerName } }: Settings.Values) =>
(
  { repository }: { readonly repository: RepositoryName.RepositoryName }
) => [
  { bytes },
  {
    prefix: RepositoryName.make(repository.split("/")[0]!),
    bytes: bytesPerName,
    repositories: repositoriesPerName,
    tags: tagsPerName
  }
]

/** Serves the registry. All nodes have the same keys, so that a token and an upload session are valid on each of them. */
const server = (settings: Settings.Values) =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const { keys, s3: { redirect } } = settings
    return NodeDaemon.layer({
      settings,
      secrets: yield* NodeSecrets.read(keys.directory),
      policy: policyOf(settings),
      robots: yield* Robots.make(yield* SqlRobots.make),
      refreshTokens: RefreshTokens.shared(yield* SqlRefreshTokens.make),
      ready: yield* Clustered.checks,
      redirect: redirect === undefined ? undefined : yield* Store.redirect(redirect)
    })
  }))

export const layer = (settings: Settings.Values) => {
  const { collector, s3: { redirect }, uploads } = settings
  const quota = Effect.map(SqlQuota.make, (ledger) => Quota.middleware({ ledger, limits: limitsOf(settings) }))
  const registry = Store.layer({
    ...collector,
    collectEvery: collector.every,
    readable: redirect,
    uploadTimeToLive: uploads.timeToLive,
    maxUploadsPerCaller: uploads.perCaller
  }).pipe(Registry.wrap(quota), Metrics.wrap(), Logging.wrap())
  return server(settings).pipe(
    Layer.provide(registry),
    Layer.merge(NodeDaemon.layerRetention(settings)),
    Layer.merge(SqlBacklog.layer({ grace: collector.grace })),
    Layer.provide(Clustered.layerStores(settings))
  )
}
