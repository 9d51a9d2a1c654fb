/**
 * Measures the copy of many small images of three blobs from one `docker-registry` to another: by our library in one
 * process, and by crane, oras, regctl and skopeo, which copy one image a process. Every copy goes into an empty registry.
 */
import { RepositoryName, Tag } from "@effect-oci/core"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as commands from "./internal/commands.js"
import { pushImage } from "./internal/image.js"
import { divided, interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import { leftOut } from "./internal/peers.js"
import { measured } from "./internal/processes.js"
import type { Used } from "./internal/processes.js"
import * as Program from "./internal/program.js"
import { at, intoEmpty } from "./internal/registries.js"
import type * as Copier from "./programs/copier.js"

/** The number of images that our library copies, and the number that each command copies in one sample. */
const count = 500
const fewer = 50

/** The number of images that our library copies at the same time. */
const concurrency = 16

const tag = Tag.make("v1")

const repositories = Array.from({ length: count }, (_, index) => RepositoryName.make(`bench/many-${index}`))
const last = repositories[count - 1]!

/** What the copy of one image used: seconds and seconds of processor time. */
type Each = Pick<Used, "seconds" | "cpu">

const byCommand = ({ copy }: commands.Copier, source: string, target: string) =>
  Effect.map(
    Effect.forEach(repositories.slice(-fewer), (repository) =>
      measured(...copy(`${source}/${repository}:${tag}`, `${target}/${repository}:${tag}`))),
    (all) => ({
      seconds: all.reduce((sum, { seconds }) =>
        sum + seconds, 0) / fewer,
      cpu: all.reduce((sum, { cpu }) => sum + cpu, 0) / fewer
    })
  )

/** Copies all images twice in one process. The second time counts, because in the first one the process compiles code. */
const byUs = (source: string, warm: string, target: string) =>
  Effect.scoped(Effect.gen(function*() {
    const copier = yield* Program.start<Copier.Questions>("copier")
    const jobs = { source, repositories, tag, concurrency }
    yield* copier.ask("copyAll", { ...jobs, target: warm, repositories: repositories.slice(0, fewer) })
    const before = yield* copier.usage
    const seconds = yield* copier.ask("copyAll", { ...jobs, target })
    const after = yield* copier.usage
    return { seconds: seconds / count, cpu: (after.cpu - before.cpu) / 1e6 / count }
  }))

const measure = Effect.gen(function*() {
  const { authority: source } = yield* NodePeers.dockerRegistry
  const { authority: warm } = yield* NodePeers.dockerRegistry
  const digests = yield* Effect.forEach(
    repositories,
    (repository) => pushImage({ repository, tag, layers: 2, size: 1024 }),
    { concurrency: 8 }
  ).pipe(Effect.provide(at(source)))
  const into = (copy: (target: string) => Effect.Effect<Each, unknown>) =>
    intoEmpty({ repository: last, tag, digest: digests[count - 1]! }, copy)
  const [, ...peers] = commands.installed()
  const cases = new Map([
    ["effect-oci", into((target) => byUs(source, warm, target))] as const,
    ...peers.map((peer) => [peer.name, into((target) => byCommand(peer, source, target))] as const)
  ])
  const rounds = yield* interleave(cases, { warmUp: 0, rounds: 3 })
  const of = (name: string, what: keyof Each) => rounds.map((round) => (round.get(name)?.[what] ?? Number.NaN) * 1000)
  const figure = (name: string, unit: string, samples: ReadonlyArray<number>, target?: number): Row =>
    row({ name: `copy of a small image: ${name}`, unit, better: "lower", target }, samples)
  const targets: { readonly [name: string]: number } = { skopeo: 0.3, regctl: 1 }
  return [
    ...[...cases.keys()].flatMap((name) => [
      figure(name, "ms", of(name, "seconds")),
      figure(`${name}, processor time`, "ms", of(name, "cpu"))
    ]),
    ...peers.map(({ name }) =>
      figure(`effect-oci, times ${name}`, "", divided(of("effect-oci", "seconds"), of(name, "seconds")), targets[name])
    )
  ]
})

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.gen(function*() {
  if (yield* leftOut("docker-registry")) return []
  return yield* Effect.scoped(measure)
}).pipe(Effect.provide(NodeContext.layer))
