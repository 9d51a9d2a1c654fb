import type { RegistryError, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Graph from "../Graph.js"
import { Event } from "../Progress.js"
import type { Tracker } from "../Progress.js"
import type { TargetState } from "./targetState.js"

/** The manifests to push, and the tags of the root to set or to move. */
export interface Options {
  readonly source: Graph.Source
  readonly target: Graph.Source
  readonly state: TargetState
  readonly graph: Graph.Graph
  readonly tags: ReadonlyArray<Tag.Tag>
  /** Waits until the target has the blobs of a manifest. */
  readonly arrived: (node: Graph.Node) => Effect.Effect<void>
  readonly ifAbsent: boolean
  readonly concurrency: number
  readonly progress: Tracker | undefined
}

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

const pushOne = (
  { ifAbsent, source, target }: Options,
  { descriptor, manifest }: Graph.Node,
  tags: ReadonlyArray<Tag.Tag>
): Answer<void> =>
  Effect.gen(function*() {
    // A manifest that the target has may not have been read. It is read now, to set a tag.
    const { bytes, descriptor: { digest, mediaType } } = manifest ??
      (yield* source.registry.getManifest(source.repository, descriptor.digest))
    // A push by the only tag is one request at every registry. A manifest without tags is pushed by its digest.
    const named = tags.length > 0 && digest.startsWith("sha256:") ? undefined : digest
    yield* target.registry.pushManifest(target.repository, {
      mediaType,
      bytes,
      digest: named,
      tags,
      ...(ifAbsent && tags.length > 0 ? { ifAbsent } : {})
    })
  })

/** Pushes a manifest that the target lacks, after its blobs, and reports the events of the push. */
const pushMissing = (options: Options, node: Graph.Node, tags: ReadonlyArray<Tag.Tag>): Answer<void> => {
  const { descriptor } = node
  const report = (event: Event) => Effect.sync(() => options.progress?.report(event))
  return Effect.zipRight(
    Effect.zipRight(options.arrived(node), report(Event.Started({ descriptor, transferred: 0 }))),
    Effect.tapBoth(pushOne(options, node, tags), {
      onFailure: (error) => report(Event.Failed({ descriptor, error })),
      onSuccess: () => report(Event.Done({ descriptor }))
    })
  )
}

/**
 * Pushes the manifests that the target lacks, each after everything that it points at. Then sets the tags of manifests that
 * the target has, and last the tags of the root.
 */
export const push = (options: Options): Answer<void> =>
  Effect.gen(function*() {
    const { concurrency, graph, state, tags } = options
    const root = graph.nodes.get(graph.root)!
    const digestTags = ({ descriptor }: Graph.Node) =>
      [...graph.digestTags].flatMap(([tag, { digest }]) => digest === descriptor.digest ? [tag] : [])
    const steps = Graph.steps(graph)
    const last = steps.at(-1) ?? []
    const rootIsLast = last.length === 1 && last[0] === root
    for (const step of rootIsLast ? steps.slice(0, -1) : steps) {
      const missing = step.filter(({ existed }) => !existed)
      yield* Effect.forEach(missing, (node) => pushMissing(options, node, digestTags(node)), {
        concurrency,
        discard: true
      })
    }
    yield* Effect.forEach([...graph.nodes.values()].filter(({ existed }) => existed), (node) =>
      Effect.filter(digestTags(node), (tag) =>
        state.points(tag, node.descriptor.digest), { negate: true }).pipe(
          Effect.flatMap((moved) => moved.length === 0 ? Effect.void : pushOne(options, node, moved))
        ), { concurrency, discard: true })
    if (rootIsLast && !root.existed) {
      yield* pushMissing(options, root, [...tags, ...digestTags(root)])
    } else if (tags.length > 0) {
      yield* pushOne(options, root, tags)
    }
  })
