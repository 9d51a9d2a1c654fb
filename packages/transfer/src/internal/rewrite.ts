import { Manifest } from "@effect-oci/core"
import type { Descriptor, Digest, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Graph, Node } from "../Graph.js"
import { blobs as blobsOf } from "./links.js"
import type { Filter } from "./links.js"
import * as order from "./order.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type Json = { [name: string]: unknown }

/**
 * A function that returns a changed manifest, or the same manifest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transform {
  (manifest: Manifest.Manifest): Effect.Effect<Manifest.Manifest, RegistryError.RegistryError>
}

/** Returns the entry with the digest, size and media type of other content. */
const entry = (raw: unknown, { digest, mediaType, size }: Descriptor.Descriptor): unknown => ({
  ...(raw as Json),
  mediaType,
  digest,
  size
})

/** Replaces the changed entries of a manifest, and removes the dropped ones. */
const edited = (
  manifest: Manifest.Manifest,
  became: (digest: Digest.Digest) => Descriptor.Descriptor | "dropped" | undefined
): Manifest.Manifest => {
  const document = JSON.parse(new TextDecoder().decode(manifest.bytes)) as Json
  let changed = false
  const replaced = (raw: unknown): ReadonlyArray<unknown> => {
    const digest = (raw as { readonly digest: Digest.Digest }).digest
    const now = became(digest)
    if (now === undefined || (now !== "dropped" && now.digest === digest)) return [raw]
    changed = true
    return now === "dropped" ? [] : [entry(raw, now)]
  }
  if (Array.isArray(document["manifests"])) document["manifests"] = document["manifests"].flatMap(replaced)
  if (typeof document["subject"] === "object" && document["subject"] !== null) {
    document["subject"] = replaced(document["subject"])[0]
  }
  return changed ? encoded(manifest.descriptor.mediaType, document) : manifest
}

/** Encodes a document as a manifest. */
export const encoded = (mediaType: string, document: object): Manifest.Manifest =>
  Either.getOrThrow(Manifest.make({ mediaType, bytes: new TextEncoder().encode(JSON.stringify(document)) }))

/**
 * Rewrites a graph. Indexes contain only the chosen entries, and each manifest is changed by `transform`. Manifests that
 * point at a changed manifest are changed to point at the result.
 */
export const rewrite = (
  graph: Graph,
  { filter = () => true, transform }: {
    readonly filter?: Filter | undefined
    readonly transform?: Transform | undefined
  }
): Answer<Graph> => {
  const done = new Map<Digest.Digest, Node>()
  const now = (digest: Digest.Digest) => done.get(digest)?.descriptor

  const final = (node: Node & { readonly manifest: Manifest.Manifest }): Answer<Node> =>
    Effect.gen(function*() {
      const subject = node.subject?.digest
      const chosen = new Set(node.children.map(({ digest }) => digest))
      const kept = decodable(node.manifest)
        ? edited(node.manifest, (digest) => chosen.has(digest) || digest === subject ? now(digest) : "dropped")
        : node.manifest
      const manifest = transform === undefined ? kept : yield* transform(kept)
      const { digest, mediaType, size } = manifest.descriptor
      const links = transform === undefined
        ? []
        : Manifest.references(yield* Manifest.parse({ mediaType, bytes: manifest.bytes }))
      const blobs = blobsOf(links.filter((link) => filter(link, node.descriptor)))
      return {
        ...node,
        descriptor: { ...node.descriptor, mediaType, digest, size },
        manifest,
        children: node.children.map((child) => now(child.digest) ?? child),
        blobs: blobs.length === 0 ? node.blobs : blobs
      }
    })

  const before = ({ children, subject }: Node) => [...children, ...subject === undefined ? [] : [subject]]
  const sorted = order.steps(graph.nodes, (node) => before(node).map(({ digest }) => digest)).flat()
  return Effect.forEach(sorted, (node) => {
    const { manifest } = node
    const rewritten = manifest === undefined ? Effect.succeed(node) : final({ ...node, manifest })
    return Effect.map(rewritten, (now) => {
      done.set(node.descriptor.digest, now)
      return [now.descriptor.digest, now] as const
    })
  }).pipe(
    Effect.map((nodes) => ({
      root: now(graph.root)!.digest,
      nodes: new Map(nodes),
      // A tag that is made from a digest is kept only if that digest has not changed.
      digestTags: new Map(
        [...graph.digestTags].flatMap(([tag, { digest, of }]) =>
          now(of)?.digest === of ? [[tag, { digest: now(digest)!.digest, of }] as const] : []
        )
      )
    }))
  )
}

/** Returns whether a manifest can be edited. Manifests of unknown types are not edited. */
const decodable = ({ bytes, descriptor }: Manifest.Manifest): boolean =>
  Either.match(Manifest.parse({ mediaType: descriptor.mediaType, bytes }), {
    onLeft: () => false,
    onRight: ({ _tag }) => _tag !== "Unknown"
  })
