import type { Sent } from "@effect-oci/conformance/Target"
import * as Operation from "@effect-oci/core/Operation"
import * as Link from "@effect-oci/protocol/Link"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Mutant } from "../../Mutant.js"
import * as mutate from "./mutating.js"

const request = { method: "GET", route: "Tags" } as const
const catalog = { method: "GET", route: "Catalog" } as const

/** Changes the items of a page. */
const listed = (change: (tags: ReadonlyArray<string>, sent: Sent) => unknown) =>
  mutate.changeResponses(
    { ...request, status: 200 },
    (received) => mutate.items<string>("tags", (list) => change(list, received.sent))(received)
  )

const withoutLink = mutate.header("link", undefined)

/** Sorts tags without regard to case, and equal ones with regard to case. */
const folded = (a: string, b: string) => {
  const letters = [a.toLowerCase(), b.toLowerCase()] as const
  const [before, after] = letters[0] === letters[1] ? [a, b] : letters
  return before < after ? -1 : before > after ? 1 : 0
}

/** Rules 75 to 83, and 106: lists of tags and repositories. */
export const tags: ReadonlyArray<Mutant> = [
  {
    id: "tags-null",
    name: "the tag list of a repository without tags is null",
    breaks: [75],
    wire: listed((list) => list.length === 0 ? null : list)
  },
  {
    id: "tags-none-missing",
    name: "a repository without tags has no tag list",
    breaks: [75],
    wire: mutate.changeResponses(
      { ...request, status: 200 },
      (received) =>
        new TextDecoder().decode(received.body).includes("\"tags\":[]")
          ? mutate.error(404, "NAME_UNKNOWN")(received)
          : received
    )
  },
  {
    id: "tags-unknown-repository-empty",
    name: "the tag list of an unknown repository is empty",
    breaks: [75],
    wire: mutate.changeResponses({ ...request, status: 404 }, mutate.status(200), mutate.json(() => ({ tags: [] })))
  },
  {
    id: "tags-unknown-repository-code",
    name: "the tag list of an unknown repository returns the error code of a manifest",
    breaks: [75],
    wire: mutate.changeResponses({ ...request, status: 404 }, mutate.error(404, "MANIFEST_UNKNOWN"))
  },
  {
    id: "tags-name-lost",
    name: "a tag list does not contain the repository name",
    breaks: [75],
    wire: mutate.changeResponses({ ...request, status: 200 }, mutate.json(({ tags }) => ({ tags })))
  },
  {
    id: "tags-reversed",
    name: "tags are listed in reverse order",
    breaks: [76],
    wire: listed((list) => list.toReversed())
  },
  {
    id: "tags-folded",
    name: "tags are sorted without regard to case",
    breaks: [76],
    wire: (send) =>
      mutate.respondInstead(request, (sent) => {
        const parameters = mutate.queryOf(sent)
        const n = Number(parameters.get("n") ?? "Infinity")
        const last = parameters.get("last")
        return Effect.map(
          send(
            mutate.query((parameters) => {
              parameters.delete("n")
              parameters.delete("last")
            })(sent)
          ),
          (received) => {
            const { tags } = mutate.fieldsOf(received.body)
            if (!Array.isArray(tags) || !(n >= 0)) return { ...received, sent }
            const after = (tags as ReadonlyArray<string>).toSorted(folded).filter((tag) =>
              last === null || folded(tag, last) > 0
            )
            const page = after.slice(0, n)
            const path = sent.path.split("?")[0]
            const link = after.length > n && n > 0 ? Link.format(`${path}?n=${n}&last=${page.at(-1)}`) : undefined
            return mutate.header("link", link)({ ...mutate.items<string>("tags", () => page)(received), sent })
          }
        )
      })(send)
  },
  {
    id: "tags-twice",
    name: "a tag that was pushed twice is listed twice",
    breaks: [75, 82],
    wire: listed((list) => list.flatMap((tag) => tag === "a1" ? [tag, tag] : [tag]))
  },
  {
    id: "tags-prefix-hides",
    name: "a tag hides the tags that begin with it",
    breaks: [82],
    wire: listed((list) => list.filter((tag) => !list.some((other) => other !== tag && tag.startsWith(`${other}.`))))
  },
  {
    id: "n-ignored",
    name: "n is ignored",
    breaks: [77, 80],
    wire: mutate.changeRequests(
      request,
      mutate.query((parameters) => parameters.get("n") === "0" ? undefined : parameters.delete("n"))
    )
  },
  {
    id: "n-one-fewer",
    name: "the list contains one tag fewer than n, without a Link",
    breaks: [77],
    wire: (send) =>
      mutate.changeResponses({ ...request, where: mutate.hasParameter("n") }, withoutLink)(
        mutate.changeRequests(
          request,
          mutate.query((parameters) => {
            const n = Number(parameters.get("n") ?? 0)
            if (n > 1) parameters.set("n", String(n - 1))
          })
        )(send)
      )
  },
  {
    id: "n-large-refused",
    name: "an n of more than 100 is refused",
    breaks: [77],
    wire: mutate.changeResponses(
      { ...request, where: (sent) => Number(mutate.queryOf(sent).get("n")) > 100 },
      mutate.error(400, "UNSUPPORTED")
    )
  },
  {
    id: "n-large-cut",
    name: "a tag list ends after ten tags without a Link, whatever n is",
    breaks: [77],
    wire: mutate.changeResponses(
      { ...request, status: 200, where: mutate.hasParameter("n") },
      withoutLink,
      mutate.items<string>("tags", (list) => list.slice(0, 10))
    )
  },
  {
    id: "last-included",
    name: "a list continues with the tag last itself",
    breaks: [79],
    middleware: mutate.rows((next) => ({
      ListTags: (operation) => {
        const { last, limit, repository } = operation
        return last === undefined
          ? next(operation)
          : Effect.map(
            next(new Operation.ListTags({ repository })),
            (list) => Stream.take(Stream.filter(list, (tag) => tag >= last), limit ?? Infinity)
          )
      }
    }))
  },
  {
    id: "last-must-be-there",
    name: "a list is empty if the tag last does not exist",
    breaks: [79],
    wire: (send) => {
      const all = (sent: Sent) =>
        send(
          mutate.query((parameters) => {
            parameters.delete("n")
            parameters.delete("last")
          })(sent)
        )
      return mutate.respondInstead(
        { ...request, where: mutate.hasParameter("last") },
        (sent) =>
          Effect.zipWith(
            send(sent),
            all(sent),
            (received, { body }) =>
              new TextDecoder().decode(body).includes(`"${mutate.queryOf(sent).get("last")}"`)
                ? received
                : mutate.items("tags", () => [])(received)
          )
      )(send)
    }
  },
  {
    id: "last-alone-ignored",
    name: "last is ignored without n",
    breaks: [79],
    wire: mutate.changeRequests(
      { ...request, where: (sent) => !mutate.hasParameter("n")(sent) },
      mutate.query((parameters) => parameters.delete("last"))
    )
  },
  {
    id: "last-with-n-ignored",
    name: "last is ignored if n is present",
    breaks: [79],
    wire: mutate.changeRequests(
      { ...request, where: mutate.hasParameter("n") },
      mutate.query((parameters) => parameters.delete("last"))
    )
  },
  {
    id: "n-zero-all",
    name: "n=0 returns all tags",
    breaks: [78],
    wire: mutate.changeRequests(
      request,
      mutate.query((parameters) => parameters.get("n") === "0" ? parameters.delete("n") : undefined)
    )
  },
  {
    id: "n-zero-link",
    name: "n=0 returns a Link",
    breaks: [78],
    wire: mutate.changeResponses(
      { ...request, where: (sent) => mutate.queryOf(sent).get("n") === "0" },
      mutate.header("link", (_, { sent }) => Link.format(sent.path))
    )
  },
  {
    id: "link-lost",
    name: "an incomplete list has no Link",
    breaks: [80, 106],
    wire: mutate.changeResponses({ method: "GET" }, withoutLink)
  },
  {
    id: "link-loops",
    name: "Link points at the same page",
    breaks: [80, 83],
    wire: mutate.changeResponses(
      { method: "GET" },
      mutate.header("link", (link, { sent }) => link === undefined ? undefined : Link.format(sent.path))
    )
  },
  {
    id: "link-skips",
    name: "a tag is skipped between two pages",
    breaks: [80, 83],
    wire: mutate.changeResponses(
      { ...request, status: 200 },
      (received) =>
        received.headers["link"] === undefined
          ? received
          : mutate.items<string>("tags", (list) => list.slice(0, -1))(received)
    )
  },
  {
    id: "link-counts",
    name: "Link contains a position from the start of the list, which shifts when tags are pushed",
    breaks: [83],
    wire: (send) =>
      mutate.respondInstead(
        { ...request, where: (sent) => mutate.hasParameter("n")(sent) && !mutate.hasParameter("last")(sent) },
        (sent) => {
          const parameters = mutate.queryOf(sent)
          const path = sent.path.split("?")[0] ?? ""
          const size = Number(parameters.get("n"))
          if (!(size > 0)) return send(sent)
          return Effect.map(send({ ...sent, path }), (received) => {
            const { tags } = mutate.fieldsOf(received.body)
            return Array.isArray(tags)
              ? mutate.byOffset("tags", tags, path, Number(parameters.get("offset") ?? 0), size)(received)
              : received
          })
        }
      )(send)
  },
  {
    id: "bad-n-fails",
    name: "an invalid n returns 500",
    breaks: [81],
    wire: mutate.changeResponses({ ...request, status: 400 }, mutate.error(500, "UNKNOWN"))
  },
  {
    id: "catalog-reversed",
    name: "the catalog lists repositories in reverse order",
    breaks: [106],
    wire: (send) =>
      mutate.respondInstead(catalog, (sent) =>
        Effect.map(
          send(mutate.query((parameters) => parameters.delete("n"))(sent)),
          mutate.items<string>("repositories", (list) => list.toReversed())
        ))(send)
  },
  {
    id: "catalog-twice",
    name: "the catalog lists a repository on two pages",
    breaks: [106],
    wire: mutate.changeResponses(
      { ...catalog, status: 200 },
      mutate.items<string>("repositories", (list) => list.flatMap((name) => [name, name]))
    )
  }
]
