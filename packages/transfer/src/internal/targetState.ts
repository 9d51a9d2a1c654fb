import { RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Manifest, Operation, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Graph from "../Graph.js"

/** One end of a copy. */
interface End extends Graph.Source {
  readonly host?: string | undefined
}

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

export const sameRegistry = (source: End, target: End): boolean =>
  source.registry === target.registry || (source.host !== undefined && source.host === target.host)

const tagTaken = ({ repository }: End, tag: Tag.Tag, { digest }: Descriptor.Descriptor) =>
  new RegistryError.Denied({
    operation: "PushManifest",
    repository,
    reference: tag,
    reason: `tag "${tag}" exists and points at ${digest}`
  })

/** What the target has before a copy writes to it. */
export class TargetState {
  /** Whether all tags of the copy point at its root. Known after {@link exists} has looked for the root. */
  tagged: boolean
  private readonly isSource: boolean
  /** What the only tag pointed at before the root was known. */
  private tagAhead: Option.Option<Descriptor.Descriptor> | undefined

  /** With `ifAbsent`, a tag that points at another manifest is an error. */
  constructor(
    source: End,
    private readonly target: End,
    private readonly tags: ReadonlyArray<Tag.Tag>,
    private readonly ifAbsent: boolean
  ) {
    this.tagged = tags.length === 0
    this.isSource = sameRegistry(source, target) && source.repository === target.repository
  }

  /** Looks for the tag of the root, while the root is read from the source. */
  readonly lookAhead: Answer<void> = Effect.suspend(() => {
    const [tag, ...others] = this.tags
    return tag === undefined || others.length > 0
      ? Effect.void
      : Effect.map(this.find(tag), (found) => {
        this.tagAhead = found
      })
  })

  /** Returns a function that looks for the manifests of a graph at the target. */
  exists(root: Digest.Digest): (descriptor: Descriptor.Descriptor) => Answer<boolean> {
    return (descriptor) => descriptor.digest === root ? this.rootExists(descriptor) : this.has(descriptor.digest)
  }

  /** Returns whether a tag of the target points at a manifest. */
  points(tag: Tag.Tag, digest: Digest.Digest): Answer<boolean> {
    return this.isSource
      ? Effect.succeed(true)
      : Effect.map(this.find(tag), Option.exists((found) => found.digest === digest))
  }

  private find(reference: Operation.TagOrDigest): Answer<Option.Option<Descriptor.Descriptor>> {
    return this.target.registry.resolveManifest(this.target.repository, reference).pipe(
      Effect.asSome,
      Effect.catchIf(RegistryError.isNotFound, () => Effect.succeedNone)
    )
  }

  private has(digest: Digest.Digest): Answer<boolean> {
    return this.isSource ? Effect.succeed(true) : Effect.map(this.find(digest), Option.isSome)
  }

  /** Looks for the root. If the only tag points at the root, or does not exist, this takes one request. */
  private rootExists({ digest }: Descriptor.Descriptor): Answer<boolean> {
    const [tag, ...others] = this.tags
    if (tag === undefined || others.length > 0) return this.has(digest)
    const tagged = this.tagAhead === undefined ? this.find(tag) : Effect.succeed(this.tagAhead)
    return Effect.flatMap(tagged, (found): Answer<boolean> => {
      if (Option.isNone(found)) return Effect.succeed(this.isSource)
      this.tagged = found.value.digest === digest
      if (this.tagged) return Effect.succeed(true)
      return this.ifAbsent ? Effect.fail(tagTaken(this.target, tag, found.value)) : this.has(digest)
    })
  }
}

/** Marks the manifests of a graph that the target has, from the root down. The target has everything below them too. */
export const marked = (
  graph: Graph.Graph,
  exists: (descriptor: Descriptor.Descriptor) => Answer<boolean>,
  concurrency: number
): Answer<Graph.Graph> =>
  Effect.gen(function*() {
    const nodes = new Map(graph.nodes)
    const mark = (digest: Digest.Digest) => {
      const below = [digest]
      for (let next = below.pop(); next !== undefined; next = below.pop()) {
        const node = nodes.get(next)
        if (node === undefined || node.existed) continue
        nodes.set(next, { ...node, existed: true })
        below.push(...node.children.map((child) => child.digest))
      }
    }
    for (const step of Graph.steps(graph).toReversed()) {
      yield* Effect.forEach(
        step,
        ({ descriptor }) =>
          nodes.get(descriptor.digest)?.existed === true
            ? Effect.void
            : Effect.map(exists(descriptor), (existed) => existed && mark(descriptor.digest)),
        { concurrency, discard: true }
      )
    }
    return { ...graph, nodes }
  })

/** Returns the blobs of the manifests that the target lacks, each once, with the annotations of all its descriptors. */
export const needed = (graph: Graph.Graph, root: Manifest.Manifest): ReadonlyArray<Descriptor.Descriptor> => {
  const blobs = new Map<Digest.Digest, Descriptor.Descriptor>()
  for (const node of graph.nodes.values()) {
    if (node.existed) continue
    for (const blob of node.blobs) {
      const annotations = {
        ...root.descriptor.annotations,
        ...blobs.get(blob.digest)?.annotations,
        ...blob.annotations
      }
      blobs.set(blob.digest, Object.keys(annotations).length === 0 ? blob : { ...blob, annotations })
    }
  }
  return [...blobs.values()].sort((one, other) => other.size - one.size)
}
