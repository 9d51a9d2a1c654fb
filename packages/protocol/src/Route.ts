/**
 * The paths of the distribution API.
 *
 * @since 0.1.0
 */
import * as percent from "./internal/percent.js"

/**
 * A path of the API. Its parts are percent-decoded but not validated.
 *
 * @since 0.1.0
 * @category models
 */
export type Route =
  | { readonly _tag: "Base" }
  | { readonly _tag: "Catalog" }
  | { readonly _tag: "Blob"; readonly name: string; readonly digest: string }
  | { readonly _tag: "Manifest"; readonly name: string; readonly reference: string }
  | { readonly _tag: "Uploads"; readonly name: string }
  | { readonly _tag: "Upload"; readonly name: string; readonly id: string }
  | { readonly _tag: "Tags"; readonly name: string }
  | { readonly _tag: "Referrers"; readonly name: string; readonly digest: string }

/**
 * The kinds of paths.
 *
 * @since 0.1.0
 * @category models
 */
export type RouteTag = Route["_tag"]

/**
 * Decodes a repository name. A percent-encoded slash stays encoded, because it must not create a second component. The
 * whole name is decoded in one call, because each failed call takes time.
 */
const decodeName = (raw: string): string => raw.includes("%") ? percent.decode(raw.replace(/%2f/gi, "%252F")) : raw

/**
 * Parses a path without its query. Returns `undefined` if the path is not part of the API, which is answered with
 * status 404. The path is parsed from its end, so a repository may have the name of a part of the API.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (path: string): Route | undefined => {
  if (path === "/v2/" || path === "/v2") return { _tag: "Base" }
  if (!path.startsWith("/v2/")) return undefined
  if (path === "/v2/_catalog") return { _tag: "Catalog" }
  const rest = path.slice(4)
  const lastSlash = rest.lastIndexOf("/")
  const kindSlash = rest.lastIndexOf("/", lastSlash - 1)
  if (lastSlash < 0 || kindSlash < 0) return undefined
  const last = rest.slice(lastSlash + 1)
  const kind = rest.slice(kindSlash + 1, lastSlash)
  const name = rest.slice(0, kindSlash)
  switch (kind) {
    case "manifests":
      return { _tag: "Manifest", name: decodeName(name), reference: percent.decode(last) }
    case "referrers":
      return { _tag: "Referrers", name: decodeName(name), digest: percent.decode(last) }
    case "tags":
      return last === "list" ? { _tag: "Tags", name: decodeName(name) } : undefined
    case "blobs":
      return last === "uploads"
        ? { _tag: "Uploads", name: decodeName(name) }
        : { _tag: "Blob", name: decodeName(name), digest: percent.decode(last) }
    case "uploads": {
      if (!name.endsWith("/blobs")) return undefined
      const repository = decodeName(name.slice(0, -"/blobs".length))
      return last === ""
        ? { _tag: "Uploads", name: repository }
        : { _tag: "Upload", name: repository, id: percent.decode(last) }
    }
    default:
      return undefined
  }
}

/** Encodes a path segment. The characters of digests and tags stay readable. */
const encode = (segment: string): string =>
  /^[\w.:=-]*$/.test(segment) ? segment : percent.encode(segment).replaceAll("%3A", ":").replaceAll("%3D", "=")

/**
 * Returns the path of a route.
 *
 * @since 0.1.0
 * @category encoding
 */
export const format = (route: Route): string => {
  switch (route._tag) {
    case "Base":
      return "/v2/"
    case "Catalog":
      return "/v2/_catalog"
    case "Blob":
      return `/v2/${route.name}/blobs/${encode(route.digest)}`
    case "Manifest":
      return `/v2/${route.name}/manifests/${encode(route.reference)}`
    case "Uploads":
      return `/v2/${route.name}/blobs/uploads/`
    case "Upload":
      return `/v2/${route.name}/blobs/uploads/${encode(route.id)}`
    case "Tags":
      return `/v2/${route.name}/tags/list`
    case "Referrers":
      return `/v2/${route.name}/referrers/${encode(route.digest)}`
  }
}
