import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as fc from "fast-check"
import { image, list, on, text } from "../fixtures.js"
import type { MakeStores } from "../fixtures.js"

const repositories = ["a", "a/b"].map(RepositoryName.make)
const tags = ["v1", "latest"].map(Tag.make)
const blobs = [0, 1].map((n) => Descriptor.fromBytes(text(`blob ${n}`)))
const subjects = [undefined, Digest.fromBytes(text("subject"))]

/** Images, identified by their config blob and their subject. */
const images = blobs.flatMap((config) =>
  subjects.map((subject) => {
    const fields = subject === undefined ? {} : { subject: { mediaType: MediaType.image, digest: subject, size: 1 } }
    const bytes = image({ config, ...fields })
    return { bytes, config: config.digest, subject, digest: Digest.fromBytes(bytes) }
  })
)

/** A registry as plain maps. */
interface Model {
  readonly blobs: Set<string>
  readonly manifests: Map<string, string | undefined>
  readonly tags: Map<string, string>
}

type World = Map<string, Model>

interface Step {
  readonly describe: string
  readonly run: (registry: Registry["Type"]) => Effect.Effect<unknown, { readonly _tag: string }>
  /** The expected result, which is the tag of an error or `undefined`, and the expected state after the step. */
  readonly expect: (world: World) => string | undefined
}

const make = (world: World, repository: string): Model => {
  const known = world.get(repository)
  if (known !== undefined) return known
  const model: Model = { blobs: new Set(), manifests: new Map(), tags: new Map() }
  world.set(repository, model)
  return model
}

const repository = fc.constantFrom(...repositories)
const n = fc.nat({ max: blobs.length - 1 })

const pushBlob = fc.record({ repository, n }).map(({ n, repository }): Step => ({
  describe: `push blob ${n} to ${repository}`,
  run: (registry) => registry.pushBlob(repository, blobs[n]!, Body.bytes(text(`blob ${n}`))),
  expect: (world) => void make(world, repository).blobs.add(blobs[n]!.digest)
}))

const mountBlob = fc.record({ repository, from: repository, n }).map(({ from, n, repository }): Step => ({
  describe: `mount blob ${n} of ${from} in ${repository}`,
  run: (registry) =>
    Effect.flatMap(
      registry.mountBlob(repository, blobs[n]!.digest, { from }),
      (result) => result._tag === "Mounted" ? Effect.void : Effect.fail(result)
    ),
  expect: (world) => {
    if (!world.get(from)?.blobs.has(blobs[n]!.digest)) return "UploadStarted"
    make(world, repository).blobs.add(blobs[n]!.digest)
    return undefined
  }
}))

const deleteBlob = fc.record({ repository, n }).map(({ n, repository }): Step => ({
  describe: `delete blob ${n} of ${repository}`,
  run: (registry) => registry.deleteBlob(repository, blobs[n]!.digest),
  expect: (world) => {
    const known = world.get(repository)
    const { digest } = blobs[n]!
    if (!known?.blobs.has(digest)) return "OciBlobUnknown"
    if (images.some((image) => image.config === digest && known.manifests.has(image.digest))) return "OciUnsupported"
    known.blobs.delete(digest)
    return undefined
  }
}))

/** The condition of a push. */
type Condition = Pick<Operation.PushManifest, "ifAbsent" | "ifMatch">

const pushManifest = fc.record({
  repository,
  image: fc.constantFrom(...images),
  tags: fc.subarray(tags),
  condition: fc.oneof(
    fc.constantFrom<Condition>({}, { ifAbsent: true }),
    fc.constantFrom(...images).map(({ digest }): Condition => ({ ifMatch: digest }))
  )
}).map(({ condition, image: { bytes, config, digest, subject }, repository, tags }): Step => ({
  describe: `push ${digest} to ${repository} as ${tags.join()} ${JSON.stringify(condition)}`,
  run: (registry) => registry.pushManifest(repository, { mediaType: MediaType.image, bytes, tags, ...condition }),
  expect: (world) => {
    const known = world.get(repository)
    if (!known?.blobs.has(config)) return "OciManifestBlobUnknown"
    const { ifAbsent = false, ifMatch } = condition
    const isKept = (current: string | undefined) => current === digest || current === ifMatch
    if ((ifAbsent || ifMatch !== undefined) && !tags.every((tag) => isKept(known.tags.get(tag)))) return "OciDenied"
    known.manifests.set(digest, subject)
    for (const tag of tags) known.tags.set(tag, digest)
    return undefined
  }
}))

