/**
 * A registry for one machine: content in files, metadata in SQLite, users with tokens, metrics, a health check,
 * retention and a collector.
 */
import { Registry, RepositoryName } from "@effect-oci/core"
import * as NodeDaemon from "@effect-oci/daemon/NodeDaemon"
import * as NodeSecrets from "@effect-oci/daemon/NodeSecrets"
import { Durable } from "@effect-oci/durable"
import { Policy, Robots } from "@effect-oci/guard"
import { Logging, Metrics, Quota } from "@effect-oci/middleware"
import { Store } from "@effect-oci/store"
import { SqlQuota, SqlRobots } from "@effect-oci/store-sql"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import * as health from "./health.js"
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

/** The web page at `/` that shows the registry. */
const pageOf = ({ explorer: { connect, enabled } }: Settings.Values) =>
  enabled
    ? Effect.flatMap(
      Effect.promise(() => import("@effect-oci/explorer")),
      ({ Explorer }) => Explorer.mounts({ connect })
    )
    : Effect.succeed({})

/** Serves the registry. Its keys are beside its content; the first start creates them. */
const server = (settings: Settings.Values) =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const keys = join(settings.storage.directory, "keys")
    yield* NodeSecrets.create(keys)
    return NodeDaemon.layer({
      settings,
      secrets: yield* NodeSecrets.read(keys),
      policy: policyOf(settings),
      robots: yield* Robots.make(yield* SqlRobots.make),
      alive: yield* health.checks(settings.storage),
      mounts: yield* pageOf(settings)
    })
  }))

export const layer = (settings: Settings.Values) => {
  const { collector, storage, uploads } = settings
  const quota = Effect.map(SqlQuota.make, (ledger) => Quota.middleware({ ledger, limits: limitsOf(settings) }))
  const registry = Store.layer({
    ...collector,
    collectEvery: collector.every,
    uploadTimeToLive: uploads.timeToLive,
    maxUploadsPerCaller: uploads.perCaller
  }).pipe(Registry.wrap(quota), Metrics.wrap(), Logging.wrap())
  return server(settings).pipe(
    Layer.provide(registry),
    Layer.merge(NodeDaemon.layerRetention(settings)),
    Layer.provide(Durable.layerStores(storage))
  )
}
