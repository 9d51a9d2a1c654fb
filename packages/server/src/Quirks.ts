/**
 * Quirks: the ways in which other registries differ from the spec. Use them to test clients against these registries.
 * `docs/quirks.md` lists the quirks of each registry.
 *
 * @since 0.1.0
 */
import * as internal from "./internal/quirks.js"
import type { Quirks } from "./internal/quirksModel.js"
import type { Respond } from "./internal/totalAnswer.js"

export type { Quirks } from "./internal/quirksModel.js"

/**
 * Adds quirks to a function that answers requests.
 *
 * @since 0.1.0
 * @category combinators
 */
export const apply: (quirks: Quirks) => (answer: Respond) => Respond = internal.apply

/** The quirks of every version of Distribution, and of the registries that are built on Distribution. */
const distribution: Quirks = { noReferrers: true, noSinglePost: true, noTagParameter: true, location: "absolute" }

const presets = {
  "docker-registry-2.8": { ...distribution, unsortedTags: "whole" },
  "docker-registry-3": distribution,
  gitlab: { ...distribution, tagsAsDigests: true, noCatalog: true },
  ghcr: { noReferrers: true, noSinglePost: true, noTagParameter: true, noCatalog: true, unsortedTags: "pages" },
  ecr: { noSinglePost: true, noTagParameter: true, patchCreated: true, stuckRange: true, commitStatus: 202 },
  artifactory: { noSinglePost: true, noTagParameter: true, link: "prefix", location: "absolute" },
  nexus: { noReferrers: true, noSinglePost: true, noTagParameter: true, commitStatus: 200, rangeCode: "SIZE_INVALID" },
  portal: { noReferrers: true, referrersAnswer: "page", link: "scheme", htmlErrors: true, noTagParameter: true },
  "static-files": { noDigestHeader: true, emptyHead: true, contentEncoding: "x-gzip", noReferrers: true }
} satisfies { readonly [name: string]: Quirks }

/**
 * The name of a registry that {@link like} can imitate. `portal` is a registry behind a proxy that answers with HTML
 * pages. `static-files` is a registry of plain files behind Apache.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = keyof typeof presets

/**
 * The names of the registries that {@link like} can imitate.
 *
 * @since 0.1.0
 * @category constants
 */
export const names: ReadonlyArray<Name> = Object.keys(presets) as ReadonlyArray<Name>

/**
 * Returns the quirks of a widely used registry, for a server that imitates this registry in tests of clients.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { NodeRegistryServer, Quirks } from "@effect-oci/server"
 * import { Memory } from "@effect-oci/store"
 * import { Layer } from "effect"
 *
 * const gitlab = NodeRegistryServer.layer({ port: 0, quirks: Quirks.like("gitlab") }).pipe(
 *   Layer.provide(Memory.layer())
 * )
 * ```
 */
export const like = (name: Name): Quirks => presets[name]
