import * as Body from "@effect-oci/core/Body"
import * as Link from "@effect-oci/protocol/Link"
import * as Route from "@effect-oci/protocol/Route"
import * as Warning from "@effect-oci/protocol/Warning"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import type { Quirks } from "../Quirks.js"
import type { Respond } from "./totalResponse.js"

export const apply = (quirks: Quirks) => (answer: Respond): Respond => (request) => {
  const route = Route.parse(request.target.replace(/\?.*$/s, ""))?._tag
  const refused = instead(request, route, quirks)
  if (refused !== undefined) return Effect.succeed(refused)
  if (quirks.unsortedTags !== undefined && route === "Tags") return unsorted(answer, request, quirks.unsortedTags)
  return Effect.map(answer(altered(request, route, quirks)), (response) => answered(response, request, route, quirks))
}

const page = (status: number, text: string): Pick<Wire.Response, "headers" | "body"> => {
  const bytes = new TextEncoder().encode(text)
  return {
    headers: {
      "content-type": text.startsWith("<") ? "text/html" : "text/plain; charset=utf-8",
      "content-length": String(bytes.byteLength)
    },
    body: status === 204 ? undefined : Body.bytes(bytes)
  }
}

const json = (value: unknown): Pick<Wire.Response, "headers" | "body"> => {
  const bytes = new TextEncoder().encode(JSON.stringify(value))
  return {
    headers: { "content-type": "application/json", "content-length": String(bytes.byteLength) },
    body: Body.bytes(bytes)
  }
}

/** Returns the answer of a quirk that does not call the registry, or `undefined`. */
const instead = (
  { method, target }: Wire.Request,
  route: Route.RouteTag | undefined,
  quirks: Quirks
): Wire.Response | undefined => {
  switch (route) {
    case "Referrers":
      switch (quirks.referrersAnswer) {
        case "page":
          return { status: 200, ...page(200, "<html><body><h1>Sign in</h1></body></html>") }
        case "object":
          return { status: 200, ...json({}) }
        case "unauthorized":
          return unauthorized
        case undefined:
          return quirks.noReferrers === true ? notFound : undefined
      }
    // falls through
    case "Catalog":
      return quirks.noCatalog === true ? empty(404) : undefined
    case "Uploads":
      return quirks.mountStatus !== undefined && method === "POST" && /[?&]mount=/.test(target)
        ? empty(quirks.mountStatus)
        : undefined
    default:
      return undefined
  }
}

const empty = (status: number): Wire.Response => ({ status, headers: { "content-length": "0" }, body: undefined })

/** Compares tags by their reversed text: an order that is not ASCII order, but always the same. */
const byEnd = (a: string, b: string): number => reversed(a) < reversed(b) ? 1 : -1

const reversed = (text: string): string => [...text].reverse().join("")

/** Lists tags out of order: all at once, or in pages. */
const unsorted = (
  answer: Respond,
  request: Wire.Request,
  manner: NonNullable<Quirks["unsortedTags"]>
): Effect.Effect<Wire.Response> =>
  Effect.gen(function*() {
    const [path = "", query] = request.target.split("?", 2)
    const parameters = new URLSearchParams(query)
    const all: Array<string> = []
    for (let target: string | undefined = path; target !== undefined;) {
      const response: Wire.Response = yield* answer({ ...request, target })
      if (response.status !== 200 || response.body === undefined) return response
      all.push(...tagsOf(yield* read(response.body)))
      target = Link.next(response.headers["link"])
    }
    all.sort(byEnd)
    const name = path.replace(/^\/v2\/|\/tags\/list$/g, "")
    if (manner === "whole") return { status: 200, ...json({ name, tags: all }) }
    const from = all.indexOf(parameters.get("last") ?? "") + 1
    const n = Number(parameters.get("n") ?? 100)
    const tags = all.slice(from, from + n)
    const { body, headers } = json({ name, tags })
    const link = from + n < all.length && n > 0
      ? { link: Link.format(`${path}?n=${n}&last=${encodeURIComponent(tags.at(-1) ?? "")}`) }
      : {}
    return { status: 200, headers: { ...headers, ...link }, body }
  })

const read = (body: Body.Body): Effect.Effect<Uint8Array> =>
  Effect.orDie(Body.toBytes(body, { limit: 16 * 1024 * 1024, onLimit: () => new Error("too long a page of tags") }))

const tagsOf = (bytes: Uint8Array): ReadonlyArray<string> =>
  (JSON.parse(new TextDecoder().decode(bytes)) as { readonly tags: ReadonlyArray<string> }).tags

const unauthorized: Wire.Response = {
  status: 401,
  headers: { "www-authenticate": `Basic realm="registry"` },
  body: undefined
}

const notFound: Wire.Response = { status: 404, ...page(404, "404 page not found\n") }

