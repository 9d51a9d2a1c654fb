import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import * as mutate from "./mutating.js"

const request = { method: "GET", route: "Referrers" } as const

interface Referrer {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly artifactType?: string | undefined
  readonly annotations?: object | undefined
}

const referring = (change: (referrer: Referrer) => object | undefined) =>
  mutate.changeResponses(
    { ...request, status: 200 },
    mutate.items<Referrer>("manifests", (list) => list.map(change).filter((referrer) => referrer !== undefined))
  )

/** Rules 84 to 90: lists of referrers. */
export const referrers: ReadonlyArray<Mutant> = [
  {
    id: "referrers-type-json",
    name: "referrers are returned as application/json",
    breaks: [84],
    wire: mutate.changeResponses(request, mutate.header("content-type", "application/json"))
  },
  {
    id: "referrers-no-index",
    name: "the referrers list has the mediaType of an image",
    breaks: [84],
    wire: mutate.changeResponses(
      { ...request, status: 200 },
      mutate.json((fields) => ({ ...fields, mediaType: MediaType.image }))
    )
  },
  {
    id: "referrers-none-missing",
    name: "the referrers list of a subject without referrers returns 404",
    breaks: [84],
    wire: mutate.changeResponses(
      { ...request, status: 200 },
      (received) =>
        new TextDecoder().decode(received.body).includes("\"manifests\":[]")
          ? mutate.error(404, "MANIFEST_UNKNOWN")(received)
          : received
    )
  },
  {
    id: "referrers-unknown-repository-missing",
    name: "the referrers list of an unknown repository returns 404",
    breaks: [84],
    wire: mutate.respondInstead(request, (sent, send) =>
      Effect.flatMap(
        send({ method: "GET", path: sent.path.replace(/\/referrers\/.*$/, "/tags/list") }),
        (tags) =>
          Effect.map(send(sent), tags.status === 404 ? mutate.error(404, "NAME_UNKNOWN") : (received) => received)
      ))
  },
  {
    id: "referrers-null",
    name: "the referrers list of a subject without referrers is null",
    breaks: [84],
    wire: mutate.changeResponses(
      { ...request, status: 200 },
      mutate.items<object>("manifests", (list) => list.length === 0 ? null : list)
    )
  },
  {
    id: "referrers-too-large",
    name: "many referrers are listed in one page of more than 4 MiB",
    breaks: [88],
    wire: mutate.changeResponses(
      { ...request, status: 200 },
      mutate.items<Referrer>("manifests", (list) =>
        list.length < 6
          ? list
          : list.map((referrer) => ({ ...referrer, annotations: { large: "x".repeat(1024 * 1024) } })))
    )
  },
  {
    id: "referrers-bad-digest-missing",
    name: "the referrers list of a malformed digest returns 404",
    breaks: [85],
    wire: mutate.changeResponses({ ...request, status: 400 }, mutate.error(404, "MANIFEST_UNKNOWN"))
  },
  {
    id: "referrers-bad-digest-empty",
    name: "the referrers list of a malformed digest is empty",
    breaks: [85],
    wire: mutate.changeResponses({ ...request, status: 400 }, mutate.status(200))
  },
  {
    id: "referrers-type-lost",
    name: "referrers are listed without artifact type",
    breaks: [86],
    wire: referring(({ artifactType: _, ...referrer }) => referrer)
  },
  {
    id: "referrers-type-of-config",
    name: "referrers without artifact type are listed without the media type of their config",
    breaks: [86],
    wire: referring(({ artifactType, ...referrer }) =>
      artifactType === MediaType.empty ? referrer : { ...referrer, artifactType }
    )
  },
  {
    id: "referrers-type-made-up",
    name: "an index without artifact type is listed with its media type as artifact type",
    breaks: [86],
    wire: referring((referrer) => ({ artifactType: referrer.mediaType, ...referrer }))
  },
  {
    id: "referrers-annotations-lost",
    name: "referrers are listed without annotations",
    breaks: [86],
    wire: referring(({ annotations: _, ...referrer }) => referrer)
  },
  {
    id: "referrers-annotations-half",
    name: "referrers are listed with their first annotation only",
    breaks: [86],
    wire: referring((referrer) => ({
      ...referrer,
      annotations: Object.fromEntries(Object.entries(referrer.annotations ?? {}).slice(0, 1))
    }))
  },
  {
    id: "referrers-size-wrong",
    name: "referrers are listed without size",
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
    name: "referrers are not filtered, but OCI-Filters-Applied is set",
    breaks: [89],
    wire: (send) =>
      mutate.changeRequests(request, mutate.query((parameters) => parameters.delete("artifactType")))((sent) =>
        Effect.map(send(sent), mutate.header("oci-filters-applied", "artifactType"))
      )
  },
  {
    id: "referrers-filter-missing",
    name: "referrers are filtered, but OCI-Filters-Applied is not set",
    breaks: [89],
    wire: mutate.changeResponses(request, mutate.header("oci-filters-applied", undefined))
  },
  {
    id: "referrers-filter-nothing",
    name: "a filter that matches no referrer returns 404",
    breaks: [89],
    wire: mutate.changeResponses(
      { ...request, status: 200, where: mutate.hasParameter("artifactType") },
      (received) =>
        new TextDecoder().decode(received.body).includes("\"manifests\":[]")
          ? mutate.error(404, "MANIFEST_UNKNOWN")(received)
          : received
    )
  },
  {
    id: "referrers-filter-always",
    name: "OCI-Filters-Applied is set without a requested filter",
    breaks: [89],
    wire: mutate.changeResponses(request, mutate.header("oci-filters-applied", "artifactType"))
  },
  {
    id: "referrers-pages-skip",
    name: "a referrer is skipped between two pages",
    breaks: [88],
    wire: (send) =>
      mutate.respondInstead(request, (sent) => {
        const path = sent.path.split("?")[0] ?? ""
        const offset = Number(mutate.queryOf(sent).get("offset") ?? 0)
        return Effect.map(
          send(
            mutate.query((parameters) => {
              parameters.delete("offset")
              parameters.delete("n")
            })(sent)
          ),
          (received) => {
            const { manifests } = mutate.fieldsOf(received.body)
            return Array.isArray(manifests)
              ? mutate.byOffset("manifests", manifests, path, offset, 2, 1)(received)
              : received
          }
        )
      })(send)
  },
  {
    id: "referrers-after-delete",
    name: "a deleted referrer is still listed",
    breaks: [90],
    middleware: mutate.rows((next) => ({
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
    name: "the referrers list is deleted together with its subject",
    breaks: [90],
    wire: (send) => {
      const deleted = new Set<string | undefined>()
      return (sent) => {
        if (sent.method === "DELETE") deleted.add(sent.path.split("/").at(-1))
        return mutate.changeResponses(
          { ...request, where: ({ path }) => deleted.has(path.split("/").at(-1)) },
          mutate.error(404, "MANIFEST_UNKNOWN")
        )(send)(sent)
      }
    }
  },
  {
    id: "referrers-of-missing",
    name: "the referrers list of a missing subject returns 404",
    breaks: [84],
    wire: mutate.changeResponses(
      { ...request, where: ({ path }) => path.endsWith(Digest.fromBytes(new TextEncoder().encode("never pushed"))) },
      mutate.error(404, "MANIFEST_UNKNOWN")
    )
  }
]
