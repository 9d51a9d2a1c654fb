/**
 * Measures the copy of an image of four large layers from one `docker-registry` to another: by ours with one blob at a
 * time and with four, and by `skopeo copy`. Every copy starts with an empty target registry and runs in its own
 * process. Our process copies a small image first. The start of the skopeo process counts, because it takes only a
 * fraction of a second.
 */
import { RepositoryName, Tag } from "@effect-oci/core"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { pushImage } from "./internal/image.js"
import { interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut } from "./internal/peers.js"
import * as Program from "./internal/program.js"
import { at, intoEmpty } from "./internal/registries.js"
import type * as Copier from "./programs/copier.js"

const MiB = 1024 * 1024

const repository = RepositoryName.make("bench/copies")
const small = Tag.make("small")
const large = Tag.make("large")

const measure = Effect.gen(function*() {
  const { authority: source } = yield* NodePeers.dockerRegistry
  const digest = yield* Effect.zipRight(
    pushImage({ repository, tag: small, layers: 1, size: MiB }),
    pushImage({ repository, tag: large, layers: 4, size: 256 * MiB })
  ).pipe(Effect.provide(at(source)))
  const into = <A, E, R>(copy: (target: string) => Effect.Effect<A, E, R>) =>
    intoEmpty({ repository, tag: large, digest }, copy)
  const memory: Array<number> = []
  const ours = (concurrency: number) =>
    into((target) =>
      Effect.scoped(Effect.gen(function*() {
        const copier = yield* Program.start<Copier.Questions>("copier")
        const job = (tag: string) => ({ source, target, repository, tag, concurrency })
        yield* copier.ask("copy", job(small))
        const before = yield* copier.usage
        const seconds = yield* copier.ask("copy", job(large))
        const after = yield* copier.usage
        memory.push((after.peak - before.rss) / MiB)
        return seconds
      }))
    )
  const skopeo = into((target) =>
    Effect.gen(function*() {
      const start = performance.now()
      const image = `${repository}:${large}`
      yield* NodePeers.skopeo(
        "copy",
        "--preserve-digests",
        `docker://${source}/${image}`,
        `docker://${target}/${image}`
      )
      return (performance.now() - start) / 1000
    })
  )
  const rounds = yield* interleave(new Map([["one", ours(1)], ["four", ours(4)], ["skopeo", skopeo]]), {
    warmUp: 0,
    rounds: 3
  })
  const of = (name: string) => rounds.map((round) => round.get(name) ?? Number.NaN)
  const times = (name: string) => rounds.map((round) => (round.get(name) ?? NaN) / (round.get("skopeo") ?? NaN))
  const figure = (name: string, unit: string, samples: ReadonlyArray<number>, target?: number): Row =>
    row({ name, unit, better: "lower", target }, samples)
  return [
    figure("copy of 4 layers of 256 MiB, one at a time", "s", of("one")),
    figure("copy, four at a time", "s", of("four")),
    figure("skopeo copy", "s", of("skopeo")),
    figure("copy, one at a time, times skopeo's", "", times("one")),
    figure("copy, four at a time, times skopeo's", "", times("four"), 1.2),
    figure("copy, memory", "MiB", memory, 48)
  ]
})

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.gen(function*() {
  if (yield* leftOut("docker-registry", "skopeo")) return []
  return yield* Effect.scoped(measure)
}).pipe(Effect.provide(NodeContext.layer))