/** Changes a request before the server receives it. */
const altered = (original: Wire.Request, route: Route.RouteTag | undefined, quirks: Quirks): Wire.Request => {
  const request = quirks.tagsAsDigests === true && route === "Manifest" ? byDigest(original) : original
  const { headers, method, target } = request
  if (quirks.noRange === true && route === "Blob") return { ...request, headers: { ...headers, range: undefined } }
  if (quirks.noSinglePost === true && route === "Uploads" && method === "POST") {
    return { ...request, target: without(target, "digest") }
  }
  if (quirks.noTagParameter === true && route === "Manifest") return { ...request, target: without(target, "tag") }
  if (quirks.noFilter === true && route === "Referrers") return { ...request, target: without(target, "artifactType") }
  return request
}

const byDigest = (request: Wire.Request): Wire.Request => ({
  ...request,
  target: request.target.replace(
    /\/manifests\/((?:sha256|blake3)-[0-9a-f]{64}|sha512-[0-9a-f]{128})(?=\?|$)/,
    (path) => path.replace(/-(?=[0-9a-f]+$)/, ":")
  )
})

const without = (target: string, parameter: string): string => {
  const [path = "", query] = target.split("?", 2)
  const rest = new URLSearchParams(query)
  rest.delete(parameter)
  return rest.size === 0 ? path : `${path}?${rest}`
}

/** Changes a response before the client receives it. */
const answered = (
  response: Wire.Response,
  request: Wire.Request,
  route: Route.RouteTag | undefined,
  quirks: Quirks
): Wire.Response => {
  if (quirks.unauthorizedHead === true && request.method === "HEAD") return { ...response, ...unauthorized }
  if (quirks.htmlErrors === true && response.status >= 400) {
    const { body, headers } = page(response.status, `<html><body><h1>${response.status}</h1></body></html>`)
    return { ...response, headers, body: request.method === "HEAD" ? undefined : body }
  }
  const headers: Record<string, string | undefined> = { ...response.headers }
  if (quirks.warnings !== undefined) headers["warning"] = Warning.format(quirks.warnings)
  if (quirks.minChunkBytes !== undefined && headers["upload-offset"] !== undefined && response.status !== 201) {
    headers["oci-chunk-min-length"] = String(quirks.minChunkBytes)
  }
  if (quirks.noLink === true) delete headers["link"]
  if (quirks.noDigestHeader === true) delete headers["docker-content-digest"]
  if (quirks.noReferrers === true) delete headers["oci-subject"]
  if (quirks.noTagParameter === true) delete headers["oci-tag"]
  if (quirks.noRange === true) delete headers["accept-ranges"]
  if (quirks.stuckRange === true && headers["range"] !== undefined) {
    delete headers["upload-offset"]
    headers["range"] = "0-0"
  }
  if (quirks.location !== undefined && headers["location"] !== undefined) {
    headers["location"] = relocate(headers["location"], request, quirks.location)
  }
  if (quirks.link !== undefined && headers["link"] !== undefined) {
    headers["link"] = relink(headers["link"], request, quirks.link)
  }
  if (quirks.emptyHead === true && route === "Manifest" && request.method === "HEAD" && response.status === 200) {
    delete headers["content-type"]
    return { ...response, headers: { ...headers, "content-length": "0" } }
  }
  if (quirks.contentEncoding !== undefined && route === "Blob" && response.status < 300) {
    headers["content-encoding"] = quirks.contentEncoding
  }
  if (quirks.rangeCode !== undefined && response.status === 416) {
    const { body, headers: page } = json({ errors: [{ code: quirks.rangeCode, message: "invalid" }] })
    return { ...response, headers: { ...headers, ...page }, body }
  }
  if (quirks.commitStatus !== undefined && route === "Upload" && request.method === "PUT" && response.status === 201) {
    return { ...response, headers: { "content-length": "0" }, status: quirks.commitStatus }
  }
  const created = quirks.patchCreated === true && route === "Upload" && request.method === "PATCH" &&
    response.status === 202
  return { ...response, headers, status: created ? 201 : response.status }
}

const relink = (link: string, request: Wire.Request, form: NonNullable<Quirks["link"]>): string => {
  const target = Link.next(link) ?? ""
  return Link.format(form === "prefix" ? `/proxy/prefix${target}` : `https://${request.headers["host"]}${target}`)
}

const relocate = (location: string, request: Wire.Request, form: NonNullable<Quirks["location"]>): string => {
  switch (form) {
    case "absolute":
      return `http://${request.headers["host"] ?? "localhost"}${location}`
    case "query":
      return `${location}?_state=opaque%2Fstate&empty=`
    case "relative": {
      const base = request.target.replace(/\?.*$/s, "").split("/").slice(0, -1)
      const parts = location.split("/")
      const shared = parts.findIndex((part, index) => part !== base[index])
      const at = shared < 0 ? base.length : shared
      return [...base.slice(at).map(() => ".."), ...parts.slice(at)].join("/")
    }
  }
}
