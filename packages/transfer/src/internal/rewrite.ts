import { Manifest } from "@effect-oci/core"
import type { Descriptor, Digest, RegistryError } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Graph, Node } from "../Graph.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type Json = { [name: string]: unknown }

/** A manifest on its way, in another form. */
export type Transform = (manifest: Manifest.Manifest) => Answer<Manifest.Manifest>

/** The same entry for other content: digest, size and type are those of what it stands for now. */
const entry = (raw: unknown, { digest, mediaType, size }: Descriptor.Descriptor): unknown => ({
  ...(raw as Json),
  mediaType,
  digest,
  size
})

/** The same document, whose entries stand for other content, and without those that stand for none. */
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

/** The manifest that says so. */
export const encoded = (mediaType: string, document: object): Manifest.Manifest =>
  Either.getOrThrow(Manifest.make({ mediaType, bytes: new TextEncoder().encode(JSON.stringify(document)) }))

/**
 * The same graph in another form: of each index the entries that were chosen, and each manifest as `transform` makes it;
 * whatever points at one that has become another, points at that.
 */
export const rewrite = (graph: Graph, transform: Transform | undefined): Answer<Graph> => {
  const done = new Map<Digest.Digest, Node>()

  const final = (node: Node): Answer<Node> =>
    Effect.gen(function*() {
      const known = done.get(node.descriptor.digest)
      if (known !== undefined || node.manifest === undefined) return known ?? node
      const subject = node.subject === undefined ? undefined : graph.nodes.get(node.subject.digest)
      const children = yield* Effect.forEach(
        node.children,
        (child) => Effect.map(final(graph.nodes.get(child.digest)!), ({ descriptor }) => descriptor)
      )
      const refersTo = subject === undefined ? undefined : (yield* final(subject)).descriptor
      const chosen = new Map(node.children.map(({ digest }, index) => [digest, children[index]!]))
      const manifest = yield* Effect.flatMap(
        decodable(node.manifest)
          ? Effect.succeed(edited(node.manifest, (digest) => {
            if (digest === subject?.descriptor.digest) return refersTo
            return chosen.get(digest) ?? (digest === node.subject?.digest ? undefined : "dropped")
          }))
          : Effect.succeed(node.manifest),
        transform ?? Effect.succeed
      )
      const { digest, mediaType, size } = manifest.descriptor
      const links = transform === undefined
        ? undefined
        : Manifest.references(yield* Manifest.parse({ mediaType, bytes: manifest.bytes }))
      const blobs = links?.flatMap(({ descriptor, kind }) => kind === "config" || kind === "blob" ? [descriptor] : [])
      const rewritten: Node = {
        ...node,
        descriptor: { ...node.descriptor, mediaType, digest, size },
        manifest,
        children,
        blobs: blobs === undefined || blobs.length === 0 ? node.blobs : blobs
      }
      done.set(node.descriptor.digest, rewritten)
      return rewritten
    })

  return Effect.map(Effect.forEach([...graph.nodes.values()], final), (nodes) => ({
    root: done.get(graph.root)!.descriptor.digest,
    nodes: new Map(nodes.map((node) => [node.descriptor.digest, node]))
  }))
}

/** What is not understood is not edited. */
const decodable = ({ bytes, descriptor }: Manifest.Manifest): boolean =>
  Either.match(Manifest.parse({ mediaType: descriptor.mediaType, bytes }), {
    onLeft: () => false,
    onRight: ({ _tag }) => _tag !== "Unknown"
  })
