/**
 * Serves the explorer beside a registry: a web page that lists, shows and changes the content of registries.
 *
 * @since 0.1.0
 */
import type { File } from "#assets"
import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import * as Request from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as RegistryServer from "@effect-oci/server/RegistryServer"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Options for serving the explorer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The origins that the page may call in addition to its own, such as `https://registry.example.com`: other
   * registries, the token service of a registry, and the hosts that blobs are redirected to. `"*"` allows all. The page
   * can call another registry only if that registry allows the origin of the page (CORS). Default: none.
   */
  readonly connect?: ReadonlyArray<string> | "*" | undefined
}

/**
 * Loads the page, and returns the handlers of its files by path: the page itself is at `/`. For the option `mounts` of
 * `RegistryServer` and `NodeRegistryServer`.
 *
 * The files are loaded when the effect runs. All answers have a Content-Security-Policy that allows only the scripts and
 * styles of the page, and no connections except to its own origin and to `connect`. Throws a `RangeError` if `connect`
 * contains a text that is not an origin.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Explorer } from "@effect-oci/explorer"
 * import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
 * import { Effect, Layer } from "effect"
 *
 * const server = Layer.unwrapEffect(Effect.map(
 *   Explorer.mounts(),
 *   (mounts) => NodeRegistryServer.layer({ port: 5000, mounts })
 * ))
 * ```
 */
export const mounts = (
  options?: Options
): Effect.Effect<{ readonly [path: `/${string}`]: RegistryServer.Answer }> => {
  const policy = policyOf(options?.connect ?? [])
  return Effect.map(
    Effect.promise(() => import("#assets")),
    ({ files }) =>
      Object.fromEntries(
        Object.entries(files).map(([path, file]) =>
          path === page
            ? ["/", serve(file, { ...headers, "content-security-policy": policy, "cache-control": "no-cache" })]
            : [`/${path}`, serve(file, { ...headers, "cache-control": "public, max-age=31536000, immutable" })]
        )
      )
  )
}

/**
 * Creates an app of `@effect/platform` that serves the page, for a server that is not one of this project. Mount the app
 * at the root of the host of a registry. A request for a path that is not part of the page is answered with 404. The
 * first request loads the files.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Explorer } from "@effect-oci/explorer"
 * import { RegistryServer } from "@effect-oci/server"
 * import { HttpRouter, HttpServer } from "@effect/platform"
 *
 * const server = HttpRouter.empty.pipe(
 *   HttpRouter.mountApp("/v2", RegistryServer.app(), { includePrefix: true }),
 *   HttpRouter.mountApp("/", Explorer.app(), { includePrefix: true }),
 *   HttpServer.serve()
 * )
 * ```
 */
export const app = (options?: Options): HttpApp.Default<never, Scope.Scope> => {
  const loaded = Effect.runSync(Effect.cached(mounts(options)))
  return RegistryServer.toHttpApp((request) =>
    Effect.flatMap(loaded, (mounts) => {
      const [path = ""] = Request.originForm(request.target).split("?", 1)
      const answer = Object.hasOwn(mounts, path) ? mounts[path as `/${string}`] : undefined
      return (answer ?? notFound)(request)
    })
  )
}

const page = "index.html"

/** The headers of all files. The page opens no windows, is in no frame, and sends no `Referer`. */
const headers: Wire.Headers = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  vary: "accept-encoding"
}

/**
 * Returns the Content-Security-Policy of the page. Registries serve their content beside the page, so `'self'` is not
 * enough: `nosniff` keeps a browser from running that content as a script, and Trusted Types without a policy keep the
 * page from creating one.
 */
const policyOf = (connect: ReadonlyArray<string> | "*"): string => {
  const sources = connect === "*" ? ["http:", "https:"] : connect.map(originOf)
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    ["connect-src 'self'", ...sources].join(" "),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; ")
}

const originOf = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) {
    throw new RangeError(
      `cannot let the explorer connect to ${text}: write an origin such as https://registry.example.com`
    )
  }
  return url.origin
}

/** Serves a file: compressed if the client accepts it, and nothing but its headers if the client has it. */
const serve = (file: File, headers: Wire.Headers): RegistryServer.Answer => {
  const compressed = Effect.runSync(Effect.cached(Effect.sync(() => decode(file.gzip))))
  const bytesFor = (isCompressed: boolean) =>
    isCompressed ? compressed : Effect.flatMap(compressed, (bytes) => Effect.promise(() => decompress(bytes)))
  return ({ headers: sent, method }) => {
    if (method !== "GET" && method !== "HEAD") {
      return Answer.succeed({ status: 405, headers: { allow: "GET, HEAD" }, body: undefined })
    }
    const isCompressed = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(sent["accept-encoding"] ?? "")
    const etag = `"${file.hash}${isCompressed ? "-gzip" : ""}"`
    const shared = { ...headers, etag }
    if (matches(sent["if-none-match"], etag)) return Answer.succeed({ status: 304, headers: shared, body: undefined })
    return Effect.map(bytesFor(isCompressed), (bytes) => ({
      status: 200,
      headers: {
        ...shared,
        "content-type": file.type,
        "content-length": String(bytes.byteLength),
        ...isCompressed && { "content-encoding": "gzip" }
      },
      body: method === "HEAD" ? undefined : Body.bytes(bytes)
    }))
  }
}

const matches = (condition: string | undefined, etag: string): boolean =>
  condition?.split(",").some((each) => each.trim().replace(/^W\//, "") === etag || each.trim() === "*") ?? false

const decode = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))

const decompress = async (bytes: Uint8Array): Promise<Uint8Array> => {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

const notFound: RegistryServer.Answer = () =>
  Answer.succeed({
    status: 404,
    headers: { ...headers, "content-type": "text/plain; charset=utf-8" },
    body: Body.bytes(new TextEncoder().encode("This server has no such page. The explorer is at /\n"))
  })
