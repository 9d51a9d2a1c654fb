/** Places of a few lines: what they answer is the test's, and what they were asked they tell. */
import { AuthScope, RegistryError } from "@effect-oci/core"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect } from "effect"
import * as Stream from "effect/Stream"
import { fromUrl } from "../src/internal/needs.js"

/** A request as it came. */
export interface Asked {
  readonly method: string
  readonly url: URL
  readonly authorization: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly headers?: Record<string, string> | undefined
  readonly body?: unknown
}

export type Place = (asked: Asked) => Answer | Effect.Effect<Answer, unknown>

/** A client that reaches these places alone. */
export const world = (places: { readonly [origin: string]: Place }) => {
  const asked: Array<Asked> = []
  const client = HttpClient.make((request, url) =>
    Effect.gen(function*() {
      const place = places[url.origin]
      const body = request.body._tag === "Uint8Array"
        ? new TextDecoder().decode(request.body.body)
        : request.body._tag === "Stream"
        ? yield* Effect.orDie(Stream.mkString(Stream.decodeText(request.body.stream)))
        : ""
      const { authorization } = request.headers
      const each = { method: request.method, url, authorization, headers: { ...request.headers }, body }
      asked.push(each)
      const answered = place === undefined ? Effect.fail({ code: "ENOTFOUND" }) : place(each)
      const { body: content, headers, status } = yield* Effect.isEffect(answered)
        ? Effect.mapError(
          answered,
          (cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
        )
        : Effect.succeed(answered)
      const text = content === undefined || typeof content === "string" ? content : JSON.stringify(content)
      const isEmpty = request.method === "HEAD" || [204, 304].includes(status)
      return HttpClientResponse.fromWeb(
        request,
        new Response(isEmpty ? null : text, headers === undefined ? { status } : { status, headers })
      )
    })
  )
  /** `GET https://host/path secret` of all that was asked so far. */
  const lines = () =>
    asked.map(({ authorization, method, url }) =>
      [method, `${url.origin}${url.pathname}`, ...(authorization === undefined ? [] : [authorization])].join(" ")
    )
  return { client, asked, lines }
}

export const registry = "https://registry.example.com"
export const realm = "https://auth.example.com/token"

/** What a token server was asked. */
export interface Wish {
  readonly method: string
  readonly authorization: string | undefined
  readonly service: string | null
  readonly account: string | null
  readonly scopes: ReadonlyArray<string>
  readonly form: Readonly<Record<string, string>>
}

export const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

/**
 * A token server: its tokens are `token-1`, `token-2` and so on, each for what was asked. `extra` goes into its answers,
 * or takes their place.
 */
export const tokenServer = (extra: (wish: Wish, count: number) => object | Answer = () => ({})) => {
  const wishes: Array<Wish> = []
  const granted = new Map<string, AuthScope.AuthScope>()
  const place: Place = ({ authorization, body, method, url }) => {
    const form = Object.fromEntries(new URLSearchParams(body))
    const scopes = method === "POST" ? [form["scope"] ?? ""] : url.searchParams.getAll("scope")
    const wish: Wish = {
      method,
      authorization,
      service: url.searchParams.get("service"),
      account: url.searchParams.get("account"),
      scopes,
      form
    }
    wishes.push(wish)
    const more = extra(wish, wishes.length)
    if ("status" in more) return more
    const token = `token-${wishes.length}`
    granted.set(token, AuthScope.parse(scopes.join(" ")))
    return { status: 200, body: { token, ...more } }
  }
  return { place, wishes, granted }
}

const actionsOf = (asked: Asked): AuthScope.AuthScope => fromUrl({ method: asked.method, url: asked.url.href } as never)

/** A registry that wants a token for what its URLs say, and answers `ok` then. */
export const guarded = (
  granted: ReadonlyMap<string, AuthScope.AuthScope>,
  options: { readonly realm?: string; readonly scope?: (needed: string) => string | undefined } = {}
): Place =>
(asked) => {
  const needed = actionsOf(asked)
  const held = granted.get(asked.authorization?.replace(/^Bearer /, "") ?? "")
  if (held !== undefined && AuthScope.contains(held, needed)) return { status: 200, body: "ok" }
  const scope = (options.scope ?? ((text) => text))(AuthScope.format(needed))
  const error = asked.authorization === undefined
    ? ""
    : `,error="${held === undefined ? "invalid_token" : "insufficient_scope"}"`
  return {
    status: 401,
    headers: {
      "www-authenticate": `Bearer realm="${options.realm ?? realm}",service="registry.example.com"${
        scope === undefined ? "" : `,scope="${scope}"`
      }${error}`
    },
    body: { errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] }
  }
}

/** The error of a registry in what a client fails with. */
export const errorOf = (error: unknown): RegistryError.RegistryError => {
  const { cause } = error as HttpClientError.RequestError
  if (!RegistryError.isRegistryError(cause)) throw new Error(`no error of a registry: ${String(error)}`)
  return cause
}
