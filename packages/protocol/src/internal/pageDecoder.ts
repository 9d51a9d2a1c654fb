import * as Descriptor from "@effect-oci/core/Descriptor"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Link from "../Link.js"
import type { ListOperation } from "../Page.js"
import type * as Wire from "../Wire.js"
import { expectStatus, invalid } from "./decoded.js"
import type { Decoded } from "./decoded.js"
import type { Limits, Received, ReceivedPage } from "./responseModel.js"

/**
 * Decodes a descriptor without an error description, which would take a hundred times as long. Items without a digest
 * are rejected before this decoder runs.
 */
const decodeDescriptor = Schema.decodeUnknownOption(Descriptor.schema)

const descriptorOf = (json: unknown): Descriptor.Descriptor | undefined =>
  Predicate.hasProperty(json, "digest") ? Option.getOrUndefined(decodeDescriptor(json)) : undefined

/** The JSON key of each list in its page, and a decoder of its items that returns `undefined` for an invalid item. */
const lists: {
  readonly [T in ListOperation["_tag"]]: { readonly key: string; readonly item: (json: unknown) => unknown }
} = {
  ListRepositories: {
    key: "repositories",
    item: (json) => typeof json === "string" && RepositoryName.is(json) ? json : undefined
  },
  ListTags: { key: "tags", item: (json) => typeof json === "string" && Tag.is(json) ? json : undefined },
  ListReferrers: { key: "manifests", item: descriptorOf }
}

/**
 * Decodes a page. Leaves out invalid items, so that one of them does not hide all others. Fails if it is unknown
 * whether another page follows, so that an incomplete list does not look complete.
 */
export const decodePage = (
  operation: ListOperation,
  response: Received,
  limits: Limits
): Decoded<ReceivedPage<unknown>> =>
  expectStatus(response, [200], () =>
    Effect.flatMap(response.bytes(limits.page), (bytes) => {
      const { item, key } = lists[operation._tag]
      const json = parseJson(bytes)
      if (!Predicate.isRecord(json)) return invalid("a list that is not a JSON object")
      // Only an index of referrers has `manifests`.
      if (operation._tag === "ListReferrers" && !(key in json)) return invalid(`a list of referrers without "${key}"`)
      const found = json[key] ?? []
      if (!Array.isArray(found)) return invalid(`a list whose "${key}" is not an array`)
      const { link } = response.headers
      const next = Link.next(link)
      if (next === undefined && Link.parse(link).malformed) return invalid("a malformed Link")
      return Effect.succeed({
        items: found.map(item).filter(Predicate.isNotUndefined),
        next,
        filtered: isFiltered(response.headers)
      })
    }))

const parseJson = (bytes: Uint8Array): unknown =>
  Either.getOrUndefined(Either.try((): unknown => JSON.parse(new TextDecoder().decode(bytes))))

const isFiltered = (headers: Wire.Headers): boolean =>
  (headers["oci-filters-applied"] ?? "").split(",").some((filter) => filter.trim() === "artifactType")
