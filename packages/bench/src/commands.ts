/**
 * Measures commands that copy an image between an image layout and `docker-registry`: ours (`examples/copy`), crane, oras,
 * regctl and skopeo. A command is a process of its own, from its start to its end. Every push goes into an empty registry,
 * and every pull into a layout that does not exist yet. Ours verifies all content, and syncs a layout that it writes.
 */
import { RepositoryName, Tag } from "@effect-oci/core"
import type { Digest } from "@effect-oci/core"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as commands from "./internal/commands.js"
import { pushImage } from "./internal/image.js"
import { divided, interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut } from "./internal/peers.js"
import { measured } from "./internal/processes.js"
import type { Used } from "./internal/processes.js"
import { intoEmpty } from "./internal/registries.js"

const MiB = 1024 * 1024

const repository = RepositoryName.make("bench/commands")
const tag = Tag.make(commands.tag)

/** An image in a layout. */
interface Image {
  readonly layout: string
  readonly digest: Digest.Digest
}

const makeLayout = (layout: string, layers: number, size: number) =>
  Effect.map(
    pushImage({ repository: NodeOciLayout.repository, tag, layers, size }).pipe(
      Effect.provide(NodeOciLayout.layer(layout, { create: true }))
    ),
    (digest): Image => ({ layout, digest })
  )

const rounds = { warmUp: 1, rounds: 5 }

type Samples = ReadonlyArray<ReadonlyMap<string, Used>>

/** Measures each command once a round. */
const take = <E, R>(
  copiers: ReadonlyArray<commands.Copier>,
  sample: (copier: commands.Copier) => Effect.Effect<Used, E, R>
) => interleave(new Map(copiers.map((copier) => [copier.name, sample(copier)])), rounds)

const push = (copiers: ReadonlyArray<commands.Copier>, { digest, layout }: Image) =>
  take(copiers, (copier) =>
    intoEmpty(
      { repository, tag, digest },
      (authority) => measured(...copier.push(layout, `${authority}/${repository}:${tag}`))
    ))

const pull = (copiers: ReadonlyArray<commands.Copier>, authority: string, { digest }: Image) =>
  take(copiers, (copier) =>
    Effect.scoped(Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const layout = join(yield* files.makeTempDirectoryScoped({ prefix: "bench-" }), "layout")
      const used = yield* measured(...copier.pull(`${authority}/${repository}:${tag}`, layout))
      const index = yield* files.readFileString(join(layout, "index.json"))
      return index.includes(digest) ? used : yield* Effect.dieMessage(`${copier.name} has pulled another image`)
    })))

/** The maximum time of our command, as a multiple of the time of another one. */
type Targets = { readonly [name: string]: number }

const rowsOf = (
  job: string,
  copiers: ReadonlyArray<commands.Copier>,
  samples: Samples,
  targets: Targets
): ReadonlyArray<Row> => {
  const of = (name: string, what: keyof Used) => samples.map((round) => round.get(name)?.[what] ?? Number.NaN)
  const [ours = "", ...peers] = copiers.map(({ name }) => name)
  const figure = (name: string, unit: string, values: ReadonlyArray<number>, target?: number) =>
    row({ name: `${job}: ${name}`, unit, better: "lower", target }, values)
  return [
    ...[ours, ...peers].flatMap((name) => [
      figure(name, "s", of(name, "seconds")),
      figure(`${name}, processor time`, "s", of(name, "cpu")),
      figure(`${name}, memory`, "MiB", of(name, "memory"))
    ]),
    ...peers.map((name) =>
      figure(`${ours}, times ${name}`, "", divided(of(ours, "seconds"), of(name, "seconds")), targets[name])
    )
  ]
}

const measure = Effect.gen(function*() {
  const copiers = commands.installed()
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped({ prefix: "bench-" })
  const large = yield* makeLayout(join(folder, "large"), 1, 256 * MiB)
  const many = yield* makeLayout(join(folder, "many"), 20, 4 * MiB)
  const { authority } = yield* NodePeers.dockerRegistry
  yield* measured(...commands.ours.push(many.layout, `${authority}/${repository}:${tag}`))
  return [
    ...rowsOf("push of one layer of 256 MiB", copiers, yield* push(copiers, large), { crane: 1.5 }),
    ...rowsOf("push of 20 layers of 4 MiB", copiers, yield* push(copiers, many), { skopeo: 1, crane: 2.5 }),
    ...rowsOf("pull of 20 layers of 4 MiB", copiers, yield* pull(copiers, authority, many), { skopeo: 1, crane: 2.5 })
  ]
})

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.gen(function*() {
  if (yield* leftOut("docker-registry")) return []
  return yield* Effect.scoped(measure)
}).pipe(Effect.provide(NodeContext.layer))
