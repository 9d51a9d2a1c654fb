import { Answer, Digest, Operation, RegistryError } from "@effect-oci/core"
import type { Descriptor, Handler, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { digestOf, isDigestOf, isTypeOf } from "../pushedManifest.js"

type Pushed = Effect.Effect<Operation.PushedManifest, RegistryError.RegistryError>
type Found = ReadonlyMap<Tag.Tag, Descriptor.Descriptor>

/** Returns the tags of a push that `isSet` accepts, each once. */
const distinctTags = ({ tags }: Operation.PushManifest, isSet: (tag: Tag.Tag) => boolean): ReadonlyArray<Tag.Tag> =>
  Array.from(new Set(tags)).filter(isSet)

/**
 * Pushes of manifests to immutable tags. `tags` are the immutable tags of an operation.
 *
 * A push to an immutable tag has `ifAbsent`. A push with `ifMatch` may only confirm that the tag points at its manifest,
 * so it becomes a push that matches its own digest.
 */
export class ImmutablePushes {
  constructor(private readonly next: Handler.Handler) {}

  /** Pushes to a registry that enforces `ifAbsent`. */
  push(operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>): Pushed {
    return this.pushInTwo(operation, tags, (operation) => this.pushUnmoved(operation, tags))
  }

  /** Pushes to a registry that may not enforce `ifAbsent`: first resolves the digest and the tags. */
  checkAndPush(operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>): Pushed {
    return Effect.gen(this, function*() {
      yield* this.find(operation, digestOf(operation))
      const found = yield* this.findTags(operation, tags)
      // A tag that points at the content by the digest of another algorithm keeps that digest.
      const kept = new Map([...found].filter(([, { digest }]) => digest !== digestOf(operation)))
      return yield* kept.size > 0
        ? this.pushInTwo(operation, tags, (operation) => this.pushExcept(operation, kept))
        : this.push(operation, tags)
    })
  }

  /** Pushes the manifest to the immutable tags with `toImmutable`, and then to the other tags. */
  private pushInTwo(
    operation: Operation.PushManifest,
    tags: ReadonlyArray<Tag.Tag>,
    toImmutable: (operation: Operation.PushManifest) => Pushed
  ): Pushed {
    if (tags.length === 0) return this.next(operation)
    const others = operation.tags.filter((tag) => !tags.includes(tag))
    if (others.length === 0 || operation.ifAbsent === true) return toImmutable(operation)
    return Effect.zipWith(
      toImmutable(new Operation.PushManifest({ ...operation, tags })),
      Effect.suspend(() => this.next(new Operation.PushManifest({ ...operation, tags: others }))),
      (immutable, other) => ({
        ...other,
        tags: distinctTags(operation, (tag) => immutable.tags.includes(tag) || other.tags.includes(tag))
      })
    )
  }

  /** Pushes the manifest without moving a tag. Reports a refusal of the next registry as a refusal of this wrapper. */
  private pushUnmoved(operation: Operation.PushManifest, tags: ReadonlyArray<Tag.Tag>): Pushed {
    return Effect.catchTag(
      this.next(new Operation.PushManifest({ ...operation, ...unmoved(operation) })),
      "OciDenied",
      (error) =>
        Effect.flatMap(
          this.findTags(operation, tags),
          (found) => found.size === 0 ? Answer.fail(error) : this.pushExcept(operation, found)
        )
    )
  }

  /**
   * Pushes the manifest to all tags except those that already point at its content. Pushes it by digest if no tag is
   * left.
   */
  private pushExcept(operation: Operation.PushManifest, found: Found): Pushed {
    const tags = operation.tags.filter((tag) => !found.has(tag))
    const digest = tags.length === 0 ? digestOf(operation) : operation.digest
    return Effect.map(
      this.next(new Operation.PushManifest({ ...operation, digest, tags, ...unmoved(operation) })),
      (pushed) => ({ ...pushed, tags: distinctTags(operation, (tag) => found.has(tag) || pushed.tags.includes(tag)) })
    )
  }

  /**
   * Returns the tags that already point at the content. Fails with `Denied` if one of the tags points at other content.
   */
  private findTags(
    operation: Operation.PushManifest,
    tags: ReadonlyArray<Tag.Tag>
  ): Effect.Effect<Found, RegistryError.RegistryError> {
    return Effect.reduce(
      tags,
      new Map<Tag.Tag, Descriptor.Descriptor>(),
      (all, tag) =>
        Effect.flatMap(this.find(operation, tag), (found) => {
          if (found === undefined) return Answer.succeed(all)
          return isDigestOf(operation, found.digest)
            ? Answer.succeed(all.set(tag, found))
            : denied(operation, `the tag "${tag}" is immutable, and points at ${found.digest}`)
        })
    )
  }

  /** Resolves a reference. Fails if it is the pushed content with another media type. */
  private find(
    operation: Operation.PushManifest,
    reference: Operation.TagOrDigest
  ): Effect.Effect<Descriptor.Descriptor | undefined, RegistryError.RegistryError> {
    const fields = Operation.errorFields(operation)
    const resolve = new Operation.ResolveManifest({ repository: operation.repository, reference })
    return Answer.matchEffect(this.next(resolve), {
      onFailure: (error) =>
        RegistryError.isNotFound(error)
          ? Answer.succeed(undefined)
          : Answer.fail(RegistryError.withFields(error, fields)),
      onSuccess: (found) =>
        Answer.flatMap(Digest.load(found.digest), () => {
          if (!isDigestOf(operation, found.digest) || isTypeOf(operation, found)) return Answer.succeed(found)
          const reason =
            `manifest invalid: these bytes are stored as a manifest of type ${found.mediaType}, which is ` +
            "immutable; push them with that type"
          return Answer.fail(new RegistryError.ManifestInvalid({ ...fields, reason }))
        })
    })
  }
}

/** Returns the condition that keeps the tags of a push where they are. */
const unmoved = (operation: Operation.PushManifest): Partial<Operation.PushManifest> =>
  operation.ifMatch === undefined ? { ifAbsent: true } : { ifMatch: digestOf(operation) }

export const denied = (operation: Operation.Operation, reason: string): Effect.Effect<never, RegistryError.Denied> =>
  Answer.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))
