import { RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Registry, RepositoryName, Tag } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as digestTags from "./digestTags.js"

type Answer<A> = Effect.Effect<A, RegistryError.RegistryError>

type Descriptors = ReadonlyArray<Descriptor.Descriptor>

/** Options for the manifests that describe other manifests. */
export interface Options {
  readonly referrers?: ((referrer: Descriptor.Descriptor) => boolean) | "required" | undefined
  readonly digestTags?: boolean | undefined
  readonly maxManifests?: number | undefined
}

/** A tag that is made from a digest: the manifest that it points at, and the digest that it is made from. */
type Tags = Map<Tag.Tag, { readonly digest: Digest.Digest; readonly of: Digest.Digest }>

/** Finds the manifests that describe a manifest, such as signatures. */
export interface Finder {
  /** Logs a warning and returns `instead` if an effect fails, unless referrers are required. */
  readonly optional: <A, B>(effect: Answer<A>, what: string, instead: B) => Answer<A | B>
  /** Returns the chosen referrers of a manifest. A registry without the referrers API has none. */
  readonly referrers: (digest: Digest.Digest) => Answer<Descriptors>
  /** Returns the manifests under the tags that are made from a digest, and adds these tags to `tags`. */
  readonly tagged: (of: Digest.Digest, tags: Tags) => Answer<Descriptors>
}

export const make = (
  registry: Registry["Type"],
  repository: RepositoryName.RepositoryName,
  options: Options
): Effect.Effect<Finder> =>
  Effect.map(digestTags.finder(registry, repository), (findTags) => {
    const { maxManifests = 10_000, referrers: chosen } = options
    const required = chosen === "required"
    const optional: Finder["optional"] = (effect, what, instead) =>
      required ? effect : Effect.catchAll(
        effect,
        ({ message }) => Effect.as(Effect.logWarning(`copying without ${what}: ${message}`), instead)
      )
    return {
      optional,
      referrers: (digest) =>
        registry.listReferrers(repository, digest).pipe(
          Stream.take(maxManifests + 1),
          Stream.runCollect,
          Effect.catchIf(
            (error) => RegistryError.isNotFound(error) || (!required && error._tag === "OciUnsupported"),
            () => Effect.succeed<Descriptors>([])
          ),
          (found) => optional(found, `the referrers of ${digest}`, []),
          Effect.map((found) => [...found].filter(typeof chosen === "function" ? chosen : () => true))
        ),
      tagged: (of, tags) => {
        if (options.digestTags === false) return Effect.succeed([])
        const found = Effect.flatMap(
          findTags(of),
          Effect.forEach((tag) =>
            Effect.tap(registry.resolveManifest(repository, tag), ({ digest }) =>
              Effect.sync(() => tags.set(tag, { digest, of })))
          )
        )
        return optional(found, `the tags made from ${of}`, [])
      }
    }
  })
