/**
 * The `User-Agent` header.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { mapRequest } from "./Transport.js"
import type { Transport } from "./Transport.js"

/**
 * The default `User-Agent` header.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultUserAgent = "effect-oci/0.0.0"

/**
 * Creates a transport that adds a `User-Agent` header to requests without one. A browser sends its own instead. RFC
 * 9110, section 10.1.5.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (userAgent: string = defaultUserAgent): Transport =>
  mapRequest((request) =>
    request.headers["user-agent"] === undefined
      ? HttpClientRequest.setHeader(request, "user-agent", userAgent)
      : request
  )
