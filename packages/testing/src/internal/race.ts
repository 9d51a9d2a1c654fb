import * as Digest from "@effect-oci/core/Digest"
import type { Handler } from "@effect-oci/core/Handler"
import * as MediaType from "@effect-oci/core/MediaType"
import type { Middleware } from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"

/**
 * One operation of a client in a race. The numbers select from a few sample tags and manifests. `from` is the manifest
 * that the tags must point at if the operation is `pushIfMatch`. `before` is the number
 * of times that the client yields to others before the registry receives the operation, `after` before it receives the
 * response.
 *
 * @since 0.1.0
 * @category racing
 */
export interface Step {
  readonly operation:
    | "push"
    | "pushIfAbsent"
    | "pushIfMatch"
    | "get"
    | "resolve"
    | "deleteTag"
    | "deleteManifest"
    | "list"
  readonly tags: ReadonlyArray<number>
  readonly manifest: number
  readonly from: number
  readonly before: number
  readonly after: number
}

/**
 * The operations of concurrent clients. Each client performs its operations one after another.
 *
 * @since 0.1.0
 * @category racing
 */
export type Race = ReadonlyArray<ReadonlyArray<Step>>

const tags = ["latest", "v1"].map(Tag.make)

/** Empty indexes, which every registry accepts. */
const manifests = ["a", "b", "c"].map((name) =>
  new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [], annotations: { name } })
  )
)

const step: fc.Arbitrary<Step> = fc.record({
  operation: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<Step["operation"]>("push", "pushIfAbsent") },
    { weight: 3, arbitrary: fc.constantFrom<Step["operation"]>("get", "resolve") },
    { weight: 2, arbitrary: fc.constantFrom<Step["operation"]>("deleteTag", "deleteManifest", "list") },
    { weight: 2, arbitrary: fc.constant<Step["operation"]>("pushIfMatch") }
  ),
  tags: fc.subarray([...tags.keys()], { minLength: 1 }),
  manifest: fc.nat(manifests.length - 1),
  from: fc.nat(manifests.length - 1),
  before: fc.nat(3),
  after: fc.nat(3)
})

/** Generates races of two to four clients. */
export const race: fc.Arbitrary<Race> = fc.array(fc.array(step, { minLength: 1, maxLength: 8, size: "max" }), {
  minLength: 2,
  maxLength: 4,
  size: "max"
})

/** Returns the name of a new repository. */
export const repository = () => RepositoryName.make(`race/${crypto.randomUUID()}`)

const of = <A>(among: ReadonlyArray<A>, index: number): A => among[index % among.length] as A

const perform = (
  step: Step,
  repository: RepositoryName.RepositoryName,
  handle: Handler
): Effect.Effect<unknown, RegistryError> => {
  const bytes = of(manifests, step.manifest)
  const pushedTags = step.tags.map((tag) => of(tags, tag))
  const tag = of(tags, step.tags[0] ?? 0)
  switch (step.operation) {
    case "push":
    case "pushIfAbsent":
    case "pushIfMatch":
      return handle(
        new Operation.PushManifest({
          repository,
          mediaType: MediaType.index,
          bytes,
          tags: pushedTags,
          ifAbsent: step.operation === "pushIfAbsent",
          ifMatch: step.operation === "pushIfMatch" ? Digest.fromBytes(of(manifests, step.from)) : undefined
        })
      )
    case "get":
      return handle(new Operation.GetManifest({ repository, reference: tag }))
    case "resolve":
      return handle(new Operation.ResolveManifest({ repository, reference: tag }))
    case "deleteTag":
      return handle(new Operation.DeleteTag({ repository, tag }))
    case "deleteManifest":
      return handle(new Operation.DeleteManifest({ repository, digest: Digest.fromBytes(bytes) }))
    case "list":
      return Effect.flatMap(handle(new Operation.ListTags({ repository })), Stream.runDrain)
  }
}

const yieldTimes = (count: number): Effect.Effect<void> => Effect.repeatN(Effect.yieldNow(), count)

/**
 * Yields to other clients around each operation. Otherwise a registry in memory would never serve two at the same time.
 */
const slowed = ({ after, before }: Step): Middleware => (next) => (operation) =>
  Effect.ensuring(Effect.zipRight(yieldTimes(before), Effect.suspend(() => next(operation))), yieldTimes(after))

/** Runs all clients concurrently. The recorder sees each operation and how it ends. */
export const run = (
  race: Race,
  repository: RepositoryName.RepositoryName,
  handle: Handler,
  recorder: Middleware
): Effect.Effect<void> =>
  Effect.forEach(
    race,
    (steps) =>
      Effect.forEach(steps, (step) => Effect.exit(perform(step, repository, recorder(slowed(step)(handle)))), {
        discard: true
      }),
    { concurrency: "unbounded", discard: true }
  )
