/**
 * What a registry says to people beside its answers: the `Warning` header.
 *
 * @since 0.1.0
 */
import * as Redaction from "@effect-oci/auth/Redaction"
import type { Transport } from "@effect-oci/auth/Transport"
import { printable } from "@effect-oci/core/Printable"
import * as Warning from "@effect-oci/protocol/Warning"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"

/**
 * A text that a registry wants people to read. Programs do not act on it. Spec: "Warnings".
 *
 * @since 0.1.0
 * @category models
 */
export interface Notice {
  /** Where it came from: `https://registry.example.com`. */
  readonly origin: string
  /** What it says, made fit for a terminal. */
  readonly text: string
}

/** How many notices are remembered, so as not to be said again: a registry that makes up new ones is heard so often. */
const most = 100

const log = ({ origin, text }: Notice): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning(text), "registry", origin)

const originOf = (url: string): string => URL.canParse(url) ? new URL(url).origin : url

/**
 * Hands each notice on once: to the log as a warning, unless another place is given. The first hundred count.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (onNotice: (notice: Notice) => Effect.Effect<void> = log): Transport => {
  const said = new Set<string>()
  const isNew = (notice: Notice) => {
    const key = `${notice.origin} ${notice.text}`
    if (said.has(key) || said.size >= most) return false
    said.add(key)
    return true
  }
  return HttpClient.tap((response) => {
    const header = response.headers["warning"]
    if (header === undefined) return Effect.void
    const origin = originOf(response.request.url)
    const redact = Redaction.make(Redaction.secretsOfHeaders(response.request.headers))
    const notices = Warning.parse(header).map((text) => ({ origin, text: printable(redact(text)) })).filter(isNew)
    return Effect.forEach(notices, onNotice, { discard: true })
  })
}
