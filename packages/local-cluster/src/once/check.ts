/** Reads the stores directly. */
import { Clustered } from "@effect-oci/clustered"
import { Settings } from "@effect-oci/daemon"
import { Scrub } from "@effect-oci/store"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { attempt, expectNone } from "./step.js"
import type { Context } from "./step.js"

/** The stores of a cluster, by the settings of its nodes. */
export const storesOf = (env: { readonly [name: string]: string }) =>
  Layer.unwrapEffect(
    Effect.map(
      Settings.read(Clustered.tables, { environment: env, file: "/dev/null", otherTables: true }),
      Clustered.layerStores
    )
  ).pipe(
    Layer.provide(NodeContext.layer),
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env)))))
  )

/** Hashes all content, and looks up all keys. */
export const scrub = ({ cluster: { env } }: Context) => Effect.provide(scrubbed, storesOf(env)).pipe(attempt)

export const scrubbed = Effect.gen(function*() {
  let checked: Scrub.Progress = { manifests: 0, blobs: 0, bytes: 0, keys: 0 }
  const onProgress = (progress: Scrub.Progress) =>
    Effect.sync(() => {
      checked = progress
    })
  const findings = yield* Stream.runCollect(Scrub.findings({ onProgress }))
  yield* expectNone(Array.from(findings, (finding) => JSON.stringify(finding)))
  return `${checked.manifests} manifests, ${checked.blobs} blobs, ${checked.keys} objects: nothing found`
})
