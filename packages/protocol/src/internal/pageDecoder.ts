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
import { expectStatus, invalid } from "./answer.js"
import type { Answer } from "./answer.js"
import type { Limits, Received, ReceivedPage } from "./responseModel.js"

/** Why an item is none is not asked: to say it takes a hundred times as long. What has no digest is told at a glance. */
const decodeDescriptor = Schema.decodeUnknownOption(Descriptor.schema)

const descriptorOf = (json: unknown): Descriptor.Descriptor | undefined =>
  Predicate.hasProperty(json, "digest") ? Option.getOrUndefined(decodeDescriptor(json)) : undefined

/** Where each list stands in its page, and one of its items, or `undefined` where it is none. */
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
 * A page. Items that are none are left out rather than let one of them hide all the others; but where it cannot be told
 * whether a page follows, the list does not end as if it were whole.
 */
export const decodePage = (
  operation: ListOperation,
  response: Received,
  limits: Limits
): Answer<ReceivedPage<unknown>> =>
  expectStatus(response, [200], () =>
    Effect.flatMap(response.bytes(limits.page), (bytes) => {
      const { item, key } = lists[operation._tag]
      const json = parseJson(bytes)
      if (!Predicate.isRecord(json)) return invalid("a list that is no JSON object")
      // Other documents than an index of referrers have no `manifests`. Spec: "Listing Referrers".
      if (operation._tag === "ListReferrers" && !(key in json)) return invalid(`a list of referrers without "${key}"`)
      const found = json[key] ?? []
      if (!Array.isArray(found)) return invalid(`a list whose "${key}" is no array`)
      const { link } = response.headers
      const next = Link.next(link)
      if (next === undefined && Link.parse(link).malformed) return invalid("a Link that cannot be read")
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