const deleteManifest = fc.record({ repository, image: fc.constantFrom(...images) }).map(
  ({ image: { digest }, repository }): Step => ({
    describe: `delete ${digest} of ${repository}`,
    run: (registry) => registry.deleteManifest(repository, digest),
    expect: (world) => {
      const known = world.get(repository)
      if (known === undefined) return "OciNameUnknown"
      if (!known.manifests.delete(digest)) return "OciManifestUnknown"
      for (const [tag, target] of known.tags) if (target === digest) known.tags.delete(tag)
      return undefined
    }
  })
)

const deleteTag = fc.record({ repository, tag: fc.constantFrom(...tags) }).map(({ repository, tag }): Step => ({
  describe: `delete tag ${tag} of ${repository}`,
  run: (registry) => registry.deleteTag(repository, tag),
  expect: (world) => {
    const known = world.get(repository)
    if (known === undefined) return "OciNameUnknown"
    return known.tags.delete(tag) ? undefined : "OciManifestUnknown"
  }
}))

const history = fc.array(
  fc.oneof(
    { arbitrary: pushBlob, weight: 3 },
    { arbitrary: pushManifest, weight: 4 },
    mountBlob,
    deleteBlob,
    deleteManifest,
    deleteTag
  ),
  { maxLength: 40 }
)

/** Compares the visible state of a registry with the state of the model. */
const observed = Effect.gen(function*() {
  const registry = yield* Registry
  const names = yield* list(registry.listRepositories())
  return yield* Effect.forEach(names, (name) =>
    Effect.gen(function*() {
      const tagList = yield* list(registry.listTags(name))
      const has = <A>(effect: Effect.Effect<unknown, unknown>, value: A) =>
        Effect.match(effect, { onFailure: () => [], onSuccess: () => [value] })
      return {
        name,
        blobs: (yield* Effect.forEach(blobs, ({ digest }) => has(registry.resolveBlob(name, digest), digest as string)))
          .flat(),
        manifests: (yield* Effect.forEach(images, ({ digest }) =>
          has(registry.getManifest(name, digest), digest as string))).flat(),
        tags: yield* Effect.forEach(tagList, (tag) =>
          Effect.map(registry.resolveManifest(name, tag), ({ digest }) => [tag as string, digest as string])),
        referrers: yield* Effect.forEach(
          subjects.flatMap((subject) =>
            subject ?? []
          ),
          (subject) =>
            Effect.map(list(registry.listReferrers(name, subject)), (all) =>
              all.map(({ digest }) => digest as string))
        )
      }
    }))
})

const modelled = (world: World) =>
  Array.from(world).sort(([a], [b]) => a < b ? -1 : 1).map(([name, model]) => ({
    name,
    blobs: blobs.map(({ digest }) => digest as string).filter((digest) => model.blobs.has(digest)),
    manifests: images.map(({ digest }) => digest as string).filter((digest) => model.manifests.has(digest)),
    tags: Array.from(model.tags).sort(([a], [b]) => a < b ? -1 : 1),
    referrers: subjects.flatMap((subject) => subject ?? []).map((subject) =>
      Array.from(model.manifests).flatMap(([digest, of]) => of === subject ? [digest] : []).sort()
    )
  }))

export const histories = (makeStores: MakeStores) =>
  describe("any history", () => {
    it("leaves the same state as a plain model", () =>
      fc.assert(
        fc.asyncProperty(history, (steps) =>
          Effect.gen(function*() {
            const registry = yield* Registry
            const world: World = new Map()
            for (const step of steps) {
              const answer = yield* Effect.either(step.run(registry))
              const failure = Either.isLeft(answer) ? answer.left._tag : undefined
              expect([step.describe, failure]).toEqual([step.describe, step.expect(world)])
            }
            expect(yield* observed).toEqual(modelled(world))
          }).pipe(on(makeStores), Effect.runPromise)),
        { numRuns: 200 }
      ))
  })
