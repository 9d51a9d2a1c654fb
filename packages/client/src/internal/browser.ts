import type * as Body from "@effect-oci/core/Body"
import { SizeInvalid } from "@effect-oci/core/RegistryError"

/**
 * Returns whether the program runs in a browser. A browser sends the body of a request as a stream only over HTTP/2, and
 * some browsers never do. All other runtimes name themselves.
 */
export const isBrowser = (): boolean => {
  const { navigator }: { readonly navigator?: { readonly userAgent?: string } } = globalThis
  return navigator?.userAgent?.startsWith("Mozilla/") === true
}

/** The size of the largest stream that the client sends in one request from a browser, in bytes. It is kept in memory. */
export const chunkSize = 8 * 1024 * 1024

/** Returns whether a body has to be sent in chunks. */
export const mustSplit = (body: Body.Body | undefined): body is Body.Body =>
  body !== undefined && body.bytes === undefined && (body.size ?? Infinity) > chunkSize && isBrowser()

/** The limit of a stream that is read into memory. */
export const limit = {
  limit: chunkSize,
  onLimit: () =>
    new SizeInvalid({ reason: "a browser cannot send a stream of this size in one request", limit: chunkSize })
}
