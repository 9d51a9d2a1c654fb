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

/** The state of the root at the target: whether the target has it, and whether all tags point at it. */
export interface Root {
  readonly existed: boolean
  readonly tagged: boolean
}

const taken = ({ repository }: End, tag: Tag.Tag, { digest }: Descriptor.Descriptor) =>
  new RegistryError.Denied({
    operation: "PushManifest",
    repository,
    reference: tag,
    reason: `tag "${tag}" exists and points at ${digest}`
  })

/** Returns functions that ask the target what it has. With `ifAbsent`, a tag that points at another manifest is an error. */
export const lookup = (source: End, target: End, tags: ReadonlyArray<Tag.Tag>, ifAbsent: boolean) => {
  const samePlace = sameRegistry(source, target) && source.repository === target.repository
  const has = (reference: Operation.TagOrDigest): Answer<Option.Option<Descriptor.Descriptor>> =>
    target.registry.resolveManifest(target.repository, reference).pipe(
      Effect.asSome,
      Effect.catchIf(RegistryError.isNotFound, () => Effect.succeedNone)
    )
  const exists = ({ digest }: Descriptor.Descriptor): Answer<boolean> =>
    samePlace ? Effect.succeed(true) : Effect.map(has(digest), Option.isSome)
  const only = tags.length === 1 ? tags[0] : undefined
  return {
    exists,
    /** Returns whether a tag of the target points at a manifest. */
    points: (tag: Tag.Tag, digest: Digest.Digest): Answer<boolean> =>
      samePlace ? Effect.succeed(true) : Effect.map(has(tag), Option.exists((found) => found.digest === digest)),
    /** Returns the state of the root. If the only tag points at the root, or does not exist, this takes one request. */
    root: (root: Descriptor.Descriptor): Answer<Root> => {
      if (only === undefined) return Effect.map(exists(root), (existed) => ({ existed, tagged: tags.length === 0 }))
      return Effect.flatMap(has(only), (found): Answer<Root> => {
        if (Option.isNone(found)) return Effect.succeed({ existed: samePlace, tagged: false })
        if (found.value.digest === root.digest) return Effect.succeed({ existed: true, tagged: true })
        if (ifAbsent) return Effect.fail(taken(target, only, found.value))
        return Effect.map(exists(root), (existed) => ({ existed, tagged: false }))
      })
    }
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
