import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as Effect from "effect/Effect"
import {
  answers,
  asks,
  asksFor,
  byOffset,
  error,
  fieldsOf,
  header,
  instead,
  items,
  json,
  query,
  queryOf,
  rows,
  status
} from "../internal/mutating.js"
import type { Mutant } from "../Mutant.js"

const asked = { method: "GET", route: "Referrers" } as const

interface Referrer {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly artifactType?: string | undefined
  readonly annotations?: object | undefined
}

const referring = (change: (referrer: Referrer) => object | undefined) =>
  answers(
    { ...asked, status: 200 },
    items<Referrer>("manifests", (list) => list.map(change).filter((referrer) => referrer !== undefined))
  )

/** Rules 84 to 90: lists of referrers. */
export const referrers: ReadonlyArray<Mutant> = [
  {
    id: "referrers-type-json",
    name: "referrers come as application/json",
    breaks: [84],
    wire: answers(asked, header("content-type", "application/json"))
  },
  {
    id: "referrers-no-index",
    name: "referrers come as a list that says of itself that it is an image",
    breaks: [84],
    wire: answers({ ...asked, status: 200 }, json((fields) => ({ ...fields, mediaType: MediaType.image })))
  },
  {
    id: "referrers-none-missing",
    name: "what has no referrers is answered with 404",
    breaks: [84],
    wire: answers(
      { ...asked, status: 200 },
      (received) =>
        new TextDecoder().decode(received.body).includes("\"manifests\":[]")
          ? error(404, "MANIFEST_UNKNOWN")(received)
          : received
    )
  },
  {
    id: "referrers-unknown-repository-missing",
    name: "referrers of a repository that does not exist are answered with 404",
    breaks: [84],
    wire: instead(asked, (sent, send) =>
      Effect.flatMap(
        send({ method: "GET", path: sent.path.replace(/\/referrers\/.*$/, "/tags/list") }),
        (tags) => Effect.map(send(sent), tags.status === 404 ? error(404, "NAME_UNKNOWN") : (received) => received)
      ))
  },
  {
    id: "referrers-null",
    name: "what has no referrers has null for a list",
    breaks: [84],
    wire: answers({ ...asked, status: 200 }, items<object>("manifests", (list) => list.length === 0 ? null : list))
  },
  {
    id: "referrers-too-large",
    name: "many referrers are listed in one page of more than 4 MiB",
    breaks: [88],
    wire: answers(
      { ...asked, status: 200 },
      items<Referrer>("manifests", (list) =>
        list.length < 6
          ? list
          : list.map((referrer) => ({ ...referrer, annotations: { large: "x".repeat(1024 * 1024) } })))
    )
  },
  {
    id: "referrers-bad-digest-missing",
    name: "referrers of a malformed digest are answered with 404",
    breaks: [85],
    wire: answers({ ...asked, status: 400 }, error(404, "MANIFEST_UNKNOWN"))
  },
  {
    id: "referrers-bad-digest-empty",
    name: "what is named by a malformed digest has no referrers",
    breaks: [85],
    wire: answers({ ...asked, status: 400 }, status(200))
  },
  {
    id: "referrers-type-lost",
    name: "referrers do not say their artifact type",
    breaks: [86],
    wire: referring(({ artifactType: _, ...referrer }) => referrer)
  },
  {
    id: "referrers-type-of-config",
    name: "referrers do not say the media type of their config where they have no artifact type",
    breaks: [86],
    wire: referring(({ artifactType, ...referrer }) =>
      artifactType === MediaType.empty ? referrer : { ...referrer, artifactType }
    )
  },
  {
    id: "referrers-type-made-up",
    name: "an index without an artifact type is said to have its media type for one",
    breaks: [86],
    wire: referring((referrer) => ({ artifactType: referrer.mediaType, ...referrer }))
  },
  {
    id: "referrers-annotations-lost",
    name: "referrers do not say their annotations",
    breaks: [86],
    wire: referring(({ annotations: _, ...referrer }) => referrer)
  },
  {
    id: "referrers-annotations-half",
    name: "of the annotations of a referrer the first is said",
    breaks: [86],
    wire: referring((referrer) => ({
      ...referrer,
      annotations: Object.fromEntries(Object.entries(referrer.annotations ?? {}).slice(0, 1))
    }))
  },
  {
    id: "referrers-size-wrong",
    name: "referrers do not say their size",
    breaks: [86],
    wire: referring((referrer) => ({ ...referrer, size: 0 }))
  },
  {
    id: "referrers-indexes-unlisted",
    name: "indexes are not listed among the referrers of their subject",
    breaks: [87],
    wire: referring((referrer) => referrer.mediaType === MediaType.index ? undefined : referrer)
  },
  {
    id: "referrers-unfiltered",
    name: "referrers are not filtered, and said to be",
    breaks: [89],
    wire: (send) =>
      asks(asked, query((parameters) => parameters.delete("artifactType")))((sent) =>
        Effect.map(send(sent), header("oci-filters-applied", "artifactType"))
      )
  },
  {
    id: "referrers-filter-unsaid",
    name: "referrers are filtered, and not said to be",
    breaks: [89],
    wire: answers(asked, header("oci-filters-applied", undefined))
  },
  {
    id: "referrers-filter-nothing",
    name: "a filter by an artifact type that no referrer has is answered with 404",
    breaks: [89],
    wire: answers(
      { ...asked, status: 200, where: asksFor("artifactType") },
      (received) =>
        new TextDecoder().decode(received.body).includes("\"manifests\":[]")
          ? error(404, "MANIFEST_UNKNOWN")(received)
          : received
    )
  },
  {
    id: "referrers-filter-said",
    name: "referrers are said to be filtered where nobody asked for it",
    breaks: [89],
    wire: answers(asked, header("oci-filters-applied", "artifactType"))
  },
  {
    id: "referrers-pages-skip",
    name: "a referrer is lost between two pages",
    breaks: [88],
    wire: (send) =>
      instead(asked, (sent) => {
        const path = sent.path.split("?")[0] ?? ""
        const offset = Number(queryOf(sent).get("offset") ?? 0)
        return Effect.map(
          send(
            query((parameters) => {
              parameters.delete("offset")
              parameters.delete("n")
            })(sent)
          ),
          (received) => {
            const { manifests } = fieldsOf(received.body)
            return Array.isArray(manifests) ? byOffset("manifests", manifests, path, offset, 2, 1)(received) : received
          }
        )
      })(send)
  },
  {
    id: "referrers-after-delete",
    name: "a referrer that was deleted is still listed",
    breaks: [90],
    middleware: rows((next) => ({
      DeleteManifest: (operation) =>
        Effect.flatMap(
          next(new Operation.GetManifest({ ...operation, reference: operation.digest })),
          ({ bytes }) =>
            new TextDecoder().decode(bytes).includes("\"subject\"") ? Effect.succeed(Operation.done) : next(operation)
        )
    }))
  },
  {
    id: "referrers-of-deleted",
    name: "referrers are gone with their subject",
    breaks: [90],
    wire: (send) => {
      const deleted = new Set<string | undefined>()
      return (sent) => {
        if (sent.method === "DELETE") deleted.add(sent.path.split("/").at(-1))
        return answers(
          { ...asked, where: ({ path }) => deleted.has(path.split("/").at(-1)) },
          error(404, "MANIFEST_UNKNOWN")
        )(send)(sent)
      }
    }
  },
  {
    id: "referrers-of-missing",
    name: "referrers of what is not there are not kept",
    breaks: [84],
    wire: answers(
      { ...asked, where: ({ path }) => path.endsWith(Digest.fromBytes(new TextEncoder().encode("never pushed"))) },
      error(404, "MANIFEST_UNKNOWN")
    )
  }
]
