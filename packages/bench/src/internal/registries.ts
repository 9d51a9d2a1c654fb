import { Client } from "@effect-oci/client"
import { Registry } from "@effect-oci/core"
import type { Digest, RepositoryName, Tag } from "@effect-oci/core"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Creates a layer of the registry at `host:port`. */
export const at = (authority: string): Layer.Layer<Registry> =>
  Layer.fresh(Client.layer({ host: authority, insecure: true })).pipe(Layer.provide(NodeHttpClient.layerUndici))

/** An image that a copy must have brought into a registry. */
export interface Expected {
  readonly repository: RepositoryName.RepositoryName
  readonly tag: Tag.Tag
  readonly digest: Digest.Digest
}

/** Fails if a registry does not have an image. */
export const verify = (authority: string, { digest, repository, tag }: Expected) =>
  Effect.flatMap(Registry, (registry) => registry.resolveManifest(repository, tag)).pipe(
    Effect.provide(at(authority)),
    Effect.filterOrDieMessage((found) => found.digest === digest, `another image has arrived at ${repository}:${tag}`)
  )

/** Runs a copy into an empty `docker-registry`, and then verifies that the image is there. */
export const intoEmpty = <A, E, R>(expected: Expected, copy: (authority: string) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const { authority } = yield* NodePeers.dockerRegistry
    const result = yield* copy(authority)
    yield* verify(authority, expected)
    return result
  }))
