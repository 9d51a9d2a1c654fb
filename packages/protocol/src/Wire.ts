/**
 * HTTP as plain data: what a codec needs of a request and a response, and no more.
 *
 * @since 0.1.0
 */
import type * as Body from "@effect-oci/core/Body"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/**
 * Headers by lower-case name. One that came several times is one value, joined by commas (RFC 9110, section 5.3).
 *
 * @since 0.1.0
 * @category models
 */
export interface Headers {
  readonly [name: string]: string | undefined
}

/**
 * The methods of the distribution API.
 *
 * @since 0.1.0
 * @category models
 */
export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"

/**
 * A request. `target` is the path and the query as they are written in the request line, percent-encoded; for an
 * upload it is whatever the registry gave as its `Location`, which may be a whole URL. The size of the body is its
 * `Content-Length`, and unknown where there is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly method: string
  readonly target: string
  readonly headers: Headers
  readonly body: Body.Body | undefined
  /** The address of whoever sent it, as a server sees it: that of the last proxy, where there are any. */
  readonly remoteAddress?: string | undefined
}

/**
 * A response. `close` is run when the body has been sent, or will not be: it closes what the body reads from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Response {
  readonly status: number
  readonly headers: Headers
  readonly body: Body.Body | undefined
  readonly close?: ((exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>) | undefined
}
