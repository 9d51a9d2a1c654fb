/**
 * Warnings of a registry for its users: the `Warning` header.
 *
 * @since 0.1.0
 */
import { printable } from "@effect-oci/core/Printable"
import * as Warning from "@effect-oci/protocol/Warning"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Redaction from "./Redaction.js"
import * as Transport from "./Transport.js"

/**
 * A text of a registry for its users. Programs do not act on it.
 * [Spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings).
 *
 * @since 0.1.0
 * @category models
 */
export interface Notice {
  /** The origin of the registry: `https://registry.example.com`. */
  readonly origin: string
  /** The text, safe to print on a terminal. */
  readonly text: string
}

/**
 * How many notices are remembered so that they are not reported again. A registry that sends a new text each time is
 * reported this often.
 */
const most = 100

const log = ({ origin, text }: Notice): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning(text), "registry", origin)

const originOf = (url: string): string => URL.canParse(url) ? new URL(url).origin : url

/**
 * Creates a transport that reports each notice once, up to a hundred notices. Default: it logs them as warnings.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (onNotice: (notice: Notice) => Effect.Effect<void> = log): Transport.Transport => {
  const reported = new Set<string>()
  const isNew = (notice: Notice) => {
    const key = `${notice.origin} ${notice.text}`
    if (reported.has(key) || reported.size >= most) return false
    reported.add(key)
    return true
  }
  const report = (response: HttpClientResponse): Effect.Effect<HttpClientResponse> => {
    const header = response.headers["warning"]
    if (header === undefined) return Effect.succeed(response)
    const origin = originOf(response.request.url)
    const redact = Redaction.make(Redaction.secretsOfHeaders(response.request.headers))
    const notices = Warning.parse(header).map((text) => ({ origin, text: printable(redact(text)) })).filter(isNew)
    return Effect.as(Effect.forEach(notices, onNotice, { discard: true }), response)
  }
  return Transport.makeIn((request, within, send) => Effect.flatMap(send(request, within), report))
}
