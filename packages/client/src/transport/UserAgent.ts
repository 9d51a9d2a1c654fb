/**
 * The `User-Agent` header.
 *
 * @since 0.1.0
 */
import type { Transport } from "@effect-oci/auth/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"

/**
 * What requests are sent with where nothing else is said.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultUserAgent = "effect-oci/0.1.0"

/**
 * Says who asks, in requests that do not say so yet. A browser keeps its own. RFC 9110, section 10.1.5.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (userAgent: string = defaultUserAgent): Transport =>
  HttpClient.mapRequest((request) =>
    request.headers["user-agent"] === undefined
      ? HttpClientRequest.setHeader(request, "user-agent", userAgent)
      : request
  )
