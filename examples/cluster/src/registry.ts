/**
 * A node of a registry on any number of machines: metadata in PostgreSQL, bytes in S3, users with tokens, metrics, health,
 * retention and a collector. A node keeps nothing: any node answers any request.
 */
import { Clustered } from "@effect-oci/clustered"
import * as NodeDaemon from "@effect-oci/daemon/NodeDaemon"
import * as NodeSecrets from "@effect-oci/daemon/NodeSecrets"
import { Policy, RefreshTokens } from "@effect-oci/guard"
import { Logging, Metrics } from "@effect-oci/middleware"
import { Store } from "@effect-oci/store"
import { SqlBacklog, SqlRefreshTokens } from "@effect-oci/store-sql"
import { Effect, Layer } from "effect"
import type * as Settings from "./settings.js"

/** Decides who may do what. Change this function to change the policy. */
const policyOf = ({ access }: Settings.Values) =>
  Policy.make(({ name }, { action, resource, type }) => {
    if (name !== undefined && access.admins.includes(name)) return true
    const [first = ""] = resource.split("/")
    return type === "repository" && (first === name || (action === "pull" && access.public.includes(first)))
  })

/** Serves the registry. All nodes have the same keys, so that a token and an upload session are valid on each of them. */
const server = (settings: Settings.Values) =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const { keys, s3: { redirect } } = settings
    return NodeDaemon.layer({
      settings,
      secrets: yield* NodeSecrets.read(keys.directory),
      policy: policyOf(settings),
      refreshTokens: RefreshTokens.shared(yield* SqlRefreshTokens.make),
      ready: yield* Clustered.checks,
      redirect: redirect === undefined ? undefined : yield* Store.redirect(redirect)
    })
  }))

export const layer = (settings: Settings.Values) => {
  const { collector, s3: { redirect }, uploads } = settings
  const registry = Store.layer({
    ...collector,
    collectEvery: collector.every,
    readable: redirect,
    uploadTimeToLive: uploads.timeToLive,
    maxUploadsPerCaller: uploads.perCaller
  }).pipe(Metrics.wrap(), Logging.wrap())
  return server(settings).pipe(
    Layer.provide(registry),
    Layer.merge(NodeDaemon.layerRetention(settings)),
    Layer.merge(SqlBacklog.layer({ grace: collector.grace })),
    Layer.provide(Clustered.layerStores(settings))
  )
}
